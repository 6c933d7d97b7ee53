"""Where each case stands under the ceilings that were measured on its machine.

A result holds the roofline of its own process (`dctbench.machine.roofline`). Here a case stands at its latency over all
processes, which every other figure shows too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dctbench.analysis.summary import Summary
from dctbench.model import Bound, Ceilings

_SAME = 0.01


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a case stands under its roof.

    Attributes:
        summary: of the case.
        intensity: FLOPs per byte that a call must move.
        rate: achieved FLOP/s, at the case's latency.
        bound: what limits a perfect implementation: `compute`, `bandwidth`, or `cache` (everything fits into the
            last-level cache).
        share: the achieved share of the ceiling that binds, at the case's latency.
        ceilings: of the machine.
    """

    summary: Summary
    intensity: float
    rate: float
    bound: Bound
    share: float
    ceilings: Ceilings


def under_roof(summary: Summary) -> Placed | None:
    """Return where a case stands, or None if it was not timed or the ceilings of its machine were not known."""
    found, first = summary.details.roofline, summary.medians.get(summary.rounds[0].round)
    if found is None or summary.timed is None or first is None:
        return None
    slower = summary.timed.value / first
    return Placed(summary, found.intensity, found.rate / slower, found.bound, found.share / slower, found.ceilings)


def distinct_ceilings(placed: Iterable[Placed]) -> list[Ceilings]:
    """Return the ceilings of these cases, each once. A machine that was calibrated again in between has two."""
    found: list[Ceilings] = []
    for one in placed:
        if not any(_same(one.ceilings, other) for other in found):
            found.append(one.ceilings)
    return found


def _same(one: Ceilings, other: Ceilings) -> bool:
    return math.isclose(one.compute, other.compute, rel_tol=_SAME) and math.isclose(
        one.bandwidth, other.bandwidth, rel_tol=_SAME
    )
