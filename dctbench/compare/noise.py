"""A/A: how far do the sides of a gate differ here if both run the same code, and which tolerance follows?

The unit is the pair of processes that take turns, as in the gate. A gate judges the median of several pairs, which
differs less from 1 than one pair does. Its tolerance follows from that.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dctbench.analysis import Summary
from dctbench.compare.change import paired
from dctbench.model import Case
from dctbench.stats.robust import quantile

QUIET = 0.10
"""The least tolerance of a gate on a CPU."""
SAFETY = 1.5
LEAST_PAIRS = 5
JUDGED = 3
"""The fewest pairs whose median a gate judges, as the suite `ci` sets it."""


@dataclass(frozen=True, slots=True)
class CaseNoise:
    """95th percentiles of the change between two processes of one case: 0.04 is 4%, either way.

    `single` is that of one pair, and `judged` that of the median of JUDGED pairs in a row.
    """

    case: Case
    pairs: int
    single: float
    judged: float


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise of a machine: `single` and `judged` are 95th percentiles over all cases."""

    cases: tuple[CaseNoise, ...]
    single: float
    judged: float
    quiet: bool
    tolerance: float


def noise(base: Iterable[Summary], head: Iterable[Summary]) -> Noise | None:
    """Return the noise of two sides of the same code that took turns; None where no case has LEAST_PAIRS pairs."""
    sides = {summary.case: summary for summary in base}
    single: list[float] = []
    judged: list[float] = []
    cases = []
    for summary in head:
        beside = sides.get(summary.case)
        logs = () if beside is None else paired(beside, summary, {}, False).raw
        if len(logs) < LEAST_PAIRS:
            continue
        medians = [statistics.median(logs[i : i + JUDGED]) for i in range(len(logs) - JUDGED + 1)]
        cases.append(CaseNoise(summary.case, len(logs), _percentile(logs), _percentile(medians)))
        single += logs
        judged += medians
    if not cases:
        return None
    spread = _percentile(judged)
    return Noise(tuple(cases), _percentile(single), spread, SAFETY * spread <= QUIET, max(QUIET, SAFETY * spread))


def _percentile(logs: Sequence[float]) -> float:
    """The 95th percentile of the size of changes given as logarithms, as a share."""
    return math.expm1(quantile([abs(log) for log in logs], 0.95))
