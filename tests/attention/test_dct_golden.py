"""The DCT family against the outputs of the authors' own layers, with every algorithm of the transform."""

from __future__ import annotations

import pytest
import torch

from dctbench.attention import build
from tests.support import golden as goldens

AGREEMENT = 5e-6
FORMS = {"dct_x": "dct-x", "dct_qkv": "dct-qkv", "dct_ideal": "dct-ideal"}
CASES = [(method, golden) for prefix, method in FORMS.items() for golden in goldens.load(prefix)]


@pytest.mark.parametrize("transform", ["auto", "basis", "block", "rfft"])
@pytest.mark.parametrize(("method", "golden"), CASES, ids=lambda case: getattr(case, "name", case))
def test_equals_the_authors_layer(method: str, golden: goldens.Golden, transform: str) -> None:
    meta = golden.meta
    layer = build(
        method,
        seq_len=meta["seq"],
        dim=meta["dim"],
        heads=meta["heads"],
        ratio=meta["seq"] / meta["kept"],
        transform=transform,
    )
    golden.load_projections(layer)
    with torch.no_grad():
        assert (layer(golden.x, golden.mask) - golden.y).abs().max() <= AGREEMENT
