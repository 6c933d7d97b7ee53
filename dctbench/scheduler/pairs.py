"""Measure for a gate: base and head in turns, pair after pair, until every verdict is reached.

The two processes of a pair take turns of a hundredth of a second, so that both see the same moments of the machine.
Which of them begins changes from pair to pair, and each pair starts both interpreters again. Every result is stored
before the next is measured.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING

from dctbench.analysis import Summary, summarise
from dctbench.compare import CONFIRMING, CONTROL, Comparison, Judgement, Rules, judge
from dctbench.machine.roofline import under_the_roof
from dctbench.model import Case, Reason, Result, Run
from dctbench.runners import MeasureSpec, Runner
from dctbench.runners.interleave import Alternation, Turn
from dctbench.scheduler import in_order
from dctbench.scheduler.events import CaseFinished, Listener, RoundStarted, SideName, StillRunning
from dctbench.scheduler.specs import Specs

if TYPE_CHECKING:
    from dctbench.store import Store

ORDER_SEED = 0
Waiting = Callable[[float], None]
"""Called with the seconds so far, each half minute while a process is waited for."""


@dataclass
class Side:
    """Base or head: its runner, its stored run, and its results so far."""

    run: Run
    runner: Runner
    store: Store
    specs: Specs = field(default_factory=Specs)
    results: list[Result] = field(default_factory=list)

    def measure(self, case: Case, round: int, waiting: Waiting) -> Result:
        """Measure a case in a process that runs by itself, and store the result."""
        [measured] = _results(self.runner, [self.runner.submit(case, self.specs.of(case, round))], waiting)
        return self.keep(measured)

    def keep(self, measured: Result) -> Result:
        """Store a result."""
        result = under_the_roof(measured, self.specs.calibrations.get(measured.case.device))
        self.store.add_result(self.run.id, result)
        self.results.append(result)
        return result

    def free_round(self, case: Case, number: int) -> int:
        """Return this round of the case or, if it has a result already, the next one without."""
        taken = {result.round for result in self.results if result.case == case}
        return next(free for free in itertools.count(number) if free not in taken)

    @property
    def summaries(self) -> dict[Case, Summary]:
        """The summaries of its results, by case."""
        return {summary.case: summary for summary in summarise(self.results)}


def check_pairs(
    base: Side,
    head: Side,
    counterparts: Mapping[Case, Case],
    beside: Sequence[Case],
    lacking: frozenset[Case],
    rules: Rules,
    listener: Listener,
) -> Judgement:
    """Measure both sides in turns until every verdict is reached.

    Args:
        base, head: with their runs stored, each with a runner of its own.
        counterparts: base's case for each case of head that is judged.
        beside: the cases of references that are measured with them.
        lacking: judged cases that base does not have.
        rules: how many pairs, and what a verdict needs.
        listener: called with every event, in this thread.
    """

    def comparison() -> Comparison:
        return Comparison(base.summaries, head.summaries, counterparts, paired=True)

    def measure(cases: Sequence[Case], number: int) -> None:
        _measure_round(base, head, counterparts, cases, lacking, number, listener)

    return _until_decided(comparison, tuple(counterparts), beside, measure, rules, listener)


def repeat_pairs(base: Side, head: Side, cases: Sequence[Case], rounds: int, listener: Listener) -> None:
    """Measure that many pairs of every case, whatever they show.

    Args:
        base, head: as in `check_pairs`.
        cases: of both sides.
        rounds: pairs of each case.
        listener: called with every event, in this thread.
    """
    for number in range(1, rounds + 1):
        listener(RoundStarted(number, rounds, len(cases), False))
        _measure_round(base, head, {}, _order(cases, number), frozenset(), number, listener)


def _measure_round(
    base: Side,
    head: Side,
    counterparts: Mapping[Case, Case],
    cases: Sequence[Case],
    lacking: frozenset[Case],
    number: int,
    listener: Listener,
) -> None:
    total = sum(1 if case in lacking else 2 for case in cases)
    done = 0
    with base.runner.hold([cases[0].device]):  # another run may be timing a case there
        for started in [side.runner.ready(cases[0].device, number) for side in (base, head)]:
            started.result()  # both interpreters start at once, before anything is timed
    for case in cases:
        waiting = _heartbeat(listener, case, done, total)
        done += 1 if case in lacking else 2
        if case in lacking:
            results: list[tuple[SideName, Result]] = [("head", head.measure(case, number, waiting))]
        else:
            results = measure_pair(base, head, counterparts.get(case, case), case, number, waiting)
        for side, result in results:
            listener(CaseFinished(result, done, total, side))


def measure_pair(
    base: Side, head: Side, its_base: Case, case: Case, number: int, waiting: Waiting = lambda seconds: None
) -> list[tuple[SideName, Result]]:
    """Measure one pair: a process of each side, in turns. Which side begins changes from pair to pair.

    A case of base may be compared with several cases of head, and is measured with each of them. It has one result per
    round, so all but the first get other rounds, which the results of head record.
    """
    sides: list[tuple[SideName, Side, Case]] = [("base", base, its_base), ("head", head, case)]
    if _head_first(case, number):
        sides.reverse()
    (_, first, one), (_, second, other) = sides
    measured = measure_in_turns(
        (first.runner, one, first.specs.of(one, number)),
        (second.runner, other, second.specs.of(other, number)),
        waiting,
    )
    free = base.free_round(its_base, number)
    kept: list[tuple[SideName, Result]] = []
    for (name, side, _), found in zip(sides, measured, strict=True):
        named = found if free == number else replace(found, details=replace(found.details, pair=free))
        kept.append((name, side.keep(replace(found, round=free) if side is base else named)))
    return kept


def measure_in_turns(
    first: tuple[Runner, Case, MeasureSpec],
    second: tuple[Runner, Case, MeasureSpec],
    waiting: Waiting = lambda seconds: None,
) -> tuple[Result, Result]:
    """Measure two cases of one device in processes that take turns; the first begins. Each has a runner of its own."""
    turns = Alternation()
    runner, case, spec = first
    with runner.hold(case.devices):
        one = runner.submit(case, spec, Turn(turns, 0))
        two = second[0].submit(*second[1:], Turn(turns, 1))
        first_result, second_result = _results(runner, [one, two], waiting)
        return first_result, second_result


def _heartbeat(listener: Listener, case: Case, done: int, total: int) -> Waiting:
    return lambda seconds: listener(StillRunning(case, seconds, done, total))


def _results(runner: Runner, futures: Sequence[Future[Result]], waiting: Waiting) -> list[Result]:
    """Wait for the results of processes. A log that stays silent for minutes looks like a job that hangs."""
    began, pending = monotonic(), set(futures)
    while pending:
        landed = runner.wait(pending, in_order.HEARTBEAT_SECONDS)
        for future in landed:
            future.result()  # an error ends the wait for the other process, too
        pending -= landed
        if not landed:
            waiting(monotonic() - began)
    return [future.result() for future in futures]


def check_stored(
    head: Side,
    stored: Sequence[Summary],
    judged: Sequence[Case],
    beside: Sequence[Case],
    missing: Sequence[Case],
    incomparable_because: Reason | None,
    rules: Rules,
    listener: Listener,
    further: Sequence[Sequence[Summary]] = (),
) -> Judgement:
    """Measure head until every verdict against a stored run is reached.

    Args:
        head: with its run stored.
        stored: of the baseline.
        judged, beside, rules, listener: as in `check_pairs`.
        missing: cases of the baseline that head was not asked for.
        incomparable_because: why no latency of the two compares; None where those of one environment do.
        further: more stored runs of the same code as the baseline.
    """
    base, *more = ({summary.case: summary for summary in run} for run in (stored, *further))

    def comparison() -> Comparison:
        same = {case: case for case in judged}
        return Comparison(base, head.summaries, same, False, missing, incomparable_because, more)

    def measure(cases: Sequence[Case], number: int) -> None:
        for done, case in enumerate(cases, 1):
            measured = head.measure(case, number, _heartbeat(listener, case, done - 1, len(cases)))
            listener(CaseFinished(measured, done, len(cases), "head"))

    return _until_decided(comparison, judged, beside, measure, rules, listener)


def _until_decided(
    comparison: Callable[[], Comparison],
    judged: Sequence[Case],
    beside: Sequence[Case],
    measure: Callable[[Sequence[Case], int], None],
    rules: Rules,
    listener: Listener,
) -> Judgement:
    number, wanted, confirming = 0, tuple(judged), False
    while True:
        number += 1
        taken = number - (CONFIRMING if confirming else 0)
        listener(RoundStarted(taken, rules.max_pairs, len(wanted), confirming))
        measure(_order([*wanted, *_references(wanted, [*judged, *beside], rules)], number), number)
        judgement = judge(comparison(), rules)
        if judgement.confirming and not confirming:
            confirming, number = True, CONFIRMING
        if not judgement.open:
            return judgement
        wanted = judgement.open


def _references(wanted: Iterable[Case], known: Iterable[Case], rules: Rules) -> list[Case]:
    """The references of the shapes that are timed, without those that are among `wanted`. Trainings need none."""
    shapes = {case.shape for case in wanted if case.task is None}
    return [
        case
        for case in dict.fromkeys(known)
        if case.implementation in (rules.reference, CONTROL) and case.shape in shapes and case not in set(wanted)
    ]


def _order(cases: Sequence[Case], number: int) -> list[Case]:
    """Shape by shape with its references, all shuffled, so that no case always follows the same other one."""
    shuffle = random.Random(ORDER_SEED + number).shuffle
    by_shape: dict[tuple[object, ...], list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.id):
        by_shape.setdefault(case.shape, []).append(case)
    groups = list(by_shape.values())
    shuffle(groups)
    for group in groups:
        shuffle(group)
    return [case for group in groups for case in group]


def _head_first(case: Case, number: int) -> bool:
    """Whether head runs first: drawn for every two pairs of a case, and reversed between the two."""
    first = random.Random(f"{ORDER_SEED} {case.id} {(number + 1) // 2}").random() < 0.5
    return first == (number % 2 == 1)
