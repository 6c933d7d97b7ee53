"""Linformer against the golden data and Wang et al. 2020, section 4."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from dctbench.attention import build
from dctbench.attention.linformer import LinformerAttention
from dctbench.worker.devices.cpu_memory import peak_tensor_bytes
from tests.support import golden as goldens
from tests.support.definitions import Array, Shape, array, assert_real_rows_close, drawn, projected, shapes, softmax


@pytest.mark.parametrize("golden", goldens.load("linformer"), ids=lambda golden: golden.name)
def test_equals_the_golden_data(golden: goldens.Golden) -> None:
    meta = golden.meta
    layer = build(
        "linformer-per-head", seq_len=meta["seq"], dim=meta["dim"], heads=meta["heads"], kept=meta["k"]
    )  # fmt: skip
    assert isinstance(layer, LinformerAttention)
    golden.load_projections(layer)
    with torch.no_grad():
        layer.E.copy_(golden.parameters["atn_head.E"])
        assert (layer(golden.x) - golden.y).abs().max() <= 5e-6


@given(shape=shapes(), per_head=st.booleans())
@drawn
def test_equals_its_definition(shape: Shape, per_head: bool) -> None:
    layer = LinformerAttention(**shape.sizes, ratio=shape.ratio, per_head=per_head, dtype=torch.float64)
    x, mask = shape.x(), shape.mask()
    rows = array(x)
    projections = array(layer.E) if per_head else [array(layer.E)] * shape.heads
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


def test_ratio_sets_the_papers_k_and_heads_share_one_projection() -> None:
    assert build("linformer", seq_len=100, dim=8, heads=2, ratio=8).E.shape == (13, 100)
    assert build("linformer", seq_len=100, dim=8, heads=2, ratio=8, per_head=True).E.shape == (2, 13, 100)


def test_the_form_per_head_has_the_flops_of_its_formula() -> None:
    layer = LinformerAttention(seq_len=256, dim=32, heads=4, ratio=4, per_head=True, device="meta")
    with FlopCounterMode(display=False) as counter:
        layer(torch.empty(2, 256, 32, device="meta"))
    assert layer.flops(2) == pytest.approx(counter.get_total_flops(), rel=0.03)


def test_several_samples_are_shortened_without_a_copy_of_them() -> None:
    layer = build("linformer", seq_len=256, dim=32, heads=2, kept=8)
    assert isinstance(layer, LinformerAttention)
    x = torch.randn(4, 256, 32, generator=torch.Generator().manual_seed(0))
    expected = layer.E.double() @ x.double()
    with torch.inference_mode():
        peak = peak_tensor_bytes(lambda: layer.project(x))
        assert (layer.project(x) - expected).abs().max() < 1e-5
    assert peak < x.nbytes / 2
    assert (layer.project(x) - expected).abs().max() < 1e-5
