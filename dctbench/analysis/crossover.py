"""At which lengths a method is faster or slower than the reference, and where it passes from one to the other.

A length has one of three states: faster, slower, or not told apart. The first two are proven together for all methods
and lengths of a run, so that a report seldom makes a false statement about any of them. A crossing lies
between a length where the method is slower and one where it is faster. Nothing is claimed outside the measured lengths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from dctbench import catalog
from dctbench.analysis.ranking import FALSE_STATEMENTS
from dctbench.analysis.speedup import Speedup, Winner, compare, reference_by_shape
from dctbench.analysis.summary import Summary
from dctbench.model import Case
from dctbench.stats.multiple import holm

ALPHA = FALSE_STATEMENTS / 2
"""The level of all these statements of a run together."""


class Payoff(Enum):
    """What is told at the measured lengths of a method."""

    ALWAYS = "always"
    NEVER = "never"
    UNTOLD = "untold"
    PARTLY = "partly"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Point:
    """One measured length: the speed-up there, and which side is proven to be faster, or a tie."""

    length: int
    speedup: Speedup
    state: Winner


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a method turns from slower to faster (`upward`), or back.

    Attributes:
        upward: whether the method is faster beyond the crossing.
        low, high: the measured lengths around it, at which the two states are proven.
        estimate: where the ratio passes 1, by straight lines on logarithmic axes.
        earliest, latest: where the ends of its 95% interval pass 1.
    """

    upward: bool
    low: int
    high: int
    estimate: float
    earliest: float
    latest: float


@dataclass(frozen=True, slots=True)
class PayoffRange:
    """One method's speed-ups along the lengths where it and the reference were both measured, shortest first."""

    case: Case
    points: tuple[Point, ...]
    crossings: tuple[Crossing, ...]

    @property
    def method(self) -> catalog.Implementation:
        """What the catalog knows of the method."""
        return catalog.recorded_implementation(self.case.implementation)

    @property
    def kind(self) -> Payoff:
        """What is told of all lengths together."""
        states = {point.state for point in self.points}
        if len(states) > 1:
            return Payoff.PARTLY
        alone = {Winner.FASTER: Payoff.ALWAYS, Winner.SLOWER: Payoff.NEVER, Winner.TIE: Payoff.UNTOLD}
        return next((alone[state] for state in states), Payoff.UNKNOWN)

    @property
    def first_win(self) -> int | None:
        """The shortest length at which it is faster."""
        return next((point.length for point in self.points if point.state is Winner.FASTER), None)


def payoffs(summaries: Iterable[Summary], reference: str) -> list[PayoffRange]:
    """Return for each method and what it keeps at which measured lengths it is faster or slower than the reference.

    Trainings are left out: their latency is that of the layers which are timed beside them.
    """
    return payoffs_of(beside_reference(summaries, reference))


def beside_reference(summaries: Iterable[Summary], reference: str) -> dict[Case, Speedup | None]:
    """Return the speed-up of each case of a run over the reference; None where the two cannot be compared.

    Trainings and the reference itself are left out.
    """
    summaries = [summary for summary in summaries if summary.case.task is None]
    found = reference_by_shape(summaries, reference)
    return {s.case: compare(s, found.get(s.case.shape)) for s in summaries if s.case.implementation != reference}


def payoffs_of(speedups: Mapping[Case, Speedup | None]) -> list[PayoffRange]:
    """Return the same as `payoffs` for cases that were compared already, each within its run."""
    rows: dict[tuple[object, ...], list[Case]] = {}
    for case in speedups:
        rows.setdefault(case.row, []).append(case)
    proven = _proven({case: speedup for case, speedup in speedups.items() if speedup is not None})
    return [_payoff(sorted(members, key=lambda case: case.seq_len), speedups, proven) for members in rows.values()]


def _proven(speedups: Mapping[Case, Speedup]) -> set[Case]:
    """Return the cases whose difference is proven, with Holm's correction over all of them."""
    tested = [(case, speedup.p) for case, speedup in speedups.items() if speedup.p is not None]
    held = holm([p for _, p in tested], ALPHA)
    return {case for (case, _), holds in zip(tested, held, strict=True) if holds}


def _payoff(members: Sequence[Case], speedups: Mapping[Case, Speedup | None], proven: set[Case]) -> PayoffRange:
    points = tuple(
        Point(case.seq_len, speedup, speedup.leaning if case in proven else Winner.TIE)
        for case in members
        if (speedup := speedups[case]) is not None
    )
    return PayoffRange(members[0], points, _crossings(points))


def _crossings(points: Sequence[Point]) -> tuple[Crossing, ...]:
    told = [number for number, point in enumerate(points) if point.state is not Winner.TIE]
    return tuple(
        _crossing(points[first : last + 1])
        for first, last in pairwise(told)
        if points[first].state is not points[last].state
    )


def _crossing(points: Sequence[Point]) -> Crossing:
    """Return the crossing between the first and the last point; those between them are not told apart."""
    ends = sorted((_passes_one(points, lambda s: s.low or s.ratio), _passes_one(points, lambda s: s.high or s.ratio)))
    return Crossing(
        upward=points[-1].state is Winner.FASTER,
        low=points[0].length,
        high=points[-1].length,
        estimate=_passes_one(points, lambda s: s.ratio),
        earliest=ends[0],
        latest=ends[1],
    )


def _passes_one(points: Sequence[Point], value: Callable[[Speedup], float]) -> float:
    """Return the length at which a value of the speed-ups first passes 1; the first and the last lie on either side."""
    for before, after in pairwise(points):
        first, last = math.log(value(before.speedup)), math.log(value(after.speedup))
        if first * last <= 0 and first != last:
            share = first / (first - last)
            return math.exp(math.log(before.length) + share * (math.log(after.length) - math.log(before.length)))
    raise ValueError("the ratios at the ends lie on one side of 1")
