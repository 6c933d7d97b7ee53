"""Masked prediction: some symbols of a sequence are hidden, and the model says what they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dctbench.tasks import UNASKED, Examples

HIDDEN = 0.15
"""The share of positions that are hidden, as in BERT (Devlin et al. 2019)."""


def masked(rng: np.random.Generator, symbols: NDArray[np.int64], mask: int) -> Examples:
    """Hide 15% of the positions of each sequence, at least one.

    Args:
        rng: the only source of chance.
        symbols: (count, n).
        mask: the symbol that takes the place of a hidden one.
    """
    count, n = symbols.shape
    hidden = rng.random((count, n)).argsort(axis=1) < max(1, round(HIDDEN * n))
    return Examples(np.where(hidden, mask, symbols), np.where(hidden, symbols, UNASKED))
