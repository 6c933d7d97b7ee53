"""The few functions that a block of consecutive samples needs to hold every low frequency.

Cut a sequence into blocks of length L. Seen from the middle of its block, a cosine of frequency f = k / 2n is
cos(2 pi f u + phase), so all that D_m reads from a block are the inner products with cos and sin of frequencies up to
W = m / 2n. Sequences of length L and bandwidth W span about 2 L W = L / ratio dimensions (Slepian 1978, "Prolate
spheroidal wave functions, Fourier analysis, and uncertainty V: the discrete case", Bell Syst. Tech. J. 57), and the
best orthonormal basis for them are the discrete prolate spheroidal sequences: eigenvectors of a tridiagonal
matrix, alternately even and odd about the middle, ordered by how much of their energy lies in the band.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from dctbench.transforms.cosines import Array, cos_sin

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-7, torch.bfloat16: 1e-3, torch.float16: 1e-4}
"""What a block may lose of a unit cosine, per dtype: below the rounding of its products."""


def prolate(length: int, bandwidth: float) -> tuple[Array, Array]:
    """The discrete prolate spheroidal sequences, most concentrated first, in float64.

    Returns:
        The even ones (length, ceil(length / 2)) and the odd ones (length, floor(length / 2)).
    """
    t = np.arange(length)
    diagonal = ((length - 1 - 2 * t) / 2) ** 2 * math.cos(2 * math.pi * bandwidth)
    beside = t[1:] * (length - t[1:]) / 2
    commuting = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    sequences = np.linalg.eigh(commuting).eigenvectors[:, ::-1]  # (length, length)
    even, odd = sequences[:, 0::2], sequences[:, 1::2]
    # Exact parity, where eigh leaves 1e-14.
    return (even + even[::-1]) / 2, (odd - odd[::-1]) / 2


def block_waves(seq_len: int, n_kept: int, length: int) -> tuple[Array, Array]:
    """cos b_k and sin b_k over one block, b_k = pi k u / 2n with u = 2 j + 1 - length; (n_kept, length) each."""
    u = 2 * np.arange(length) + 1 - length
    return cos_sin(np.arange(n_kept)[:, None] * u, 2 * seq_len)


def block_basis(seq_len: int, n_kept: int, length: int, tolerance: float) -> tuple[Array, Array]:
    """The least prolate bases that hold cos b_k and sin b_k for every k < n_kept up to `tolerance`.

    A coefficient of the DCT is then off by at most 2 sqrt(2) tolerance ||x||.

    Returns:
        even (length, p_even) for the cosines and odd (length, p_odd) for the sines, orthonormal, float64.
    """
    even, odd = prolate(length, n_kept / (2 * seq_len))
    cosines, sines = block_waves(seq_len, n_kept, length)
    limit = tolerance * math.sqrt(length)
    return _least(even, cosines, limit), _least(odd, sines, limit)


def _least(basis: Array, waves: Array, limit: float) -> Array:
    """The first columns of `basis` that leave of no row of `waves` more than `limit`."""
    parts = np.square(waves @ basis)[:, ::-1].cumsum(axis=1)[
        :, ::-1
    ]  # column p: what the first p columns lose, squared
    lost = np.sqrt(parts.max(axis=0))
    return basis[:, : int((lost > limit).sum())]


def expected_rank(length: int, ratio: float, tolerance: float) -> int:
    """How many sequences `block_basis` will keep, nearly: length / ratio and a logarithmic margin.

    For planning before anything is built. Over blocks of 8 to 512 and ratios 1 to 64 it is at most 1 too low, and
    too high by 4 in float32 and 8 in float64 (near ratio 1); the margin's form is Landau and Widom's (1980).
    """
    band = length / ratio
    margin = -math.log10(tolerance) * (0.86 + 0.26 * math.log2(max(band, 1)))
    return min(length, math.ceil(band + margin))
