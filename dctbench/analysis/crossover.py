"""The lengths from which a method is faster than the reference: crossings and the measured lengths around them.

A crossing lies somewhere between two measured lengths. Nothing is claimed outside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from dctbench import catalog
from dctbench.analysis.speedup import Speedup, Winner, compare, reference_by_shape
from dctbench.analysis.summary import Summary
from dctbench.model import Case


class Payoff(Enum):
    """At which of the measured lengths a method is clearly faster than the reference."""

    ALWAYS = "always"
    NEVER = "never"
    FROM = "from"
    UNTIL = "until"
    MIXED = "mixed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a method turns from not clearly faster to clearly faster (`upward`), or back.

    Attributes:
        upward: whether the method is faster beyond the crossing.
        low: the longest measured length before the crossing.
        high: the shortest measured length after it.
        estimate: where the ratio of the medians passes 1, by a straight line between the two on logarithmic axes; None
            where it does not pass 1 between them (a tie became a clear lead).
    """

    upward: bool
    low: int
    high: int
    estimate: float | None


@dataclass(frozen=True, slots=True)
class PayoffRange:
    """One method's speed-ups along the lengths where it and the reference were both measured, shortest first."""

    case: Case
    points: tuple[tuple[int, Speedup], ...]
    kind: Payoff
    crossings: tuple[Crossing, ...]

    @property
    def method(self) -> catalog.Implementation:
        """What the catalog knows of the method."""
        return catalog.recorded_implementation(self.case.implementation)

    @property
    def first_win(self) -> int | None:
        """The shortest length at which it is clearly faster."""
        return next((length for length, speedup in self.points if speedup.winner is Winner.FASTER), None)


def payoffs(summaries: Iterable[Summary], reference: str) -> list[PayoffRange]:
    """Return for each method and what it keeps the measured lengths at which it is faster than the reference."""
    summaries = list(summaries)
    found = reference_by_shape(summaries, reference)
    rows: dict[tuple[object, ...], list[tuple[Summary, Speedup | None]]] = {}
    for summary in summaries:
        if summary.case.implementation != reference:
            rows.setdefault(summary.case.row, []).append((summary, compare(summary, found.get(summary.case.shape))))
    return [_payoff(sorted(members, key=lambda pair: pair[0].case.seq_len)) for members in rows.values()]


def _payoff(members: Sequence[tuple[Summary, Speedup | None]]) -> PayoffRange:
    points = tuple((summary.case.seq_len, speedup) for summary, speedup in members if speedup is not None)
    return PayoffRange(members[0][0].case, points, _kind(points), _crossings(points))


def _kind(points: Sequence[tuple[int, Speedup]]) -> Payoff:
    wins = [speedup.winner is Winner.FASTER for _, speedup in points]
    if not wins:
        return Payoff.UNKNOWN
    if len(set(wins)) == 1:
        return Payoff.ALWAYS if wins[0] else Payoff.NEVER
    changes = sum(a != b for a, b in pairwise(wins))
    if changes > 1:
        return Payoff.MIXED
    return Payoff.UNTIL if wins[0] else Payoff.FROM


def _crossings(points: Sequence[tuple[int, Speedup]]) -> tuple[Crossing, ...]:
    found = []
    for (low, before), (high, after) in pairwise(points):
        upward = after.winner is Winner.FASTER
        if upward != (before.winner is Winner.FASTER):
            found.append(Crossing(upward, low, high, _passes_one(low, before.ratio, high, after.ratio)))
    return tuple(found)


def _passes_one(low: int, before: float, high: int, after: float) -> float | None:
    first, last = math.log(before), math.log(after)
    if first * last >= 0:
        return None
    share = first / (first - last)
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
