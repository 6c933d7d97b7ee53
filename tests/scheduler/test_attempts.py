"""A sweep notes that a case starts before it runs, and does not try a third time what ended the run twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dctbench.model import Case, Result
from dctbench.scheduler.events import ignore
from dctbench.scheduler.in_order import SweepOutcome
from dctbench.scheduler.specs import Specs
from dctbench.scheduler.sweep import run_sweep
from dctbench.store import Store, open_store
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.scripted import Scripted

CASES = [Case("sdpa", 64), Case("none", 64)]


class Watching(Scripted):
    """It records which attempts the store knew of while a case ran."""

    def __init__(self, store: Store, raising: dict[Case, BaseException] | None = None) -> None:
        super().__init__(self._measured)
        self.store = store
        self.raising = raising or {}
        self.seen: list[dict[tuple[str, int], int]] = []

    def _measured(self, case: Case, round: int) -> Result:
        self.seen.append(self.store.attempts(RUN.id))
        if case in self.raising:
            raise self.raising[case]
        return result(case.implementation, case.seq_len, round=round)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "a.sqlite"), create=True) as opened:
        opened.add_run(RUN, CASES, rounds=2)
        yield opened


def sweep(store: Store, runner: Watching, *, retried: bool = False) -> SweepOutcome:
    stored = [one for one in store.results(RUN.id) if not (retried and one.status == "error")]
    return run_sweep(RUN, [CASES, CASES], runner, store, ignore, Specs(), stored=stored, retried=retried)


def test_an_attempt_is_stored_while_its_case_runs_and_forgotten_with_the_result(store: Store) -> None:
    runner = Watching(store)
    sweep(store, runner)
    assert runner.seen == [{(case.id, number): 1} for number in (1, 2) for case in CASES]
    assert store.attempts(RUN.id) == {}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the runner is broken")])
def test_what_ends_a_sweep_while_the_process_lives_is_no_attempt(store: Store, error: BaseException) -> None:
    with pytest.raises(type(error)):
        sweep(store, Watching(store, {CASES[1]: error}))
    assert store.attempts(RUN.id) == {}
    assert [one.case for one in store.results(RUN.id)] == CASES[:1]


@pytest.mark.parametrize("several", [False, True])
def test_an_interruption_while_a_result_is_stored_is_no_attempt(
    store: Store, several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    runner = Watching(store)
    runner.several = several
    with monkeypatch.context() as patch:
        patch.setattr(store, "add_result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep(store, runner)
    assert len(runner.seen) == 1
    assert store.attempts(RUN.id) == {}
    assert sweep(store, runner).statuses == {"ok": 4}


def test_a_case_that_ended_the_run_twice_is_an_error_and_is_skipped_in_later_rounds(store: Store) -> None:
    store.start_case(RUN.id, CASES[0], 1)
    once = Watching(store)
    store.start_case(RUN.id, CASES[0], 1)
    assert sweep(store, once).failed
    assert once.seen == [{(CASES[1].id, number): 1} for number in (1, 2)]
    dead, skipped, *measured = store.results(RUN.id)
    assert (dead.status, dead.message, dead.details.ended_runs) == (
        "error",
        "ended the run twice; --retry-failed tries it again",
        2,
    )
    assert (dead.fingerprint, dead.host) == (ENVIRONMENT.fingerprint, ENVIRONMENT.host)
    assert (skipped.case, skipped.status) == (CASES[0], "skipped")
    assert [one.status for one in measured] == ["ok", "ok"]
    assert store.attempts(RUN.id) == {}


def test_a_case_that_ended_the_run_once_is_tried_again(store: Store) -> None:
    store.start_case(RUN.id, CASES[0], 1)
    runner = Watching(store)
    assert not sweep(store, runner).failed
    assert runner.seen[0] == {(CASES[0].id, 1): 2}


def test_a_retry_tries_a_case_again_that_had_ended_the_run_twice(store: Store) -> None:
    for _ in range(2):
        store.start_case(RUN.id, CASES[0], 1)
    sweep(store, Watching(store))
    runner = Watching(store)
    sweep(store, runner, retried=True)
    assert runner.seen[0] == {(CASES[0].id, 1): 1}
    assert store.results(RUN.id)[0].status == "ok"
