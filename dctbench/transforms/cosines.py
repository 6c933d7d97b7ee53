"""Cosines whose argument is a ratio of integers, exact to the last digits of float64 at any length.

The DCT's angles pi k (2j + 1) / 2n grow as k n, and a float cannot hold them modulo 2 pi: at n = 65,536 a
naive float32 table is wrong in its first digit. The integer k (2j + 1) modulo 4n is exact, so it is reduced first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def cos_sin(numerator: Tensor, denominator: int) -> tuple[Tensor, Tensor]:
    """cos and sin of pi * numerator / denominator in float64; `numerator` int64, of any shape and size."""
    angle = numerator.remainder(2 * denominator).double() * (math.pi / denominator)
    return angle.cos(), angle.sin()


def row_scale(seq_len: int, n_kept: int) -> Tensor:
    """c_k of the orthonormal DCT-II, (n_kept,) float64: sqrt(1/n) for k = 0, else sqrt(2/n)."""
    scale = torch.full((n_kept,), math.sqrt(2 / seq_len), dtype=torch.float64)
    scale[0] = math.sqrt(1 / seq_len)
    return scale


def dct_rows(seq_len: int, first: int, last: int) -> Tensor:
    """Rows first..last-1 of the orthonormal DCT-II matrix, (last - first, seq_len) float64."""
    k = torch.arange(first, last)[:, None]  # (rows, 1)
    cosines, _ = cos_sin(k * (2 * torch.arange(seq_len) + 1), 2 * seq_len)
    return cosines * row_scale(seq_len, last)[first:, None]
