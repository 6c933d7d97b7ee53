"""Cosines of rational multiples of pi, accurate to float64 at any length.

The DCT's angles pi k (2j + 1) / 2n grow as k n, and a float cannot hold them modulo 2 pi: at n = 65,536 a naive
float32 table is wrong in its first digit. So the integer k (2j + 1) is reduced modulo 4n first, which is exact.

Tables are computed in NumPy, so they are float64 on the host whatever torch's default dtype, default device or mode
(fake tensors, meta, inference) is when a layer is built.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def cos_sin(numerator: Array, denominator: int) -> tuple[Array, Array]:
    """Return cos and sin of pi * numerator / denominator in float64, for an integer array of any shape and size."""
    angle = numerator % (2 * denominator) * (math.pi / denominator)
    return np.cos(angle), np.sin(angle)


def row_scale(seq_len: int, n_kept: int) -> Array:
    """Return c_k of the orthonormal DCT-II, (n_kept,) float64: sqrt(1/n) for k = 0, else sqrt(2/n)."""
    scale = np.full(n_kept, math.sqrt(2 / seq_len))
    scale[0] = math.sqrt(1 / seq_len)
    return scale


def dct_basis(seq_len: int, n_kept: int, dtype: type[np.floating[Any]]) -> Array:
    """Return the first rows of the orthonormal DCT-II matrix, (n_kept, seq_len).

    Its cosines take at most 4n values, which are looked up. Each row is even or odd about its middle.
    """
    period, _ = cos_sin(np.arange(4 * seq_len), 2 * seq_len)
    period *= math.sqrt(2 / seq_len)
    values = period.astype(dtype)
    basis = np.empty((n_kept, seq_len), dtype)
    half = (seq_len + 1) // 2
    odd_numbers = 2 * np.arange(half) + 1
    for k, row in enumerate(basis):
        row[:half] = values[k * odd_numbers % (4 * seq_len)]
        row[half:] = row[: seq_len - half][::-1] * (1 - 2 * (k % 2))
    basis[0] = math.sqrt(1 / seq_len)
    return basis
