"""Linformer against the golden data and Wang et al. 2020, section 4."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

from dctbench.attention import build
from dctbench.attention.linformer import LinformerAttention
from tests.support import golden as goldens
from tests.support.definitions import Array, Shape, array, assert_real_rows_close, drawn, projected, shapes, softmax


@pytest.mark.parametrize("golden", goldens.load("linformer"), ids=lambda golden: golden.name)
def test_equals_the_golden_data(golden: goldens.Golden) -> None:
    meta = golden.meta
    layer = LinformerAttention(seq_len=meta["seq"], dim=meta["dim"], heads=meta["heads"], ratio=meta["seq"] / meta["k"])
    golden.load_projections(layer)
    with torch.no_grad():
        layer.E.copy_(golden.parameters["atn_head.E"])
        assert (layer(golden.x) - golden.y).abs().max() <= 5e-6


@given(shape=shapes())
@drawn
def test_equals_its_definition(shape: Shape) -> None:
    layer = LinformerAttention(**shape.sizes, ratio=shape.ratio, dtype=torch.float64)
    x, mask = shape.x(), shape.mask()
    rows, projections = array(x), array(layer.E)
    q, k, v = (projected(layer, name, rows) for name in ("q_proj", "k_proj", "v_proj"))
    if mask is not None:
        k, v = k * mask.numpy()[..., None], v * mask.numpy()[..., None]
    out: Array = np.zeros_like(v)
    for b in range(shape.batch):
        for h in range(shape.heads):
            part = (b, slice(None), slice(h * shape.head_dim, (h + 1) * shape.head_dim))
            weights = softmax(q[part] @ (projections[h] @ k[part]).T / np.sqrt(shape.head_dim))
            out[part] = weights @ (projections[h] @ v[part])
    assert_real_rows_close(layer(x, mask), projected(layer, "out_proj", out), mask)


def test_ratio_sets_the_papers_k() -> None:
    layer = build("linformer", seq_len=100, dim=8, heads=2, ratio=8)
    assert layer.E.shape == (2, 13, 100)
