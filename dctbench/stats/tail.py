"""An upper bound of a high quantile over processes that differ: samples of one process depend on each other.

Order statistics of all samples together bound the quantile of the processes that ran. They bound that of other
processes only if processes agree. Here the logarithm of a sample is the level of its process plus a rest. The
standard deviation of the levels is widened by the factor of a one-sided tolerance bound (Natrella 1963, section
2-3.1). The levels are taken as Student's t with 4 degrees of freedom, not as normal, since now and then a process has
a bad neighbour; where the levels are normal, the bound holds more often than it says. The rests are taken as they were
seen in all processes.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Sequence

LEAST_PROCESSES = 30
"""With fewer the spread of the levels is known too badly for a bound."""
_LEVELS = 100
"""How many levels stand for their distribution."""
_HALVINGS = 40
_NORMAL = statistics.NormalDist()


def _student_t_4(p: float) -> float:
    """Return the p-quantile of Student's t with 4 degrees of freedom, scaled to a variance of 1 (Shaw 2006, eq. 34)."""
    root = math.sqrt(4 * p * (1 - p))
    return math.copysign(math.sqrt(2 * (math.cos(math.acos(root) / 3) / root - 1)), p - 0.5)


_QUANTILES = [_student_t_4((number + 0.5) / _LEVELS) for number in range(_LEVELS)]


def bound_over_processes(processes: Sequence[Sequence[float]], q: float, confidence: float = 0.95) -> float | None:
    """Return an upper bound of the q-quantile of any process's samples; None for under 30 processes.

    Args:
        processes: the samples of each, all positive.
        q: between 0.5 and 1.
        confidence: of the bound.
    """
    if len(processes) < LEAST_PROCESSES:
        return None
    logs = [[math.log(sample) for sample in samples] for samples in processes]
    levels = [statistics.median(process) for process in logs]
    rests = sorted(log - level for process, level in zip(logs, levels, strict=True) for log in process)
    centre = statistics.fmean(levels)
    spread = statistics.stdev(levels) * tolerance_factor(len(levels), q, confidence) / _NORMAL.inv_cdf(q)
    places = [centre + spread * z for z in _QUANTILES]

    def exceeded(log: float) -> float:
        return 1 - statistics.fmean(bisect.bisect_right(rests, log - place) for place in places) / len(rests)

    low, high = centre, max(places) + rests[-1]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if exceeded(middle) > 1 - q else (low, middle)
    return math.exp(high)


def tolerance_factor(count: int, q: float, confidence: float) -> float:
    """Return k such that mean + k sd of `count` normal values exceeds their q-quantile with that confidence."""
    z, c = _NORMAL.inv_cdf(q), _NORMAL.inv_cdf(confidence)
    a = 1 - c**2 / (2 * (count - 1))
    b = z**2 - c**2 / count
    return (z + math.sqrt(z**2 - a * b)) / a
