"""Stored results survive kills, contention, moved and replaced files, and a clock that runs backwards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import StoreError, UsageError
from dctbench.model import Result, ResultDetails, Run
from dctbench.store import Store, open_store
from dctbench.store.checking import find_damage
from dctbench.store.importing import import_run
from dctbench.store.merging import merge
from dctbench.store.pruning import remove_runs
from tests.support.made import ENVIRONMENT, RUN, result

RUNS = [replace(RUN, id=f"{number:016x}", label=f"run {number}") for number in range(4)]
RESULTS = [result("sdpa", n, [1e-3] * 20, round=round) for round in (1, 2) for n in range(64, 464)]
CASES = list(dict.fromkeys(one.case for one in RESULTS))
KILLS, FIRST, GROWTH = 12, 0.002, 1.5
"""How often a process is killed, after how many seconds at first, and the factor by which that grows each time."""


def filled(path: Path, runs: list[Run], results: list[Result] = RESULTS) -> str:
    with open_store(str(path), create=True) as store:
        for run in runs:
            store.add_run(run, CASES, rounds=2)
            store.add_environment(run.id, ENVIRONMENT)
            store.add_results(run.id, results)
    return str(path)


def killed_again_and_again(work: Callable[[], object], check: Callable[[], object]) -> None:
    """Do `work` in processes that are killed later and later, and check after each. Finally do it to the end."""
    killed = 0
    for number in range(KILLS):
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(0)
        deadline = time.monotonic() + FIRST * GROWTH**number
        status = None
        while status is None and time.monotonic() < deadline:
            time.sleep(0.0005)
            ended, code = os.waitpid(child, os.WNOHANG)
            status = code if ended else None
        if status is None:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        check()
    assert killed > 1
    work()
    check()


def assert_intact(path: Path | str) -> None:
    with open_store(str(path)) as store:
        assert find_damage(store) == []


def test_a_killed_merge_damages_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    source, target = filled(tmp_path / "a.sqlite", RUNS[:2]), tmp_path / "b.sqlite"
    open_store(str(target), create=True)

    def work() -> None:
        merge([open_store(source)], open_store(str(target)))

    killed_again_and_again(work, lambda: assert_intact(target))
    with open_store(str(target)) as store:
        assert [state.run for state in store.runs()] == RUNS[:2]
        assert all(store.results(run.id) == sorted_by_plan(RESULTS) for run in RUNS[:2])


def test_a_killed_import_leaves_the_complete_run_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "b.sqlite"
    open_store(str(target), create=True)

    def work() -> None:
        import_run(open_store(str(target)), RUN, [ENVIRONMENT], RESULTS)

    def check() -> None:
        assert_intact(target)
        with open_store(str(target)) as store:
            assert [state.stored for state in store.runs()] in ([], [len(RESULTS)])

    killed_again_and_again(work, check)
    with open_store(str(target)) as store:
        assert store.results(RUN.id) == sorted_by_plan(RESULTS)


def test_a_killed_prune_leaves_every_run_complete_or_removed(tmp_path: Path) -> None:
    target = tmp_path / "a.sqlite"
    filled(target, RUNS)

    def work() -> None:
        remove_runs(open_store(str(target)), [run.id for run in RUNS[:3]])

    def check() -> None:
        assert_intact(target)
        with open_store(str(target)) as store:
            assert all(state.stored == len(RESULTS) and state.complete for state in store.runs())

    killed_again_and_again(work, check)
    with open_store(str(target)) as store:
        assert [state.run for state in store.runs()] == RUNS[3:]
        assert store.results(RUNS[3].id) == sorted_by_plan(RESULTS)


def sorted_by_plan(results: list[Result]) -> list[Result]:
    places = {case: i for i, case in enumerate(CASES)}
    return sorted(results, key=lambda one: (places[one.case], one.round))


def at_once(*works: Callable[[], object]) -> list[int]:
    """Run functions in processes at the same time and return their exit codes."""
    children = []
    for work in works:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def test_simultaneous_merges_prunes_and_a_run_lose_nothing(tmp_path: Path) -> None:
    old, measured = replace(RUN, id="a" * 16), replace(RUN, id="b" * 16)
    target = tmp_path / "all.sqlite"
    filled(target, [old])
    parts = [filled(tmp_path / f"{i}.sqlite", RUNS, RESULTS[i::3]) for i in range(3)]

    def merging(part: str) -> Callable[[], object]:
        return lambda: merge([open_store(part)], open_store(str(target)))

    def measuring() -> None:
        with open_store(str(target)) as store:
            store.add_run(measured, CASES, rounds=2)
            for one in RESULTS[:40]:
                assert store.add_result(measured.id, one)

    codes = at_once(*map(merging, parts), measuring, lambda: remove_runs(open_store(str(target)), [old.id]))
    assert codes == [0] * 5
    assert_intact(target)
    with open_store(str(target)) as store:
        assert {state.run.id: state.stored for state in store.runs()} == {
            **{run.id: len(RESULTS) for run in RUNS},
            measured.id: 40,
        }
        assert all(store.results(run.id) == sorted_by_plan(RESULTS) for run in RUNS)


def new_store(path: Path) -> Store:
    store = open_store(str(path), create=True)
    store.add_run(RUN, CASES, rounds=2)
    return store


@pytest.mark.parametrize("name", ["results.sqlite", "a ?#%25 é\\x&mode=ro.sqlite", os.fsdecode(b"\xff.sqlite")])
def test_a_store_that_is_moved_away_is_an_error_and_no_new_one_is_created(tmp_path: Path, name: str) -> None:
    path, away = tmp_path / name, tmp_path / "away.sqlite"
    with new_store(path) as store:
        assert store.add_result(RUN.id, RESULTS[0])
        path.rename(away)
        with pytest.raises(StoreError, match="no longer there") as failure:
            store.add_result(RUN.id, RESULTS[1])
        assert "put it back" in str(failure.value.hint)
        assert list(tmp_path.iterdir()) == [away]
        away.rename(path)
        assert store.add_result(RUN.id, RESULTS[1])
        assert store.results(RUN.id) == RESULTS[:2]


def test_a_result_of_a_removed_run_is_refused_with_the_cause(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with new_store(path) as store:
        with open_store(str(path)) as other:
            remove_runs(other, [RUN.id])
        with pytest.raises(StoreError) as refused:
            store.add_result(RUN.id, RESULTS[0])
    assert "its run was removed" in str(refused.value.hint)
    assert_intact(path)


def test_a_clock_that_runs_backwards_replaces_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"
    first, second = result("sdpa", 64, 1e-3), result("sdpa", 64, 2e-3)
    with new_store(path) as store:
        monkeypatch.setattr(time, "time", lambda: 2e9)
        assert store.add_result(RUN.id, first)
        monkeypatch.setattr(time, "time", lambda: 1.0)
        assert not store.add_result(RUN.id, second)
        assert not store.add_result(RUN.id, second, retried=True)
        assert store.results(RUN.id) == [first]


def test_runs_that_start_at_the_same_time_stay_separate(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    filled(path, RUNS, RESULTS[:3])
    with open_store(str(path)) as store:
        assert [state.stored for state in store.runs()] == [3] * 4
        assert store.find_run("latest").run == RUNS[-1]


def test_the_longer_plan_wins_in_any_order(tmp_path: Path) -> None:
    """A run that was resumed after an export has a longer plan than in that export."""
    early, late = RESULTS[: len(CASES)], RESULTS
    for number, parts in enumerate(((early, late), (late, early))):
        imported = tmp_path / f"imported-{number}.sqlite"
        with open_store(str(imported), create=True) as store:
            for part in parts:
                import_run(store, RUN, [ENVIRONMENT], part)
        stores = []
        for place, part in enumerate(parts):
            with open_store(str(tmp_path / f"{number}-{place}.sqlite"), create=True) as store:
                import_run(store, RUN, [ENVIRONMENT], part)
            stores.append(open_store(store.name))
        with open_store(str(tmp_path / f"merged-{number}.sqlite"), create=True) as into:
            merge(stores, into)
        for path in (imported, into.name):
            with open_store(str(path)) as store:
                state = store.state(RUN.id)
                assert (state.stored, state.planned) == (len(late), len(late))
                assert store.results(RUN.id) == sorted_by_plan(late)


def test_importing_a_different_run_with_a_known_id_is_refused(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "a.sqlite"), create=True) as store:
        import_run(store, RUN, [ENVIRONMENT], RESULTS[:5])
        with pytest.raises(UsageError, match="another run with the id"):
            import_run(store, replace(RUN, label="another"), [ENVIRONMENT], RESULTS[5:9])
        assert store.results(RUN.id) == RESULTS[:5]
        assert [state.run for state in store.runs()] == [RUN]


def test_a_detail_that_is_not_finite_is_stored_as_null(tmp_path: Path) -> None:
    strange = {"rate": float("nan"), "rates": [1.0, float("inf")], "inner": {"a": -float("inf"), "b": "nan"}}
    with new_store(tmp_path / "a.sqlite") as store:
        assert store.add_result(RUN.id, replace(RESULTS[0], details=ResultDetails.from_json(strange)))
        [found] = store.results(RUN.id)
    assert found == replace(
        RESULTS[0],
        details=ResultDetails.from_json({"rate": None, "rates": [1.0, None], "inner": {"a": None, "b": "nan"}}),
    )
