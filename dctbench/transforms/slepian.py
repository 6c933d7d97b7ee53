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

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 1e-3, torch.float16: 1e-4}
"""The part of a unit cosine that a block may lose, by dtype.

Errors of float32 against float64 stay under 5e-6 on N(0, 1) input, as they do with 1e-7, and 2 to 7% of the FLOPs are
saved.
"""


def prolate(length: int, bandwidth: float) -> tuple[Array, Array]:
    """Return the second halves of the discrete prolate spheroidal sequences, the most concentrated first, in float64.

    A sequence is even or odd about its middle, and so the eigenproblem has two of half the size. For an odd length the
    halves begin with the middle sample.

    Returns:
        The even sequences (ceil(length / 2), ceil(length / 2)) and the odd ones (.., floor(length / 2)), in columns.
    """
    half, middle = length // 2, length % 2
    t = np.arange(half, length)
    diagonal = ((length - 1 - 2 * t) / 2) ** 2 * math.cos(2 * math.pi * bandwidth)
    off_diagonal = t * (length - t) / 2  # off_diagonal[i] couples t[i] with t[i] - 1
    inner = off_diagonal[1:].copy()
    if middle:
        inner[:1] *= math.sqrt(2)  # the middle sample has two equal neighbours
        even = np.diag(diagonal) + np.diag(inner, 1) + np.diag(inner, -1)
        odd = even[1:, 1:]
    else:
        coupled = np.diag(diagonal) + np.diag(inner, 1) + np.diag(inner, -1)
        even, odd = coupled.copy(), coupled
        even[0, 0] += off_diagonal[0]
        odd[0, 0] -= off_diagonal[0]
    even_sequences, odd_sequences = (np.linalg.eigh(part).eigenvectors[:, ::-1] / math.sqrt(2) for part in (even, odd))
    if middle:
        even_sequences[0] *= math.sqrt(2)
        odd_sequences = np.vstack([np.zeros((1, half)), odd_sequences])
    return even_sequences, odd_sequences


def block_waves(seq_len: int, n_kept: int, length: int) -> tuple[Array, Array]:
    """Return cos b_k and sin b_k over the second half of a block; b_k = pi k u / 2n, u = 2 j + 1 - length.

    Returns:
        (n_kept, ceil(length / 2)) each; for an odd length it begins with the middle, u = 0.
    """
    u = np.arange(1 - length % 2, length, 2)
    return cos_sin(np.arange(n_kept)[:, None] * u, 2 * seq_len)


def block_basis(seq_len: int, n_kept: int, length: int, tolerance: float) -> tuple[Array, Array, Array, Array]:
    """Return the smallest prolate bases that represent cos b_k and sin b_k for every k < n_kept up to `tolerance`.

    A coefficient of the DCT is then off by at most sqrt(2) tolerance ||x|| (docs/block-dct.md).

    Returns:
        even (length, p_even) for the cosines and odd (length, p_odd) for the sines, orthonormal, float64; and the
        coordinates cos b_k^T even (n_kept, p_even) and sin b_k^T odd (n_kept, p_odd).
    """
    even, odd = prolate(length, n_kept / (2 * seq_len))
    cosines, sines = block_waves(seq_len, n_kept, length)
    weight = np.full((len(even), 1), 2.0)  # of a sample and its mirror image
    weight[: length % 2] = 1
    limit = tolerance * math.sqrt(length)
    of_even, of_odd = _least(cosines @ (weight * even), limit), _least(sines @ (weight * odd), limit)
    first = length % 2
    even, odd = even[:, : of_even.shape[1]], odd[:, : of_odd.shape[1]]
    return np.vstack([even[first:][::-1], even]), np.vstack([-odd[first:][::-1], odd]), of_even, of_odd


def _least(coordinates: Array, limit: float) -> Array:
    """Return the fewest first columns of coordinates (waves, sequences) that lose at most `limit` of any wave."""
    lost_squared = np.square(coordinates)[:, ::-1].cumsum(axis=1)[:, ::-1]  # column p: loss of the first p columns
    lost = np.sqrt(lost_squared.max(axis=0))
    return coordinates[:, : int((lost > limit).sum())]


def padded_ranks(even: int, odd: int, length: int, alignment: int) -> tuple[int, int]:
    """Return the columns of both bases, padded to multiples of `alignment` unless they would exceed `length`.

    Tensor cores load rows of half precision at full speed only if they are 16-byte aligned, which is 8 numbers.
    """
    padded = -(-even // alignment) * alignment, -(-odd // alignment) * alignment
    return padded if sum(padded) <= length else (even, odd)


def expected_rank(length: int, ratio: float, tolerance: float) -> int:
    """Estimate how many sequences `block_basis` keeps: length / ratio and a logarithmic margin.

    The planner needs it before tables are built. For blocks of 8 to 512 and ratios of 1 to 64 the estimate is at most
    1 too low, and at most 4 (float32) or 8 (float64) too high, near ratio 1. The form of the margin is from Landau
    and Widom (1980).
    """
    band = length / ratio
    margin = -math.log10(tolerance) * (0.86 + 0.26 * math.log2(max(band, 1)))
    return min(length, math.ceil(band + margin))
