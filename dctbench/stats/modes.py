"""Whether values lie around two centres: then their mean is near none of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 2
"""The fewest values around a centre. A single one far away is an outlier."""
CHANCE = 0.005
"""The share of samples of a normal distribution in which chance alone shows two modes."""
_CRITICAL = {4: 23.7, 5: 13.4, 6: 9.34, 7: 7.26, 8: 5.88, 10: 4.50, 12: 3.66, 15: 2.95, 20: 2.30}
"""By how many values there are, the gap in standard deviations that chance alone exceeds with the probability CHANCE,
from 400,000 simulated samples. Between two entries the smaller number of values counts, which asks for a wider gap."""
LEAST_GAP = 0.1
"""A gap between two logarithms under this is of no interest."""


@dataclass(frozen=True, slots=True)
class TwoModes:
    """The geometric means of the values below and above the gap, and how many there are of each."""

    low: float
    high: float
    below: int
    above: int


def two_modes(values: Sequence[float]) -> TwoModes | None:
    """Return the two centres around which positive values lie; None for fewer than four values, or a single centre.

    Of all ways to divide the sorted values, the one with the widest gap in units of the standard deviation within the
    two parts is tested.
    """
    logs = sorted(map(math.log, values))
    known = [count for count in _CRITICAL if count <= len(logs)]
    if not known:
        return None
    found, widest = None, _CRITICAL[max(known)]
    for place in range(FEWEST, len(logs) - FEWEST + 1):
        below, above = logs[:place], logs[place:]
        squares = sum((log - statistics.fmean(part)) ** 2 for part in (below, above) for log in part)
        gap, within = above[0] - below[-1], math.sqrt(squares / (len(logs) - 2))
        if gap >= LEAST_GAP and gap > widest * within:
            widest = gap / within if within else math.inf
            found = TwoModes(math.exp(statistics.fmean(below)), math.exp(statistics.fmean(above)), place, len(above))
    return found
