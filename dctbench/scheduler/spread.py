"""A sweep over several places: each measures one unit after the other, and the loss of a place loses nothing else."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from time import monotonic

from dctbench.errors import UnavailableError
from dctbench.machine.roofline import under_the_roof
from dctbench.model import Case, Result, ResultDetails
from dctbench.runners import LostError, Place
from dctbench.scheduler import in_order
from dctbench.scheduler.events import CaseStarted, Notice, StillRunning
from dctbench.scheduler.in_order import Flight, InOrder, SweepOutcome, Task, failed
from dctbench.scheduler.specs import Specs
from dctbench.text.format import pluralize

LOOK_SECONDS = 2.0
MOST_LOSSES = 3
"""How often the place of a case may be lost while it runs, before the case counts as failed."""


@dataclass(slots=True)
class _Lane:
    """What one place measures, case after case. `future` and `flight` are those of the case that runs now."""

    place: Place
    tasks: deque[Task]
    future: Future[Result] | None = None
    flight: Flight | None = None
    heard: float = 0.0


class Spread(InOrder):
    """A sweep over the places of a runner. A unit is measured at one place, or at another of the same fingerprint."""

    def measure(self, plan: Sequence[Sequence[Case]], stored: Sequence[Result]) -> SweepOutcome:
        """Measure what is not stored, and return how it ended."""
        self._machines: dict[tuple[object, ...], str] = {}
        self._lanes: dict[Place, _Lane] = {}
        self._losses: Counter[Task] = Counter()
        self._specs: dict[str, Specs] = {}
        for result in stored:
            self._pin(result)
        return super().measure(plan, stored)

    def take_all(self, tasks: Sequence[Task]) -> None:
        """Measure cases unit by unit, as many units at a time as there are places."""
        self._waiting = deque(_by_unit(tasks))
        while self._waiting or self._lanes:
            self._occupy()
            self._collect()

    def keep(self, result: Result, place: str = "") -> None:
        """Store a result at once, and tell the listener."""
        self._pin(result)
        super().keep(result, place)
        self.history.unusable.clear()  # what one node cannot use, another one may

    def _pin(self, result: Result) -> None:
        """Remember on which machine a unit is measured. What was skipped has the fingerprint of its cause."""
        if result.status != "skipped":
            self._machines.setdefault(result.case.unit, result.fingerprint)

    def _specs_at(self, place: Place) -> Specs:
        """How cases are measured at a place: the ceilings and rates of one machine say nothing of another one."""
        here = place.environment.fingerprint
        if here not in self._specs:
            self._specs[here] = replace(self.specs, calibrations=self.store.calibrations(here))
        return self._specs[here]

    def _occupy(self) -> None:
        """Give each free place a unit."""
        if not self._waiting:
            return
        taken = False
        for place in self.runner.places():
            tasks = None if place in self._lanes else self._next_unit(place)
            if tasks is not None:
                taken = True
                self.store.add_environment(self.run.id, place.environment)
                self._lanes[place] = _Lane(place, tasks)
                self._advance(self._lanes[place])
        # The lane of a unit that need not run at all is gone already, and its place takes the next one.
        if self._waiting and not (taken or self._lanes or self.runner.returning()):
            raise self._no_machine()

    def _next_unit(self, place: Place) -> deque[Task] | None:
        """Take the first unit that this place may measure: one that is new, or was begun on a machine like it."""
        for position, tasks in enumerate(self._waiting):
            if self._machines.get(tasks[0][0].unit) in (None, place.environment.fingerprint):
                del self._waiting[position]
                return tasks
        return None

    def _no_machine(self) -> UnavailableError:
        """Why no place may measure what waits. It has no result, so that a resumed run measures it."""
        kinds = dict.fromkeys(self._machines[tasks[0][0].unit] for tasks in self._waiting)
        return UnavailableError(
            f"{pluralize(sum(map(len, self._waiting)), 'result')} missing: what they are compared with was measured on "
            f"a machine of a kind of which no node is left ({', '.join(kind[:6] for kind in kinds)})",
            hint="bring such a node back, and go on with dctbench run --resume and the same --runner and --address",
        )

    def _advance(self, lane: _Lane) -> None:
        """Start the next case of a lane that has to run, or end the lane."""
        while lane.tasks:
            case, number = lane.tasks[0]
            self.listener(CaseStarted(case, number, self.done, self.total, lane.place.name))
            known = self.known(case, number, lane.place.environment)
            if known is None:
                lane.flight, lane.heard = Flight(case, number), monotonic()
                self.started.add(lane.flight)
                self.store.start_case(self.run.id, case, number)
                lane.future = self.runner.submit(case, self._specs_at(lane.place).of(case, number), place=lane.place)
                return
            lane.tasks.popleft()
            self.keep(known, lane.place.name)
        del self._lanes[lane.place]

    def _collect(self) -> None:
        """Wait for the next results, for a place that comes back, or for the time of a sign of life."""
        running = {lane.future: lane for lane in self._lanes.values() if lane.future is not None}
        if not running:
            return
        quiet = in_order.HEARTBEAT_SECONDS
        timeout = min(quiet - (monotonic() - lane.heard) for lane in running.values())
        if self._waiting:
            timeout = min(timeout, LOOK_SECONDS)
        ended = self.runner.wait(running, max(0.0, timeout))
        for future, lane in running.items():
            assert lane.flight is not None
            if future in ended:
                self._end(lane, future, lane.flight)
            elif monotonic() - lane.heard >= quiet:
                lane.heard = monotonic()
                took = monotonic() - lane.flight.began
                self.listener(StillRunning(lane.flight.case, took, self.done, self.total))

    def _end(self, lane: _Lane, future: Future[Result], flight: Flight) -> None:
        lane.future = None
        try:
            measured = future.result()
        except LostError as error:
            self._lost(lane, flight, error)
            return
        task = lane.tasks.popleft()
        if self._losses[task]:
            measured = replace(measured, details=measured.details | ResultDetails(attempts=self._losses[task] + 1))
        ceilings = self._specs_at(lane.place).calibrations.get(flight.case.device)
        self.keep(under_the_roof(measured, ceilings), lane.place.name)
        self.started.remove(flight)
        self._advance(lane)

    def _lost(self, lane: _Lane, flight: Flight, error: LostError) -> None:
        """Take the unit of a lost place back. Its case is tried again elsewhere, unless it was lost too often."""
        case, number = task = lane.tasks[0]
        self._losses[task] += 1
        losses = self._losses[task]
        self.store.end_case(self.run.id, case, number)  # it has not ended this process
        self.started.remove(flight)
        del self._lanes[lane.place]
        if losses < MOST_LOSSES:
            what = f"attempt {losses + 1} of {MOST_LOSSES} follows"
        else:
            what = "it counts as failed"
            lane.tasks.popleft()
            message = f"its node was lost {losses} times: {error.message}; --retry-failed tries it again"
            here = lane.place.environment
            self.keep(failed(case, number, message, here, ResultDetails(attempts=losses)), lane.place.name)
        self.listener(Notice(f"{error.message} while it measured {case.title}: {what}"))
        if lane.tasks:
            self._waiting.appendleft(lane.tasks)


def _by_unit(tasks: Iterable[Task]) -> list[deque[Task]]:
    """Return what is missing by unit, each in the order of the plan: round after round."""
    found: dict[tuple[object, ...], deque[Task]] = {}
    for case, number in tasks:
        found.setdefault(case.unit, deque()).append((case, number))
    return list(found.values())
