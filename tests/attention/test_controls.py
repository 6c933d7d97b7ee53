"""The controls, pooling and no attention, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from numpy.typing import NDArray
from torch import Tensor

from dctbench.attention import build
from dctbench.errors import UsageError
from tests.support.definitions import Shape, array, assert_real_rows_close, drawn, projected, shapes, softmax


def windows(
    rows: NDArray[np.float64], mask: Tensor | None, shape: Shape
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.intp]]:
    """Return the mean of each window over its real tokens, which windows have none, and the window of each position."""
    n = shape.seq_len
    real = np.ones(rows.shape[:2], dtype=bool) if mask is None else mask.numpy()
    count = max(1, int(np.ceil(n / shape.ratio - 1e-9)))
    window = np.array([j * count // n for j in range(n)])
    means, hidden = np.zeros((shape.batch, count, shape.dim)), np.zeros((shape.batch, count), dtype=bool)
    for b in range(shape.batch):
        for w in range(count):
            members = (window == w) & real[b]
            hidden[b, w] = not members.any()
            if members.any():
                means[b, w] = rows[b, members].mean(0)
    return means, hidden, window


def attended(
    q: NDArray[np.float64], k: NDArray[np.float64], v: NDArray[np.float64], hidden: NDArray[np.bool_], heads: int
) -> NDArray[np.float64]:
    """Return softmax attention in each head of joined q, k, v, without the hidden keys."""
    out, width = np.zeros_like(q), q.shape[2] // heads
    for b in range(len(q)):
        for part in (slice(h * width, (h + 1) * width) for h in range(heads)):
            scores = q[b, :, part] @ k[b, :, part].T / np.sqrt(width)
            out[b, :, part] = softmax(np.where(hidden[b][None, :], -np.inf, scores)) @ v[b, :, part]
    return out


@given(shape=shapes())
@drawn
def test_pool_is_attention_among_means_of_windows(shape: Shape) -> None:
    layer = build("pool", **shape.sizes, ratio=shape.ratio, dtype=torch.float64)
    x, mask = shape.x(), shape.mask()
    means, hidden, window = windows(array(x), mask, shape)
    q, k, v = (projected(layer, name, means) for name in ("q_proj", "k_proj", "v_proj"))
    out = attended(q, k, v, hidden, shape.heads)
    assert_real_rows_close(layer(x, mask), projected(layer, "out_proj", out)[:, window], mask)


@given(shape=shapes())
@drawn
def test_pool_kv_is_attention_of_every_position_to_means_of_windows(shape: Shape) -> None:
    layer = build("pool-kv", **shape.sizes, ratio=shape.ratio, dtype=torch.float64)
    x, mask = shape.x(), shape.mask()
    means, hidden, _ = windows(array(x), mask, shape)
    q = projected(layer, "q_proj", array(x))
    k, v = (projected(layer, name, means) for name in ("k_proj", "v_proj"))
    out = attended(q, k, v, hidden, shape.heads)
    assert_real_rows_close(layer(x, mask), projected(layer, "out_proj", out), mask)


@given(shape=shapes())
@drawn
def test_none_is_two_projections(shape: Shape) -> None:
    layer = build("none", **shape.sizes, dtype=torch.float64)
    expected = projected(layer, "out_proj", projected(layer, "v_proj", array(shape.x())))
    assert_real_rows_close(layer(shape.x(), shape.mask()), expected, shape.mask())


def test_none_has_no_query_and_key_projections() -> None:
    assert {name.split(".")[0] for name, _ in build("none", seq_len=4, dim=4, heads=1).named_parameters()} == {
        "v_proj", "out_proj",
    }  # fmt: skip


def test_pool_needs_a_ratio() -> None:
    with pytest.raises(UsageError, match="pool needs a ratio"):
        build("pool", seq_len=8, dim=4, heads=1)
