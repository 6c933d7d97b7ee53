"""The small basis that represents every low frequency within a block of consecutive samples.

Cut a sequence into blocks of length L. Relative to the middle of a block, a cosine of frequency f = k / 2n is
cos(2 pi f u + phase), so D_m depends only on the inner products of the block with cos and sin of frequencies up to
W = m / 2n. Sequences of length L and bandwidth W span about 2 L W = L / ratio dimensions (Slepian 1978, "Prolate
spheroidal wave functions, Fourier analysis, and uncertainty V: the discrete case", Bell Syst. Tech. J. 57), and the
best orthonormal basis for them is given by the discrete prolate spheroidal sequences: eigenvectors of a tridiagonal
matrix, alternately even and odd about the middle, ordered by how much of their energy lies in the band.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from dctbench.transforms.cosines import Array, cos_sin

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-7, torch.bfloat16: 1e-3, torch.float16: 1e-4}
"""The part of a unit cosine that a block may lose, by dtype; it is below the rounding of the products."""


def prolate(length: int, bandwidth: float) -> tuple[Array, Array]:
    """Return the discrete prolate spheroidal sequences, the most concentrated first, in float64.

    Returns:
        The even sequences (length, ceil(length / 2)) and the odd ones (length, floor(length / 2)).
    """
    t = np.arange(length)
    diagonal = ((length - 1 - 2 * t) / 2) ** 2 * math.cos(2 * math.pi * bandwidth)
    off_diagonal = t[1:] * (length - t[1:]) / 2
    commuting = np.diag(diagonal) + np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1)
    sequences = np.linalg.eigh(commuting).eigenvectors[:, ::-1]  # (length, length)
    even, odd = sequences[:, 0::2], sequences[:, 1::2]
    # Make the parity exact; that of eigh is off by 1e-14.
    return (even + even[::-1]) / 2, (odd - odd[::-1]) / 2


def block_waves(seq_len: int, n_kept: int, length: int) -> tuple[Array, Array]:
    """Return cos b_k and sin b_k over a block, (n_kept, length) each; b_k = pi k u / 2n, u = 2 j + 1 - length."""
    u = 2 * np.arange(length) + 1 - length
    return cos_sin(np.arange(n_kept)[:, None] * u, 2 * seq_len)


def block_basis(seq_len: int, n_kept: int, length: int, tolerance: float) -> tuple[Array, Array]:
    """Return the smallest prolate bases that represent cos b_k and sin b_k for every k < n_kept up to `tolerance`.

    A coefficient of the DCT is then off by at most 2 sqrt(2) tolerance ||x||.

    Returns:
        even (length, p_even) for the cosines and odd (length, p_odd) for the sines, orthonormal, float64.
    """
    even, odd = prolate(length, n_kept / (2 * seq_len))
    cosines, sines = block_waves(seq_len, n_kept, length)
    limit = tolerance * math.sqrt(length)
    return _least(even, cosines, limit), _least(odd, sines, limit)


def _least(basis: Array, waves: Array, limit: float) -> Array:
    """Return the fewest first columns of `basis` that lose at most `limit` of every row of `waves`."""
    lost_squared = np.square(waves @ basis)[:, ::-1].cumsum(axis=1)[:, ::-1]  # column p: loss of the first p columns
    lost = np.sqrt(lost_squared.max(axis=0))
    return basis[:, : int((lost > limit).sum())]


def expected_rank(length: int, ratio: float, tolerance: float) -> int:
    """Estimate how many sequences `block_basis` keeps: length / ratio and a logarithmic margin.

    The planner needs it before tables are built. For blocks of 8 to 512 and ratios of 1 to 64 the estimate is at most
    1 too low, and at most 4 (float32) or 8 (float64) too high, near ratio 1. The form of the margin is from Landau
    and Widom (1980).
    """
    band = length / ratio
    margin = -math.log10(tolerance) * (0.86 + 0.26 * math.log2(max(band, 1)))
    return min(length, math.ceil(band + margin))
