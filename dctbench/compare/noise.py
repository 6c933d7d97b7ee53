"""A/A: how far do two measurements of the same code differ here, and which tolerance follows for a gate?

The unit is the process, as in the gate: each case's process of one round against its process of the next, raw, and
divided by the reference measured beside each of the two, which cancels drift that both share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dctbench.analysis import Summary, reference_by_shape
from dctbench.model import Case
from dctbench.stats.robust import quantile

QUIET, SHARED = 0.10, 0.25
"""Default tolerances of a gate on a quiet and on a shared CPU."""
SAFETY = 1.5
LEAST_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class CaseNoise:
    """The 95th percentile of the change between two processes of one case: 0.04 is 4%, either way.

    `relative` is that of the ratio to the reference; None for the reference itself.
    """

    case: Case
    processes: int
    raw: float
    relative: float | None


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise of a machine: `raw` and `relative` are 95th percentiles over all pairs of all cases."""

    cases: tuple[CaseNoise, ...]
    raw: float
    relative: float
    quiet: bool
    tolerance: float


def noise(summaries: Sequence[Summary], reference: str) -> Noise | None:
    """Return the noise of a run; None where it has too few rounds or no reference."""
    found = reference_by_shape(summaries, reference)
    raw: list[float] = []
    relative: list[float] = []
    cases = []
    for summary in summaries:
        beside = found.get(summary.case.shape)
        if beside is None or len(summary.medians) < LEAST_ROUNDS:
            continue
        own = _changes(summary.medians)
        ratios = {n: t / beside.medians[n] for n, t in summary.medians.items() if n in beside.medians}
        against = _changes(ratios) if summary is not beside else []
        raw += own
        relative += against
        beside_it = _percentile(against) if against else None
        cases.append(CaseNoise(summary.case, len(summary.medians), _percentile(own), beside_it))
    if not relative:
        return None
    spread = _percentile(relative)
    quiet = spread * SAFETY <= QUIET
    return Noise(tuple(cases), _percentile(raw), spread, quiet, max(QUIET if quiet else SHARED, SAFETY * spread))


def _changes(by_round: Mapping[int, float]) -> list[float]:
    """|log ratio| of each round to the next."""
    return [abs(math.log(by_round[b] / by_round[a])) for a, b in pairwise(sorted(by_round))]


def _percentile(changes: Sequence[float]) -> float:
    """The 95th percentile as a change: exp of the log ratio, less one."""
    return math.expm1(quantile(changes, 0.95)) if changes else 0.0
