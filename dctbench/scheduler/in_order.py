"""A sweep at one place, in the order of its plan, and what every sweep does with a result.

Each result is committed as soon as it is there. Whatever ends a sweep loses at most what was running: one case, or as
many trainings as run side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from dctbench.errors import DctbenchError
from dctbench.machine.roofline import under_the_roof
from dctbench.model import FAILED, Case, Environment, Result, ResultDetails, Run, Status
from dctbench.runners import Runner
from dctbench.scheduler.events import CaseFinished, CaseStarted, Listener, RunStarted, StillRunning
from dctbench.scheduler.pruning import History
from dctbench.scheduler.specs import Specs

if TYPE_CHECKING:
    from dctbench.store import Store

HEARTBEAT_SECONDS = 30.0
MOST_DEATHS = 2
"""How often a run may end while a case runs, before the case counts as failed."""
MOST_DEATHS_IN_TRAINING = 10
"""The same for a training, which takes minutes: a run that is stopped every night ends in the middle of some."""


Task = tuple[Case, int]
"""A case and the round in which it is measured."""


@dataclass(slots=True)
class SweepOutcome:
    """How a sweep ended: results by status."""

    statuses: Counter[Status] = field(default_factory=Counter)

    @property
    def failed(self) -> bool:
        """Whether some cases ended in error or timeout."""
        return any(self.statuses[status] for status in FAILED)


class InOrder:
    """A sweep that runs: what is in flight, what is done, and what has failed so far."""

    def __init__(
        self,
        run: Run,
        runner: Runner,
        store: Store,
        listener: Listener,
        specs: Specs,
        retried: bool,
        history: History,
    ) -> None:
        self.run = run
        self.runner = runner
        self.store = store
        self.listener = listener
        self.specs = specs
        self.retried = retried
        self.history = history
        self.outcome = SweepOutcome()
        self.done = self.total = 0
        self.attempts: dict[tuple[str, int], int] = {}
        self.started: set[Flight] = set()
        self.flying: dict[Future[Result], Flight] = {}

    def measure(self, plan: Sequence[Sequence[Case]], stored: Sequence[Result]) -> SweepOutcome:
        """Measure what is not stored, and return how it ended."""
        for result in stored:
            self.history.note(result)
            self.outcome.statuses[result.status] += 1
        self.history.unusable.clear()  # a resumed run tries the device again
        have = {(result.case, result.round) for result in stored}
        self.done, self.total = len(have), sum(map(len, plan))
        self.listener(RunStarted(self.run, self.done, self.total))
        for environment in self.runner.environments:
            self.store.add_environment(self.run.id, environment)
        self.attempts = self.store.attempts(self.run.id)
        tasks = ((case, number) for number, cases in enumerate(plan, 1) for case in cases)
        try:
            self.take_all([task for task in tasks if task not in have])
        except BaseException as error:  # an interruption, or an error of the runner: this process still lives
            self.forget_attempts(interrupted=isinstance(error, KeyboardInterrupt))
            raise
        return self.outcome

    def take_all(self, tasks: Sequence[Task]) -> None:
        """Measure cases in the order of the plan."""
        for case, number in tasks:
            self.take(case, number)
        self.land()

    def take(self, case: Case, number: int) -> None:
        """Measure a case, or find that it need not run. Cases that run side by side may still be in flight then."""
        jobs = self.runner.jobs(case)
        self.land(below=jobs)
        self.listener(CaseStarted(case, number, self.done, self.total))
        known = self.known(case, number, self.runner.environment)
        if known is not None:
            self.keep(known)
        else:
            flight = Flight(case, number)
            self.started.add(flight)
            self.store.start_case(self.run.id, case, number)
            self.flying[self.runner.submit(case, self.specs.of(case, number))] = flight
            if jobs == 1:
                self.land()

    def known(self, case: Case, number: int, here: Environment) -> Result | None:
        """The result of a case that need not run, or that has ended the run too often; None for any other."""
        skipped = self.history.skipped(case, number, here)
        deaths = self.attempts.get((case.id, number), 0)
        if skipped is None and deaths >= (MOST_DEATHS if case.task is None else MOST_DEATHS_IN_TRAINING):
            return ended_the_run(case, number, deaths, here)
        return skipped

    def land(self, below: int = 1) -> None:
        """Wait until fewer than `below` cases are in flight, and store the results of the others."""
        while len(self.flying) >= below:
            landed = self.runner.wait(self.flying, HEARTBEAT_SECONDS)
            if not landed:
                longest = next(iter(self.flying.values()))
                self.listener(StillRunning(longest.case, monotonic() - longest.began, self.done, self.total))
            for future in sorted(landed, key=_is_broken):  # what ended is stored before an error of another ends this
                measured = future.result()
                flight = self.flying.pop(future)
                self.keep(under_the_roof(measured, self.specs.calibrations.get(flight.case.device)))
                self.started.remove(flight)  # not before its result is stored, which an interruption may prevent

    def keep(self, result: Result, place: str = "") -> None:
        """Store a result at once, and tell the listener."""
        self.store.add_result(self.run.id, result, retried=self.retried)
        self.done += 1
        self.outcome.statuses[result.status] += 1
        self.history.note(result)
        self.listener(CaseFinished(result, self.done, self.total, place=place))

    def forget_attempts(self, *, interrupted: bool) -> None:
        """Note that no case ended this process, which would count against it when the run is resumed."""
        with suppress(DctbenchError):
            if interrupted:
                self.store.hurry()
            for flight in self.started:
                self.store.end_case(self.run.id, flight.case, flight.round)


def _is_broken(future: Future[Result]) -> bool:
    return future.cancelled() or future.exception() is not None


class Flight:
    """A case that runs now."""

    def __init__(self, case: Case, round: int) -> None:
        self.case, self.round, self.began = case, round, monotonic()


def ended_the_run(case: Case, round: int, deaths: int, here: Environment) -> Result:
    """Return the error of a case that was running when the run ended."""
    times = "twice" if deaths == 2 else f"{deaths} times"
    message = f"ended the run {times}; --retry-failed tries it again"
    return failed(case, round, message, here, ResultDetails(ended_runs=deaths))


def failed(case: Case, round: int, message: str, here: Environment, details: ResultDetails) -> Result:
    """Return an error that the run itself reports, since no process of the case did."""
    return Result(
        case=case,
        round=round,
        status="error",
        message=message,
        details=details,
        fingerprint=here.fingerprint,
        host=here.host,
    )
