"""Trainings run side by side, what is timed runs alone, and a seed that fails says nothing of another."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from dctbench.errors import UnavailableError
from dctbench.model import Case, Result, Run
from dctbench.runners import MeasureSpec, Place
from dctbench.runners.interleave import Turn
from dctbench.scheduler.events import ignore
from dctbench.scheduler.specs import Specs
from dctbench.scheduler.sweep import run_sweep
from dctbench.store import open_store
from tests.support.made import ENVIRONMENT, RUN
from tests.support.scripted import Scripted

TRAINED = [
    Case("sdpa", 64, batch=32, heads=4, head_dim=16, scope="encoder", mode="train", task=task)
    for task in ("acuity", "recall", "acuity/4x")
]
TIMED = [case.layer_case for case in TRAINED[:1]]


def ended(case: Case, round: int, status: str = "ok") -> Result:
    return Result(case, round, status, message=None if status == "ok" else "why", fingerprint="f", host="h")  # type: ignore[arg-type]


class Delayed(Scripted):
    """Answers the oldest request only when nothing more may be in flight, and notes how many are."""

    def __init__(self, most: int, failing: str = "") -> None:
        super().__init__(ended)
        self.most, self.failing = most, failing
        self.open: list[tuple[Case, int, Future[Result]]] = []
        self.seen: list[tuple[str | None, int]] = []

    def jobs(self, case: Case) -> int:
        return self.most if case.task is not None else 1

    def submit(
        self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
    ) -> Future[Result]:
        future: Future[Result] = Future()
        self.open.append((case, spec.round, future))
        self.seen.append((case.task, len(self.open)))
        if len(self.open) >= self.jobs(case) or self.last(case, spec.round):
            while self.open:
                case, number, future = self.open.pop(0)
                status = "error" if case.task == self.failing and number == 1 else "ok"
                future.set_result(ended(case, number, status))
        return future

    def last(self, case: Case, round: int) -> bool:
        return case == TRAINED[-1]


def sweep(runner: Delayed, tmp_path: Path, plan: list[list[Case]], run: Run = RUN) -> tuple[list[Result], int]:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        cases = list(dict.fromkeys(case for each in plan for case in each))
        store.add_run(run, cases, len(plan))
        run_sweep(run, plan, runner, store, ignore, Specs())
        return store.results(run.id), len(store.attempts(run.id))


def test_at_most_so_many_trainings_are_in_flight_and_what_is_timed_has_the_machine_alone(tmp_path: Path) -> None:
    runner = Delayed(2)
    results, attempts = sweep(runner, tmp_path, [[*TRAINED, *TIMED]] * 2)
    assert len(results) == 8
    assert attempts == 0
    assert runner.seen == [("acuity", 1), ("recall", 2), ("acuity/4x", 1), (None, 1)] * 2


def test_a_training_that_fails_with_one_seed_is_tried_with_the_next(tmp_path: Path) -> None:
    results, _ = sweep(Delayed(2, failing="recall"), tmp_path, [TRAINED] * 2)
    statuses = {(one.case.task, one.round): one.status for one in results}
    assert statuses["recall", 1] == "error"
    assert set(statuses.values()) == {"ok", "error"}
    assert statuses["recall", 2] == "ok"


def test_an_interruption_counts_against_no_training_in_flight(tmp_path: Path) -> None:
    class Interrupted(Delayed):
        def submit(
            self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
        ) -> Future[Result]:
            if case.task == "acuity/4x":
                raise KeyboardInterrupt
            return Future()

    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        store.add_run(RUN, TRAINED, 1)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(RUN, [TRAINED], Interrupted(3), store, ignore, Specs())
        assert store.attempts(RUN.id) == {}
    assert ENVIRONMENT.fingerprint


def test_a_training_that_fails_its_runner_takes_no_finished_one_with_it(tmp_path: Path) -> None:
    class Breaking(Delayed):
        def wait(self, futures: Iterable[Future[Result]], timeout: float | None = None) -> set[Future[Result]]:
            return set(futures)

        def submit(self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None) -> Any:
            future: Future[Result] = Future()
            if case == TRAINED[0]:
                future.set_exception(UnavailableError("no more processes"))
            else:
                future.set_result(ended(case, spec.round))
            return future

    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        store.add_run(RUN, TRAINED, 1)
        with pytest.raises(UnavailableError, match="no more processes"):
            run_sweep(RUN, [TRAINED], Breaking(4), store, ignore, Specs())
        assert [one.case for one in store.results(RUN.id)] == TRAINED[1:]
