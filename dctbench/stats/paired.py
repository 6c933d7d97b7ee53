"""Differences between two methods over paired repetitions, such as seeds, and their quotients.

A mean of differences has Student's t interval, and a quotient of means has Fieller's. Every repetition draws its own
data, so that repetitions are independent.

Values that are read in steps, such as a share of so many examples, may be equal by chance, which proves nothing: `step`
is the least spread that they are taken to have.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dctbench.stats.distributions import student_t_quantile, student_t_two_sided
from dctbench.stats.robust import Interval


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over repetitions with its standard error and the degrees of freedom of that."""

    value: float
    error: float
    degrees: int

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the mean with Student's t interval, both ends at the same distance."""
        half = student_t_quantile(self.degrees, confidence) * self.error
        return Interval(self.value, self.value - half, self.value + half)

    def p_above(self, bound: float) -> float:
        """Return the one-sided p-value of "the mean is at most `bound`": small if it is surely above."""
        if not self.error:
            return 0.0 if self.value > bound else 1.0
        t = (self.value - bound) / self.error
        tail = student_t_two_sided(t, self.degrees) / 2
        return tail if t > 0 else 1 - tail

    def p_below(self, bound: float) -> float:
        """Return the one-sided p-value of "the mean is at least `bound`": small if it is surely below."""
        return replace(self, value=-self.value).p_above(-bound)


def mean_of(values: Sequence[float], step: float = 0.0) -> Mean:
    """Return the mean of at least two repetitions.

    `step` is the least difference of two values: their standard deviation is taken to be at least as large.

    Raises:
        ValueError: for fewer than two values.
    """
    count = len(values)
    if count < 2:
        raise ValueError("a standard error needs at least two repetitions")
    variance = max(statistics.variance(values), step * step)
    return Mean(statistics.fmean(values), math.sqrt(variance / count), count - 1)


def quotient(above: Sequence[float], below: Sequence[float], step: float = 0.0) -> Interval | None:
    """Return mean(above) / mean(below) of paired values with Fieller's interval.

    A quotient q lies in the interval if mean(above - q below) does not differ from 0 by the t test (Fieller, J. R.
    Stat. Soc. B 16, 1954). This takes account of the correlation within pairs. `step` is the least difference of two
    values: the standard deviation of above - q below is taken to be at least as large.

    Returns:
        The quotient and its interval, or None if mean(below) may be 0: no interval is bounded then.

    Raises:
        ValueError: for fewer than two pairs.
    """
    count = len(above)
    if count < 2 or len(below) != count:
        raise ValueError("a quotient needs at least two pairs")
    top, bottom = statistics.fmean(above), statistics.fmean(below)
    t = student_t_quantile(count - 1)
    scale = t * t / count
    a = bottom * bottom - scale * statistics.variance(below)
    if a <= 0:
        return None
    b = top * bottom - scale * statistics.covariance(above, below)
    c = top * top - scale * statistics.variance(above)
    root = math.sqrt(max(0.0, b * b - a * c))
    half = abs(t * step / math.sqrt(count) / bottom)  # where that spread is a step
    return Interval(top / bottom, min((b - root) / a, top / bottom - half), max((b + root) / a, top / bottom + half))
