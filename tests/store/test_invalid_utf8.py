"""A text that is not valid UTF-8 makes its own record unreadable and no other."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.store import open_store
from dctbench.store.checking import find_damage
from dctbench.store.merging import merge
from tests.support.made import ENVIRONMENT, RUN, result

RESULTS = [result("sdpa", n, 1.0, message="naïve — 好") for n in (64, 128, 256)]
LABELLED = replace(RUN, label="before the change")
OTHER = replace(RUN, id="fedcba9876543210")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A store with two runs of three results each."""
    path = str(tmp_path / "a.sqlite")
    with open_store(path, create=True) as store:
        for run in (LABELLED, OTHER):
            store.add_run(run, [one.case for one in RESULTS], rounds=1)
            store.add_environment(run.id, ENVIRONMENT)
            store.add_results(run.id, RESULTS)
        store.save_baseline("main", OTHER.id)
    return path


def spoil(path: str, table: str, column: str) -> None:
    """Put a byte that is invalid in UTF-8 into a text of the first row, as a flipped bit in the file would."""
    with sqlite3.connect(path) as connection:
        text = f"CAST(substr(CAST({column} AS BLOB), 1, 3) || x'ff' || substr(CAST({column} AS BLOB), 5) AS TEXT)"
        connection.execute(f"UPDATE {table} SET {column} = {text} WHERE rowid = (SELECT min(rowid) FROM {table})")
    connection.close()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("results", "record"), ("results", "metrics"), ("results", "case_id"), ("results", "run_id"),
        ("results", "status"), ("results", "sha256"), ("cases", "record"), ("cases", "case_id"), ("runs", "label"),
        ("runs", "argv"), ("runs", "id"), ("environments", "facts"), ("baselines", "name"),
    ],
)  # fmt: skip
def test_one_invalid_byte_is_reported_and_everything_else_is_merged(
    path: str, tmp_path: Path, table: str, column: str
) -> None:
    spoil(path, table, column)
    with open_store(path) as store, open_store(str(tmp_path / "b.sqlite"), create=True) as into:
        found = find_damage(store)
        assert any(text.endswith("is damaged") for text in found)
        done = merge([store], into, baselines=True)
        assert done.damaged
        assert find_damage(into) == []
        assert into.results(OTHER.id) == RESULTS
        lost = {"results": 1, "cases": 1, "runs": 3}.get(table, 0)
        assert (done.seen, done.results, done.left_out) == (6 - lost, 6 - lost, lost)
        assert sum(state.stored for state in into.runs()) == 6 - lost


def test_reading_the_damaged_record_fails_with_its_name(path: str) -> None:
    spoil(path, "results", "record")
    with open_store(path) as store:
        with pytest.raises(StoreError, match=f"case {RESULTS[0].case.id}, round 1 of run {RUN.id} is damaged"):
            store.results(RUN.id)
        assert store.results(OTHER.id) == RESULTS


@pytest.mark.parametrize("wrong", ["'abc'", "x'00ff'", "-1.0", "1.1e303"])
def test_a_result_with_an_invalid_time_of_storing_is_merged_unchanged(path: str, tmp_path: Path, wrong: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE results SET stored_at = {wrong} WHERE rowid = 1")
    connection.close()
    with open_store(path) as store, open_store(str(tmp_path / "b.sqlite"), create=True) as into:
        done = merge([store], into, baselines=True)
        assert (done.results, done.left_out, done.damaged) == (6, 0, [])
        for run in (LABELLED, OTHER):
            assert into.results(run.id) == store.results(run.id) == RESULTS
