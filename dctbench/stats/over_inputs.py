"""Intervals over inputs: the mean of one figure per input, and the mean difference of two figures per input.

Inputs are paired by position. Figures that are 0 or 1, such as whether an answer was right, get intervals that hold
for few inputs and for shares of 0 and 1, where a bootstrap would show none. Other figures may move in steps, such as
those of an accuracy over a batch: what is equal on all inputs is known to one step, the least distance of two figures.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

from dctbench.stats.distributions import student_t_quantile
from dctbench.stats.robust import Interval

CONFIDENCE = 0.95
_ROUNDING = 1e-6
"""Figures that differ by a smaller share of their size are equal."""


def mean_interval(figures: Sequence[float]) -> Interval | None:
    """Return the mean with its 95% interval; None for fewer than two inputs.

    Wilson's score interval (J. Am. Stat. Assoc. 22, 1927) if all figures are 0 or 1, else Student's t.
    """
    n = len(figures)
    if n < 2:
        return None
    mean = statistics.fmean(figures)
    if _are_answers(figures):
        z = _normal_quantile(CONFIDENCE)
        middle = (mean + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * math.sqrt(mean * (1 - mean) / n + z**2 / (4 * n * n))
        return Interval(mean, max(0.0, middle - half), min(1.0, middle + half))
    return _by_students_t(figures, _step(figures), CONFIDENCE)


def difference_interval(
    figures: Sequence[float], original: Sequence[float], confidence: float = CONFIDENCE
) -> Interval | None:
    """Return the mean of `figures - original` with its interval; None for fewer than two inputs, or other inputs.

    If all figures are 0 or 1, Wald's interval after half an input was added to each of the four cells (Agresti and
    Min, Stat. Med. 24, 2005), else Student's t on the differences.
    """
    n = len(figures)
    if n < 2 or n != len(original):
        return None
    differences = [a - b for a, b in zip(figures, original, strict=True)]
    mean = statistics.fmean(differences)
    if _are_answers(figures) and _are_answers(original):
        gained, lost = differences.count(1.0) + 0.5, differences.count(-1.0) + 0.5
        middle = (gained - lost) / (n + 2)
        half = _normal_quantile(confidence) * math.sqrt((gained + lost) - (gained - lost) ** 2 / (n + 2)) / (n + 2)
        return Interval(mean, max(-1.0, middle - half), min(1.0, middle + half))
    return _by_students_t(differences, _step([*figures, *original]), confidence)


def _by_students_t(values: Sequence[float], step: float | None, confidence: float) -> Interval | None:
    """Return the mean with its interval, where values spread by a step at least; None if they are equal without one."""
    spread = max(statistics.stdev(values), step or 0.0)
    if not spread:
        return None
    mean, n = statistics.fmean(values), len(values)
    half = student_t_quantile(n - 1, confidence) * spread / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def _step(figures: Sequence[float]) -> float | None:
    """Return the least distance of two figures that differ by more than rounding; None where all are equal."""
    ordered = sorted(figures)
    apart = [high - low for low, high in pairwise(ordered) if high - low > _ROUNDING * max(abs(low), abs(high))]
    return min(apart, default=None)


def _normal_quantile(confidence: float) -> float:
    """Return z with P(|Z| <= z) = confidence."""
    return statistics.NormalDist().inv_cdf((1 + confidence) / 2)


def _are_answers(figures: Sequence[float]) -> bool:
    return all(figure in (0.0, 1.0) for figure in figures)
