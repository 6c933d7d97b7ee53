"""Cases x runner -> results -> store: the order of a sweep, what it leaves out, and the events others listen to.

Each result is committed before the next case starts, so that whatever ends a sweep loses at most the case that was
running.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field

from dctbench.model import FAILED, Case, Result, Run, Status
from dctbench.runners import Runner
from dctbench.store import Store

HEARTBEAT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Started:
    """The sweep begins: `done` of `total` results are stored already (a resumed run)."""

    run: Run
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CaseStarted:
    """A case is handed to the runner."""

    case: Case
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StillRunning:
    """A sign of life while one case takes long."""

    case: Case
    seconds: float
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CaseFinished:
    """A result is stored."""

    result: Result
    done: int
    total: int


Event = Started | CaseStarted | StillRunning | CaseFinished
Listener = Callable[[Event], None]


@dataclass(slots=True)
class Outcome:
    """How a sweep ended: results by status."""

    statuses: Counter[Status] = field(default_factory=Counter)

    @property
    def failed(self) -> bool:
        """Whether some cases ended in error or timeout."""
        return any(self.statuses[status] for status in FAILED)


def run_sweep(
    run: Run,
    cases: Sequence[Case],
    runner: Runner,
    store: Store,
    listener: Listener,
    *,
    stored: Sequence[Result] = (),
    prune: bool = True,
) -> Outcome:
    """Measure every case that has no result yet, in the order given, and store each result at once.

    Args:
        run: already in the store, with its plan.
        cases: the whole plan.
        runner: where cases run.
        store: where results go.
        listener: told of every event, in this thread.
        stored: results that the run has already, when it is resumed.
        prune: after an out-of-memory or a timeout, leave out the longer lengths of the same row; they are stored as
            skipped, with the reason.
    """
    outcome = Outcome(Counter(result.status for result in stored))
    have = {result.case.id for result in stored}
    limits: dict[tuple[object, ...], Result] = {}
    for result in stored:
        _note_limit(limits, result)
    done, total = len(have), len(cases)
    listener(Started(run, done, total))
    store.add_environment(run.id, runner.environment)
    for case in cases:
        if case.id in have:
            continue
        listener(CaseStarted(case, done, total))
        limit = limits.get(case.row)
        if prune and limit is not None and case.seq_len > limit.case.seq_len:
            result = _skipped(case, limit)
        else:
            result = _wait(runner.submit(case, 1), case, listener, done, total)
        store.add_result(run.id, result)
        done += 1
        outcome.statuses[result.status] += 1
        _note_limit(limits, result)
        listener(CaseFinished(result, done, total))
    return outcome


def _wait(future: Future[Result], case: Case, listener: Listener, done: int, total: int) -> Result:
    waited = 0.0
    while True:
        try:
            return future.result(timeout=HEARTBEAT_SECONDS)
        except NotYet:
            waited += HEARTBEAT_SECONDS
            listener(StillRunning(case, waited, done, total))


def _note_limit(limits: dict[tuple[object, ...], Result], result: Result) -> None:
    known = limits.get(result.case.row)
    if result.status in ("oom", "timeout") and (known is None or result.case.seq_len < known.case.seq_len):
        limits[result.case.row] = result


def _skipped(case: Case, limit: Result) -> Result:
    return Result(
        case=case,
        round=limit.round,
        status="skipped",
        message=f"{limit.status} already at n = {limit.case.seq_len} ({limit.message})",
        fingerprint=limit.fingerprint,
        host=limit.host,
    )
