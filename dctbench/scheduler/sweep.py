"""Cases x runner -> results -> store: in which order a sweep measures, and what it leaves out.

Each result is committed before the next case starts. Whatever ends a sweep loses at most the case that was running.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
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
    outcome = SweepOutcome(Counter(result.status for result in stored))
    history = _History(prune)
    for result in stored:
        history.note(result)
    have = {(result.case, result.round) for result in stored}
    done, total = len(have), sum(map(len, plan))
    listener(RunStarted(run, done, total))
    store.add_environment(run.id, runner.environment)
    attempts = store.attempts(run.id)
    for number, cases in enumerate(plan, 1):
        for case in cases:
            if (case, number) in have:
                continue
            listener(CaseStarted(case, number, done, total))
            skipped = history.skipped(case, number)
            deaths = attempts.get((case.id, number), 0)
            if skipped is not None:
                result = skipped
            elif deaths >= MOST_DEATHS:
                result = _ended_the_run(case, number, deaths, runner.environment)
            else:
                with _attempt(store, run, case, number):
                    measured = _wait(runner.submit(case, specs.of(case, number)), case, listener, done, total)
                result = under_the_roof(measured, specs.calibrations.get(case.device))
            store.add_result(run.id, result, retried=retried)
            done += 1
            outcome.statuses[result.status] += 1
            history.note(result)
            listener(CaseFinished(result, done, total))
    return outcome


@contextmanager
def _attempt(store: Store, run: Run, case: Case, round: int) -> Iterator[None]:
    """Note that the case runs, so that a resumed run knows which case was running when this process was killed."""
    store.start_case(run.id, case, round)
    try:
        yield
    except BaseException as error:  # an interruption, or an error of the runner: this process still lives
        with suppress(DctbenchError):
            if isinstance(error, KeyboardInterrupt):
                store.hurry()
            store.end_case(run.id, case, round)
        raise


def _ended_the_run(case: Case, round: int, deaths: int, environment: Environment) -> Result:
    times = "twice" if deaths == MOST_DEATHS else f"{deaths} times"
    return Result(
        case=case,
        round=round,
        status="error",
        message=f"ended the run {times}; --retry-failed tries it again",
        details=ResultDetails(ended_runs=deaths),
        fingerprint=environment.fingerprint,
        host=environment.host,
    )


def _wait(future: Future[Result], case: Case, listener: Listener, done: int, total: int) -> Result:
    waited = 0.0
    while True:
        try:
            return future.result(timeout=HEARTBEAT_SECONDS)
        except NotYet:
            waited += HEARTBEAT_SECONDS
            listener(StillRunning(case, waited, done, total))


class _History:
    """What has failed so far, and which cases therefore need not run."""

    def __init__(self, prune: bool) -> None:
        self.prune = prune
        self.failed: dict[Case, Result] = {}
        self.too_long: dict[tuple[object, ...], list[Result]] = {}
        self.longest: dict[tuple[object, ...], int] = {}

    def note(self, result: Result) -> None:
        """Remember how a result failed, or that its length fits."""
        row, seq_len = result.case.row, result.case.seq_len
        if result.status == "ok":
            self.longest[row] = max(seq_len, self.longest.get(row, 0))
        elif result.status != "skipped":
            self.failed.setdefault(result.case, result)
            if result.status in ("oom", "timeout"):
                self.too_long.setdefault(row, []).append(result)

    def skipped(self, case: Case, round: int) -> Result | None:
        """The result of a case that need not run: it failed in an earlier round, or a shorter one did not fit."""
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
