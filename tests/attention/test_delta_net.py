"""DeltaNet against its recurrence, Yang et al. 2024, section 2, token by token."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dctbench.attention import build
from dctbench.attention.delta_net import DeltaNet, inverse_of_unit_lower
from tests.support.definitions import Array, Shape, array, assert_real_rows_close, drawn, projected, shapes


def silu(x: Array) -> Array:
    out: Array = x / (1 + np.exp(-x))
    return out


def unit_silu(x: Array) -> Array:
    out: Array = silu(x) / np.maximum(np.linalg.norm(silu(x), axis=-1, keepdims=True), 1e-12)
    return out


@given(shape=shapes(longest=150))
@drawn
def test_equals_its_recurrence(shape: Shape) -> None:
    layer = DeltaNet(**shape.sizes, dtype=torch.float64)
    x, mask = shape.x(), shape.mask()
    rows, width = array(x), shape.head_dim
    q, k, v = (projected(layer, name, rows) for name in ("q_proj", "k_proj", "v_proj"))
    beta = 1 / (1 + np.exp(-projected(layer, "beta_proj", rows)))
    if mask is not None:
        beta = beta * mask.numpy()[..., None]
    out = np.zeros_like(v)
    for b in range(shape.batch):
        for h in range(shape.heads):
            part = slice(h * width, (h + 1) * width)
            memory = np.zeros((width, width))
            for t in range(shape.seq_len):
                key = unit_silu(k[b, t, part])
                memory = memory + beta[b, t, h] * np.outer(silu(v[b, t, part]) - memory @ key, key)
                read = memory @ unit_silu(q[b, t, part])
                out[b, t, part] = read / np.sqrt((read**2).mean() + 1e-5) * array(layer.norm.weight)
    assert_real_rows_close(layer(x, mask), projected(layer, "out_proj", out), mask, atol=1e-9)


def test_it_is_causal() -> None:
    layer = build("delta-net", seq_len=100, dim=8, heads=2)
    x = torch.randn(1, 100, 8)
    changed = torch.cat([x[:, :70], torch.randn(1, 30, 8)], dim=1)
    torch.testing.assert_close(layer(x)[:, :70], layer(changed)[:, :70])


@given(steps=st.integers(0, 6), seed=st.integers(0, 100))
@settings(parent=drawn)
def test_the_inverse_in_blocks_is_the_inverse(steps: int, seed: int) -> None:
    size = 2**steps
    strict = np.tril(np.random.default_rng(seed).uniform(-1, 1, (2, 3, size, size)) / np.sqrt(size), -1)
    inverse = array(inverse_of_unit_lower(torch.from_numpy(strict)))
    np.testing.assert_allclose(
        inverse @ (np.eye(size) + strict), np.broadcast_to(np.eye(size), strict.shape), atol=1e-9
    )


def test_equal_keys_do_not_blow_up_in_float32() -> None:
    layer = DeltaNet(seq_len=64, dim=4, heads=1)
    k = torch.ones(1, 1, 64, 4) / 2
    v = torch.randn(1, 1, 64, 4)
    beta = torch.full((1, 1, 64, 1), 0.999)
    read = layer.delta_rule(k, k, v, beta)
    torch.testing.assert_close(read, v, rtol=0.02, atol=0.02)  # each token overwrites the previous one
