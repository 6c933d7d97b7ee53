"""A killed writer, a damaged file, old runs, passwords: what becomes of a store in the years after it was made."""

from __future__ import annotations

import datetime
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.model import Run, RunSettings
from dctbench.store import open_store
from dctbench.store.checking import find_damage, store_info
from dctbench.store.contents import RunState
from dctbench.store.pruning import removable, remove_runs, split_by_baseline
from tests.store.test_calibrations import CALIBRATION
from tests.support.made import ENVIRONMENT, RUN, result

KILLED_WHILE_WRITING = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")  # so that pages are written before the commit
connection.execute("BEGIN")
connection.execute("UPDATE results SET samples = zeroblob(100000)")
connection.execute("INSERT INTO results SELECT run_id, case_id, 2, status, metrics, samples, record, stored_at, sha256"
                   " FROM results")
os._exit(9)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "results.sqlite"
    with open_store(str(made), create=True) as store:
        store.add_run(RUN, [result().case], rounds=2)
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_result(RUN.id, result())
        store.add_calibration("here", CALIBRATION)
        store.save_baseline("main", RUN.id)
    return made


def test_what_a_killed_writer_left_half_done_is_rolled_back_on_opening(path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], check=False)
    assert path.with_name(path.name + "-journal").stat().st_size > 0
    with open_store(str(path)) as store:
        assert store.results(RUN.id) == [result()]
        assert find_damage(store) == []


def test_a_whole_store_has_no_damages_and_says_what_it_holds(path: Path) -> None:
    with open_store(str(path)) as store:
        assert find_damage(store) == []
        found = store_info(store)
    assert (found.runs, found.unfinished, found.results, found.failed, found.whole) == (1, 1, 1, 0, True)
    assert found.bytes == path.stat().st_size


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("runs", "settings", f"the record of run {RUN.id}"),
        ("cases", "record", "the plan of run"),
        ("cases", "position", "the plan of run"),
        ("environments", "facts", "the environment"),
        ("results", "samples", "the result of case"),
        ("results", "status", "the result of case"),
        ("calibrations", "record", "the calibration of cpu"),
        ("baselines", "saved_at", "the baseline 'main'"),
    ],
)
def test_every_changed_record_is_named(path: Path, table: str, column: str, words: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {table} SET {column} = '9'")
    connection.close()
    with open_store(str(path)) as store:
        [damage] = find_damage(store)
    assert damage.startswith(words)
    assert damage.endswith("is damaged")


def test_results_without_a_plan_or_a_run_are_named(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM cases")
    with open_store(str(path)) as store:
        assert "lacks case" in find_damage(store)[0]
        with pytest.raises(StoreError, match="lacks case"):
            store.results(RUN.id)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM runs")
    connection.close()
    with open_store(str(path)) as store:
        assert any("belongs to no run" in damage for damage in find_damage(store))
        assert f"the baseline 'main' points to run {RUN.id}, which is missing" in find_damage(store)


def test_an_overwritten_page_is_named(path: Path) -> None:
    whole = path.read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    found = 0
    for page in range(1, len(whole) // size):
        path.write_bytes(whole[: page * size] + b"\xa5" * size + whole[(page + 1) * size :])
        try:
            with open_store(str(path)) as store:
                found += bool(find_damage(store))
        except StoreError:
            found += 1
    assert found >= len(whole) // size - 2  # a free or unused page may hold anything


def state(second: int, stored: int = 1) -> RunState:
    return RunState(
        Run(f"{second:016x}", None, "quick", (), f"2026-01-01T00:00:{second:02d}+00:00", "0.1.0"), 1, stored, 0
    )


NOW = datetime.datetime(2026, 1, 1, 0, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("keep", "older_than", "unfinished", "expected"),
    [
        (2, None, False, [0, 2]),
        (2, None, True, [0, 1, 2]),
        (0, None, False, [0, 2, 3, 4]),
        (9, None, True, []),
        (None, 58.5, False, [0]),
        (None, 56.5, True, [0, 1, 2, 3]),
        (3, 56.5, True, [0, 1]),
    ],
)
def test_what_may_go(keep: int | None, older_than: float | None, unfinished: bool, expected: list[int]) -> None:
    states = [state(0), state(1, stored=0), state(2), state(3), state(4)]
    gone = removable(states, keep=keep, older_than=older_than, unfinished=unfinished, now=NOW)
    assert gone == [states[i] for i in expected]


def check_at(when: str, stored: int) -> RunState:
    made = state(0, stored)
    return replace(
        made,
        planned=5,
        run=replace(made.run, started_at=when, settings=RunSettings(check={"side": "head"})),
    )


def test_a_check_may_go_after_a_day_however_much_it_measured_and_is_never_unfinished() -> None:
    old = [check_at("2025-12-30T00:00:00+00:00", stored) for stored in (1, 5, 9)]
    new = [check_at("2026-01-01T00:00:00+00:00", stored) for stored in (1, 5, 9)]
    assert removable([*old, *new], keep=0, older_than=None, unfinished=False, now=NOW) == old
    assert removable([*old, *new], keep=0, older_than=None, unfinished=True, now=NOW) == [*old, *new]
    assert not any(one.unfinished for one in [*old, *new])
    assert state(0, stored=0).unfinished


def test_runs_of_a_time_to_come_stay_and_take_nobodys_place() -> None:
    tomorrow = replace(state(5), run=replace(state(5).run, started_at="2026-01-02T00:00:05+00:00"))
    ahead_by_a_minute = replace(state(6), run=replace(state(6).run, started_at="2026-01-01T00:02:00+00:00"))
    states = [state(0), state(1), ahead_by_a_minute, tomorrow]
    assert removable(states, keep=2, older_than=None, unfinished=False, now=NOW) == [state(0)]
    assert removable(states, keep=0, older_than=None, unfinished=True, now=NOW) == states[:-1]


def test_removing_a_run_leaves_the_others_and_gives_the_space_back(path: Path) -> None:
    with open_store(str(path)) as store:
        large = replace(RUN, id="fedcba9876543210")
        store.add_run(large, [result().case], rounds=1)
        store.add_result(large.id, result(seconds=[1.0] * 100_000))
        before = path.stat().st_size
        remove_runs(store, [large.id])
        assert [one.run for one in store.runs()] == [RUN]
        assert store.results(RUN.id) == [result()]
        assert find_damage(store) == []
    assert path.stat().st_size < before / 2


def test_a_run_that_a_baseline_points_to_stays_until_the_name_moves_on(path: Path) -> None:
    other = replace(RUN, id="fedcba9876543210")
    with open_store(str(path)) as store:
        store.add_run(other, [result().case], rounds=1)
        assert split_by_baseline(store.runs(), store.baselines()) == ([store.state(other.id)], [store.state(RUN.id)])
        with pytest.raises(StoreError):
            remove_runs(store, [RUN.id])  # named by somebody else after this command had looked
        assert store.results(RUN.id) == [result()]
        store.save_baseline("main", other.id)
        remove_runs(store, [RUN.id])
        assert [one.run for one in store.runs()] == [other]
        assert find_damage(store) == []


def test_a_store_is_made_at_once_by_many(tmp_path: Path) -> None:
    code = "import sys; from dctbench.store import open_store; open_store(sys.argv[1], create=True).runs()"
    target = str(tmp_path / "new" / "s.sqlite")
    started = [subprocess.Popen([sys.executable, "-c", code, target]) for _ in range(4)]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0, 0]
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["s.sqlite"]
