"""Sliding-window attention against Beltagy et al. 2020, section 3: softmax with a mask over the neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dctbench.attention import build
from dctbench.attention.window import WindowAttention
from dctbench.errors import UsageError
from tests.support.definitions import Array, Head, Mask, Shape, assert_real_rows_close, attended, drawn, shapes, softmax


def neighbours(half_width: int) -> Head:
    def head(q: Array, k: Array, v: Array, real: Mask) -> Array:
        position = np.arange(len(q))
        near = np.abs(position[:, None] - position[None, :]) <= half_width
        scores = q @ k.T / np.sqrt(q.shape[1])
        return softmax(np.where(near & real[None, :], scores, -np.inf)) @ v

    return head


@given(shape=shapes(), half_width=st.integers(0, 45))
@drawn
def test_equals_its_definition(shape: Shape, half_width: int) -> None:
    layer = WindowAttention(**shape.sizes, half_width=half_width, dtype=torch.float64)
    expected = attended(layer, shape.x(), shape.mask(), neighbours(half_width))
    assert_real_rows_close(layer(shape.x(), shape.mask()), expected, shape.mask())


def test_a_window_as_wide_as_the_sequence_is_full_attention() -> None:
    window = build("window", seq_len=50, dim=8, heads=2, half_width=49)
    full = build("full", seq_len=50, dim=8, heads=2)
    full.load_state_dict(window.state_dict())
    x = torch.randn(2, 50, 8)
    torch.testing.assert_close(window(x), full(x))


def test_cost_is_linear_in_the_length() -> None:
    costs = [WindowAttention(seq_len=n, dim=8, heads=1, half_width=16).attend_flops() for n in (1024, 2048)]
    assert costs[1] == 2 * costs[0]


def test_a_negative_width_is_refused() -> None:
    with pytest.raises(UsageError, match="half_width must not be negative"):
        build("window", seq_len=8, dim=4, heads=1, half_width=-1)
