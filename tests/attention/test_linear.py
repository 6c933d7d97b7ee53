"""Linear attention against its quadratic form, Katharopoulos et al. 2020, with phi = elu + 1."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given

from dctbench.attention import AttentionLayer, build
from tests.support.definitions import Array, Mask, Shape, assert_real_rows_close, attended, drawn, shapes


def phi(x: Array) -> Array:
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


def kernel_attention(q: Array, k: Array, v: Array, real: Mask) -> Array:
    weights = phi(q) @ phi(k).T * real[None, :]
    total = weights.sum(1, keepdims=True)
    out: Array = weights @ v / np.where(total == 0, 1.0, total)
    return out


@given(shape=shapes())
@drawn
def test_equals_its_definition(shape: Shape) -> None:
    layer = build("linear", **shape.sizes, dtype=torch.float64)
    expected = attended(layer, shape.x(3.0), shape.mask(), kernel_attention)
    assert_real_rows_close(layer(shape.x(3.0), shape.mask()), expected, shape.mask())


def test_float16_sums_over_a_long_sequence_do_not_overflow() -> None:
    layer = build("linear", seq_len=40_000, dim=4, heads=1, dtype=torch.float16)
    k = torch.full((1, 1, 40_000, 4), 2.0, dtype=torch.float16)
    assert isinstance(layer, AttentionLayer)
    torch.testing.assert_close(layer.attend(k, k, k), k)
