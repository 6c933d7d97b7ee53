"""dct-x against the authors' own outputs."""

from __future__ import annotations

import pytest
import torch

from dctbench.attention import build
from tests.attention import goldens


@pytest.mark.parametrize("golden", goldens.load("dct_x"), ids=lambda g: g.name)
def test_equals_the_authors_layer(golden: goldens.Golden) -> None:
    meta = golden.meta
    layer = build(
        "dct-x", seq_len=meta["seq"], dim=meta["dim"], heads=meta["heads"], ratio=meta["seq"] / meta["kept"]
    )
    golden.load_projections(layer)
    with torch.no_grad():
        assert (layer(golden.x) - golden.y).abs().max() <= 5e-6
