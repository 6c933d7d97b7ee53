"""Cases x runner -> results -> store: in which order a sweep measures, and what it leaves out.

Each result is committed as soon as it is there. Whatever ends a sweep loses at most what was running: one case, or as
many trainings as run side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from dctbench.errors import DctbenchError
from dctbench.machine.roofline import under_the_roof
from dctbench.model import FAILED, Case, Environment, Result, ResultDetails, Run, Status
from dctbench.runners import Runner
from dctbench.scheduler.events import CaseFinished, CaseStarted, Listener, RunStarted, StillRunning
from dctbench.scheduler.specs import Specs

if TYPE_CHECKING:
    from dctbench.store import Store

HEARTBEAT_SECONDS = 30.0
MOST_DEATHS = 2
"""How often a run may end while a case runs, before the case counts as failed."""
MOST_DEATHS_IN_TRAINING = 10
"""The same for a training, which takes minutes: a run that is stopped every night ends in the middle of some."""


@dataclass(slots=True)
class SweepOutcome:
    """How a sweep ended: results by status."""

    statuses: Counter[Status] = field(default_factory=Counter)

    @property
    def failed(self) -> bool:
        """Whether some cases ended in error or timeout."""
        return any(self.statuses[status] for status in FAILED)


def run_sweep(
    run: Run,
    plan: Sequence[Sequence[Case]],
    runner: Runner,
    store: Store,
    listener: Listener,
    specs: Specs,
    *,
    stored: Sequence[Result] = (),
    prune: bool = True,
    retried: bool = False,
) -> SweepOutcome:
    """Measure every case in every round that has no result yet, and store each result at once.

    Args:
        run: already in the store, with its plan.
        plan: the cases of each round, in the order in which they are measured.
        runner: where cases run.
        store: where results go.
        listener: called with every event, in this thread.
        specs: how each case is measured. A result that is faster than the calibrated ceilings allow is refused.
        stored: results that the run has already, when it is resumed.
        prune: after an out-of-memory or a timeout, leave out the longer lengths of the same row; they are stored as
            skipped, with the reason. A case that failed is not tried again in later rounds either.
        retried: failures that are in the store but not among `stored` are tried again, and replaced.
    """
    sweep = _Sweep(run, runner, store, listener, specs, retried, _History(prune))
    return sweep.measure(plan, stored)


class _Sweep:
    """A sweep that runs: what is in flight, what is done, and what has failed so far."""

    def __init__(
        self,
        run: Run,
        runner: Runner,
        store: Store,
        listener: Listener,
        specs: Specs,
        retried: bool,
        history: _History,
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
        self.started: set[_Flight] = set()
        self.flying: dict[Future[Result], _Flight] = {}

    def measure(self, plan: Sequence[Sequence[Case]], stored: Sequence[Result]) -> SweepOutcome:
        """Measure what is not stored, and return how it ended."""
        for result in stored:
            self.history.note(result)
            self.outcome.statuses[result.status] += 1
        self.history.unusable.clear()  # a resumed run tries the device again
        have = {(result.case, result.round) for result in stored}
        self.done, self.total = len(have), sum(map(len, plan))
        self.listener(RunStarted(self.run, self.done, self.total))
        self.store.add_environment(self.run.id, self.runner.environment)
        attempts = self.store.attempts(self.run.id)
        try:
            for number, cases in enumerate(plan, 1):
                for case in cases:
                    if (case, number) not in have:
                        self.take(case, number, attempts.get((case.id, number), 0))
            self.land()
        except BaseException as error:  # an interruption, or an error of the runner: this process still lives
            self.forget_attempts(interrupted=isinstance(error, KeyboardInterrupt))
            raise
        return self.outcome

    def take(self, case: Case, number: int, deaths: int) -> None:
        """Measure a case, or find that it need not run. Cases that run side by side may still be in flight then."""
        beside = self.runner.jobs(case)
        self.land(below=beside)
        self.listener(CaseStarted(case, number, self.done, self.total))
        skipped = self.history.skipped(case, number)
        if skipped is not None:
            self.keep(skipped)
        elif deaths >= (MOST_DEATHS if case.task is None else MOST_DEATHS_IN_TRAINING):
            self.keep(_ended_the_run(case, number, deaths, self.runner.environment))
        else:
            flight = _Flight(case, number)
            self.started.add(flight)
            self.store.start_case(self.run.id, case, number)
            self.flying[self.runner.submit(case, self.specs.of(case, number))] = flight
            if beside == 1:
                self.land()

    def land(self, below: int = 1) -> None:
        """Wait until fewer than `below` cases are in flight, and store the results of the others."""
        while len(self.flying) >= below:
            landed, _ = wait(self.flying, timeout=HEARTBEAT_SECONDS, return_when=FIRST_COMPLETED)
            if not landed:
                longest = next(iter(self.flying.values()))
                self.listener(StillRunning(longest.case, monotonic() - longest.began, self.done, self.total))
            for future in landed:
                measured = future.result()
                flight = self.flying.pop(future)
                self.started.remove(flight)
                self.keep(under_the_roof(measured, self.specs.calibrations.get(flight.case.device)))

    def keep(self, result: Result) -> None:
        """Store a result at once, and tell the listener."""
        self.store.add_result(self.run.id, result, retried=self.retried)
        self.done += 1
        self.outcome.statuses[result.status] += 1
        self.history.note(result)
        self.listener(CaseFinished(result, self.done, self.total))

    def forget_attempts(self, *, interrupted: bool) -> None:
        """Note that no case ended this process, which would count against it when the run is resumed."""
        with suppress(DctbenchError):
            if interrupted:
                self.store.hurry()
            for flight in self.started:
                self.store.end_case(self.run.id, flight.case, flight.round)


class _Flight:
    """A case that runs now."""

    def __init__(self, case: Case, round: int) -> None:
        self.case, self.round, self.began = case, round, monotonic()


def _ended_the_run(case: Case, round: int, deaths: int, environment: Environment) -> Result:
    times = "twice" if deaths == 2 else f"{deaths} times"
    return Result(
        case=case,
        round=round,
        status="error",
        message=f"ended the run {times}; --retry-failed tries it again",
        details=ResultDetails(ended_runs=deaths),
        fingerprint=environment.fingerprint,
        host=environment.host,
    )


class _History:
    """What has failed so far, and which cases therefore need not run."""

    def __init__(self, prune: bool) -> None:
        self.prune = prune
        self.failed: dict[Case, Result] = {}
        self.unusable: dict[str, Result] = {}
        self.too_long: dict[tuple[object, ...], list[Result]] = {}
        self.longest: dict[tuple[object, ...], int] = {}

    def note(self, result: Result) -> None:
        """Remember how a result failed, or that its length fits."""
        row, seq_len = result.case.row, result.case.seq_len
        if result.status == "ok":
            self.longest[row] = max(seq_len, self.longest.get(row, 0))
        elif result.details.device_unusable:
            self.unusable.setdefault(result.case.device, result)
        elif result.status != "skipped":
            if result.case.task is None or result.status != "error":  # another seed may not crash
                self.failed.setdefault(result.case, result)
            if result.status in ("oom", "timeout"):
                self.too_long.setdefault(row, []).append(result)

    def skipped(self, case: Case, round: int) -> Result | None:
        """The result of a case that need not run: its device is unusable, it failed, or a shorter one did not fit."""
        unusable = self.unusable.get(case.device)
        if unusable is not None:
            return _skipped(case, round, unusable, unusable.message or "torch cannot use its device")
        failed = self.failed.get(case)
        if failed is not None:
            return _skipped(case, round, failed, f"{failed.status} already in round {failed.round}")
        limit = self.limit(case.row)
        if self.prune and limit is not None and case.seq_len > limit.case.seq_len:
            return _skipped(case, round, limit, f"{limit.status} already at n = {limit.case.seq_len} ({limit.message})")
        return None

    def limit(self, row: tuple[object, ...]) -> Result | None:
        """The shortest case of a row that did not fit. If a longer one ran, a shorter one's failure is no limit."""
        beyond = (one for one in self.too_long.get(row, ()) if one.case.seq_len > self.longest.get(row, 0))
        return min(beyond, key=lambda one: one.case.seq_len, default=None)


def _skipped(case: Case, round: int, cause: Result, message: str) -> Result:
    return Result(
        case=case, round=round, status="skipped", message=message, fingerprint=cause.fingerprint, host=cause.host
    )
