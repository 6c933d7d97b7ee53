"""One case over the stored runs: how its latency has moved, and at which runs it changed its level.

This is a trend and no verdict: runs that are weeks apart differ in more than the code. The runs of a series have the
same environment and the same settings, and all or none of them were measured in turns with a base. The newest run that
has the case determines the series.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from dctbench import catalog
from dctbench.analysis import REFERENCE, Speedup, Summary, compare, summarise, with_marks
from dctbench.compare.check_settings import in_turns, read_check_settings
from dctbench.errors import UsageError
from dctbench.model import Case, Run, canonical_json
from dctbench.stats.changepoint import LEAST_POINTS, level_starts
from dctbench.stats.robust import Interval
from dctbench.store.errors import DamagedError
from dctbench.store.naming import MIN_ID_DIGITS
from dctbench.text.format import pluralize

if TYPE_CHECKING:
    from dctbench.store import Store

_NAMED = re.compile(r"(?P<name>\S.*?)\s+n\s*=\s*(?P<length>[0-9]{1,9})(?P<thousands>k?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Point:
    """The case in one run: its latency in seconds, and how many times as fast as the reference it was there.

    `samples` is how many samples the latency is made of: a single one gives no interval. `speedup` is None where the
    reference was not measured beside it, and for the reference itself.
    """

    run: Run
    latency: Interval
    samples: int
    speedup: Speedup | None


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The first point of a new level: `before` and `after` are the medians of the two levels, in seconds.

    `relative` is the same change of the latency divided by the reference's; None where a point of either level lacks
    the reference. Near 1 it says that the reference has changed alike: the machine, rather than the method.
    """

    position: int
    run: Run
    before: float
    after: float
    relative: float | None

    @property
    def factor(self) -> float:
        """after / before: 1.2 is a latency of 1.2 times what it was."""
        return self.after / self.before


@dataclass(frozen=True, slots=True)
class History:
    """A case over the runs that can be compared, in the order of their arrival.

    `untimed` counts runs in which the case gave no latency, `elsewhere` those of another environment or measured
    in another way: both are left out.
    """

    case: Case
    reference: str
    fingerprint: str
    points: tuple[Point, ...]
    untimed: int
    elsewhere: int

    @property
    def missing(self) -> int:
        """How many more runs are needed before changes of level can be detected."""
        return max(0, LEAST_POINTS - len(self.points))


def find_case(store: Store, text: str, damage: list[str] | None = None) -> Case:
    """Return the case that a text names: by its id, the start of its id, or name and length: `dct-x r=8 n=4096`.

    If several runs have a case of that name, the newest decides.

    Args:
        store: an open store.
        text: what names the case.
        damage: where to note damaged records, which are then left out.

    Raises:
        UsageError: when no run has such a case, or one run has several.
        DamagedError: when no intact record has such a case, and there are damaged ones.
        StoreError: when the store cannot be read.
    """
    named = _NAMED.fullmatch(text.strip())
    length = int(named["length"]) * (1024 if named["thousands"] else 1) if named else None
    for state in reversed(store.runs(damage)):
        plan, _ = store.plan(state.run.id, damage)
        found = [case for case in plan if named and (case.name, case.seq_len) == (named["name"], length)]
        if not found and len(text) >= MIN_ID_DIGITS:
            found = [case for case in plan if case.id.startswith(text)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(case.id for case in found)
            raise UsageError(
                f"run {state.run.short_id} has {len(found)} cases {text!r}",
                hint=f"name one of them by its id: {ids} (dctbench list cases {state.run.short_id})",
            )
    if damage:
        raise DamagedError(
            f"no intact record has a case {text!r}, and {pluralize(len(damage), 'record')} cannot be read"
        )
    raise UsageError(f"no stored run has a case {text!r}", hint="name it by its id, or such as 'dct-x r=8 n=4096'")


def find_reference(store: Store, case: Case, name: str, damage: list[str] | None = None) -> str:
    """Return the name of a reference, which some stored run has at the shape of the case.

    `damage` is as in `find_case`.

    Raises:
        UsageError: when none has, naming those that there are.
        StoreError: when the store cannot be read.
    """
    planned = {one for state in store.runs(damage) for one in store.plan(state.run.id, damage)[0]} - {case}
    known = {one.implementation for one in planned if one == _beside(case, one.implementation)}
    if name not in known:
        raise catalog.unknown("reference of that case", name, known)
    return name


def history(store: Store, case: Case, reference: str = REFERENCE, damage: list[str] | None = None) -> History:
    """The series of a case over the runs of one environment and equal settings.

    The base side of a check is left out: it ran older code at a later time. `damage` is as in `find_case`.

    Raises:
        StoreError: when the store cannot be read.
    """
    beside = _beside(case, reference)
    series: dict[tuple[str, str], list[Point]] = {}
    newest, untimed = ("", ""), 0
    for state in store.runs(damage):
        found = {s.case: s for s in summarise(store.results(state.run.id, [case.id, beside.id], damage))}
        own = found.get(case)
        check = read_check_settings(state.run)
        if own is None or (check is not None and check.side == "base"):
            continue
        if own.latency is None:
            untimed += 1
            continue
        newest = _place(state.run, own)
        other = found.get(beside) if beside != case else None
        series.setdefault(newest, []).append(Point(state.run, own.latency, len(own.samples), compare(own, other)))
    points = _with_marks(series.get(newest, []))
    elsewhere = sum(map(len, series.values())) - len(points)
    return History(case, reference, newest[0], tuple(points), untimed, elsewhere)


def change_points(found: History) -> list[ChangePoint]:
    """At which runs the latency changed its level; none under LEAST_POINTS runs.

    Noise that is independent from run to run shows a false one in one or two of a hundred series; a machine that
    drifts over several runs has changed its level, and is shown.

    Raises:
        UnavailableError: without the extra `history`, when there are runs enough.
    """
    points = found.points
    starts = level_starts([math.log(point.latency.value) for point in points])
    edges = [0, *starts, len(points)]
    levels = [points[start:end] for start, end in pairwise(edges)]
    return [
        ChangePoint(
            position=start,
            run=points[start].run,
            before=_median(before),
            after=_median(after),
            relative=_relative(before, after),
        )
        for start, before, after in zip(starts, levels, levels[1:], strict=False)
    ]


def _beside(case: Case, reference: str) -> Case:
    """Return the case of the reference at the shape of a case."""
    beside = replace(case, implementation=reference, ratio=None, kept=None)
    if reference == REFERENCE:  # in a model it is the model as it is, whichever layers a method replaces
        beside = replace(beside, layers=None, recover=None)
    return beside


def _place(run: Run, summary: Summary) -> tuple[str, str]:
    """Return what must be equal in a series: the environment (of merged shards, the first round's) and the settings."""
    manner = {**run.compared_settings, "in_turns": in_turns(run)}
    return summary.fingerprint, canonical_json(manner)


def _median(level: Sequence[Point]) -> float:
    return statistics.median(point.latency.value for point in level)


def _with_marks(points: Sequence[Point]) -> list[Point]:
    """The points with the marks of their speed-ups, which a reader sees in one table."""
    marked = iter(with_marks(point.speedup for point in points if point.speedup))
    return [replace(point, speedup=next(marked)) if point.speedup else point for point in points]


def _relative(before: Sequence[Point], after: Sequence[Point]) -> float | None:
    medians = []
    for level in (before, after):
        speedups = [point.speedup.ratio for point in level if point.speedup]
        if len(speedups) < len(level):
            return None
        medians.append(statistics.median(speedups))
    return medians[0] / medians[1]
