"""Where a rising curve, measured at a few widths in several repetitions, passes one half.

Psychophysics calls this the threshold of a psychometric function. Here the curve is how much of the distance between
chance and a perfect answer is reached at each width. No shape is assumed: between two measured widths the curve is a
straight line over the logarithm of the width.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dctbench.stats.distributions import student_t_quantile
from dctbench.stats.moderated import spread_of

HALF = 0.5
_BISECTIONS = 40
_PIECES = 16
"""The curve is tested at this many places between two widths, so that the interval finds all parts of the region."""


@dataclass(frozen=True, slots=True)
class Midpoint:
    """The width at which a curve passes one half, with its 95% interval.

    Attributes:
        value: None if the mean curve does not pass one half between the measured widths.
        low: None if the interval reaches beyond the narrowest measured width, and for a single curve.
        high: None if the interval reaches beyond the widest one, and for a single curve.
        beyond: how the mean curve lies if `value` is None: "finer" if it is at least one half at every width from the
            narrowest on, "coarser" if it is below at the widest.
        narrowest, widest: the measured widths at the ends.
        curves: how many there were. A single one has no interval.
    """

    value: float | None
    low: float | None
    high: float | None
    beyond: str | None
    narrowest: float
    widest: float
    curves: int

    @property
    def proven(self) -> bool:
        """Whether the curve surely lies as `beyond` says: the interval ends at that end of the measured widths."""
        if self.value is not None:
            return False
        return self.high == self.narrowest if self.beyond == "finer" else self.low == self.widest


def midpoint(widths: Sequence[float], curves: Sequence[Sequence[float]], step: float = 0.0) -> Midpoint:
    """Return where curves pass one half, seen from the widest width downwards.

    A width lies in the interval if the mean of the curves there does not differ from one half by Student's t test over
    the repetitions. With a single curve there is no interval: `low` and `high` are None.

    Args:
        widths: at least two, rising, above 0.
        curves: one per repetition, a value per width.
        step: the least difference of two values. Equal ones may be equal by chance, so that their spread is taken to be
            at least as large.

    Raises:
        ValueError: for fewer than two widths, or no curve.
    """
    if len(widths) < 2 or not curves or any(len(curve) != len(widths) for curve in curves):
        raise ValueError("a midpoint needs at least two widths, and curves with a value for each")
    logs = [math.log(width) for width in widths]
    mean = [statistics.fmean(values) for values in zip(*curves, strict=True)]
    place = _last_pass(logs, lambda log: _at(logs, mean, log) - HALF)
    value = None if place is None else math.exp(place)
    beyond = None if place is not None else "finer" if mean[-1] >= HALF else "coarser"
    low, high = _interval(widths, logs, curves, place, step) if len(curves) > 1 else (None, None)
    return Midpoint(value, low, high, beyond, widths[0], widths[-1], len(curves))


def _at(logs: Sequence[float], curve: Sequence[float], log: float) -> float:
    """The curve at a logarithm of the width between the first and the last."""
    for (left, one), (right, two) in pairwise(zip(logs, curve, strict=True)):
        if log <= right:
            return one + (two - one) * (log - left) / (right - left)
    return curve[-1]


def _last_pass(logs: Sequence[float], height: Callable[[float], float]) -> float | None:
    """Where a function turns from negative to at least 0 for the last time; None if it does not."""
    grid = _grid(logs)
    if height(grid[-1]) < 0:
        return None
    for left, right in reversed(list(pairwise(grid))):
        if height(left) < 0:
            return _root(height, left, right)
    return None


def _root(height: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that is negative at `low` and not at `high` turns, by bisection."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if height(middle) < 0 else (low, middle)
    return high


def _grid(logs: Sequence[float]) -> list[float]:
    places = [left + (right - left) * step / _PIECES for left, right in pairwise(logs) for step in range(_PIECES)]
    return [*places, logs[-1]]


def _interval(
    widths: Sequence[float],
    logs: Sequence[float],
    curves: Sequence[Sequence[float]],
    place: float | None,
    step: float,
) -> tuple[float | None, float | None]:
    """The ends of the region where one half is not rejected; None for an end outside the measured widths."""
    t = student_t_quantile(len(curves) - 1)

    def side(log: float) -> int:
        """Which side of one half the mean is surely on: -1, 1, or 0 if the test does not say."""
        values = [_at(logs, curve, log) for curve in curves]
        off = statistics.fmean(values) - HALF
        chance = t * math.sqrt(max(spread_of(values).variance, step * step) / len(values))
        return -1 if off < -chance else int(off > chance)

    grid = _grid(logs) if place is None else sorted({*_grid(logs), place})
    held = [index for index, log in enumerate(grid) if log == place or side(log) == 0]
    if not held:  # the mean is surely on one side at every width
        return (None, widths[0]) if side(grid[-1]) > 0 else (widths[-1], None)
    first, last = held[0], held[-1]
    low = None if first == 0 else math.exp(_turn(side, grid[first - 1], grid[first]))
    high = None if last == len(grid) - 1 else math.exp(_turn(side, grid[last + 1], grid[last]))
    return low, high


def _turn(side: Callable[[float], int], outside: float, inside: float) -> float:
    """Return where a test stops deciding, between a place where it decides and one where it does not, by bisection."""
    for _ in range(_BISECTIONS):
        middle = (outside + inside) / 2
        outside, inside = (outside, middle) if side(middle) == 0 else (middle, inside)
    return inside
