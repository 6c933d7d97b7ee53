"""Tools for definitions in tests: plain float64 NumPy and random shapes, without code of dctbench.

A definition handles one head of one sequence and loops over the indices of the paper's formula. `attended` turns it
into the output of a layer, so a test consists only of its formula.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Head = Callable[[Array, Array, Array, Mask], Array]
"""q, k, v (seq_len, head_dim) and which tokens are real (seq_len,) -> attended values (seq_len, head_dim)."""

drawn = settings(max_examples=25)


class Sizes(TypedDict):
    """Arguments that every layer takes, to be unpacked in a call."""

    seq_len: int
    dim: int
    heads: int


class CompressedSizes(Sizes):
    """Those of a method with a ratio."""

    ratio: float


@dataclass(frozen=True)
class Shape:
    """A random case. `real_tokens` is the number of real tokens in each row, or None for a call without a mask."""

    seq_len: int
    heads: int
    head_dim: int
    ratio: float
    real_tokens: tuple[int, ...] | None
    batch: int
    seed: int

    @property
    def dim(self) -> int:
        return self.heads * self.head_dim

    @property
    def sizes(self) -> Sizes:
        return {"seq_len": self.seq_len, "dim": self.dim, "heads": self.heads}

    def x(self, scale: float = 1.0) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        return scale * torch.randn(self.batch, self.seq_len, self.dim, generator=generator, dtype=torch.float64)

    def mask(self) -> Tensor | None:
        """Return a mask with real tokens at random positions, not only leading ones."""
        if self.real_tokens is None:
            return None
        generator = torch.Generator().manual_seed(self.seed)
        rank = torch.rand(self.batch, self.seq_len, generator=generator).argsort(1).argsort(1)
        return rank < torch.tensor(self.real_tokens)[:, None]


@st.composite
def shapes(draw: st.DrawFn, longest: int = 40) -> Shape:
    seq_len = draw(st.integers(1, longest))
    batch = draw(st.integers(1, 3))
    return Shape(
        seq_len=seq_len,
        heads=draw(st.integers(1, 3)),
        head_dim=draw(st.integers(1, 8)),
        ratio=draw(st.sampled_from([1, 1.5, 2, 3, 8, 100])),
        real_tokens=draw(st.none() | st.tuples(*[st.integers(0, seq_len)] * batch)),
        batch=batch,
        seed=draw(st.integers(0, 1000)),
    )


def array(tensor: Tensor | None) -> Array:
    assert tensor is not None
    return tensor.detach().numpy().astype(np.float64)


def projected(layer: nn.Module, name: str, x: Array) -> Array:
    """Return x W^T + b with the parameters of the layer."""
    linear = getattr(layer, name)
    out: Array = x @ array(linear.weight).T
    return out if linear.bias is None else out + array(linear.bias)


def softmax(scores: Array) -> Array:
    """Softmax over the last axis; a row of -inf gives zeros."""
    top = np.max(scores, axis=-1, keepdims=True)
    weights: Array = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def attended(layer: nn.Module, x: Tensor, mask: Tensor | None, head: Head, *, shared: bool = False) -> Array:
    """Return the output of the layer by definition: projections, `head` on each head and sequence, output projection.

    With `shared` the queries are also the keys.
    """
    rows = array(x)
    real = np.ones(rows.shape[:2], dtype=bool) if mask is None else mask.numpy()
    q, v = projected(layer, "q_proj", rows), projected(layer, "v_proj", rows)
    k = q if shared else projected(layer, "k_proj", rows)
    out = np.zeros_like(v)
    heads: int = layer.heads  # type: ignore[assignment]
    width = rows.shape[2] // heads
    for b in range(rows.shape[0]):
        for h in range(heads):
            at = (b, slice(None), slice(h * width, (h + 1) * width))
            out[at] = head(q[at], k[at], v[at], real[b])
    return projected(layer, "out_proj", out)


def assert_real_rows_close(
    got: Tensor, expected: Array, mask: Tensor | None, atol: float = 1e-10, rtol: float = 1e-10
) -> None:
    """Assert that rows of real tokens are equal; padded rows are unspecified but must be finite."""
    assert torch.isfinite(got).all()
    rows = np.ones(expected.shape[:2], dtype=bool) if mask is None else mask.numpy()
    np.testing.assert_allclose(array(got)[rows], expected[rows], atol=atol, rtol=rtol)
