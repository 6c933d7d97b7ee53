"""Confidence intervals by their papers, in NumPy and SciPy, without code of dctbench."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def agresti_min(figures: Sequence[float], beside: Sequence[float], confidence: float) -> tuple[float, float]:
    """Return the ends of the interval of a difference of matched proportions (Agresti and Min, 2005, section 3).

    Half an observation is added to each cell of the table of pairs, and the differences of the pairs in that table
    have Wald's interval.
    """
    a, b = np.asarray(figures) > 0, np.asarray(beside) > 0
    table = np.array([[np.sum((a == row) & (b == column)) for column in (0, 1)] for row in (0, 1)]) + 0.5
    shares = table / table.sum()
    difference = shares[1].sum() - shares[:, 1].sum()
    variance = shares[1, 0] + shares[0, 1] - difference**2
    half = stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(variance / table.sum())
    return max(-1.0, difference - half), min(1.0, difference + half)
