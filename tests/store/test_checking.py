"""Checking a store: every damage is reported, and an intact store has none."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.model import FAILED
from dctbench.store import open_store, schema
from dctbench.store.checking import StoreInfo, find_damage, store_info
from tests.support.made import RUN, result


def test_the_figures_of_a_store_are_its_own(store_path: Path) -> None:
    other = replace(RUN, id="fedcba9876543210")
    with open_store(str(store_path)) as store:
        store.add_run(other, [result("full", 64).case, result("full", 128).case], rounds=1)
        store.add_results(other.id, [result("full", 64, None, status="oom"), result("full", 128, None, status="error")])
        store.save_baseline("release", other.id)
        store.save_baseline("later", other.id)
        assert store_info(store) == StoreInfo(
            location=str(store_path), bytes=store_path.stat().st_size, schema=schema.NEWEST, runs=2, baselines=3,
            unfinished=1, results=3, failed=sum(status in FAILED for status in ("oom", "error")), whole=True,
        )  # fmt: skip


def test_an_intact_store_has_no_damage_and_its_records_are_counted(store_path: Path) -> None:
    with open_store(str(store_path)) as store:
        assert find_damage(store) == []
        found = store_info(store)
    assert (found.runs, found.unfinished, found.results, found.failed, found.whole) == (1, 1, 1, 0, True)
    assert found.bytes == store_path.stat().st_size


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("runs", "settings", f"the record of run {RUN.id}"),
        ("cases", "record", "the plan of case"),
        ("cases", "position", "the plan of case"),
        ("environments", "facts", "the environment"),
        ("results", "samples", "the result of case"),
        ("results", "status", "the result of case"),
        ("calibrations", "record", "the calibration of cpu"),
        ("baselines", "saved_at", "the baseline 'main'"),
    ],
)
def test_every_changed_record_is_reported(store_path: Path, table: str, column: str, words: str) -> None:
    with sqlite3.connect(store_path) as connection:
        connection.execute(f"UPDATE {table} SET {column} = '9'")
    connection.close()
    with open_store(str(store_path)) as store:
        [damage] = find_damage(store)
    assert damage.startswith(words)
    assert damage.endswith("is damaged")


def test_results_without_a_plan_or_a_run_are_reported(store_path: Path) -> None:
    with sqlite3.connect(store_path) as connection:
        connection.execute("DELETE FROM cases")
    with open_store(str(store_path)) as store:
        assert "lacks case" in find_damage(store)[0]
        with pytest.raises(StoreError, match="lacks case"):
            store.results(RUN.id)
    with sqlite3.connect(store_path) as connection:
        connection.execute("DELETE FROM runs")
    connection.close()
    with open_store(str(store_path)) as store:
        assert any("belongs to no run" in damage for damage in find_damage(store))
        assert f"the baseline 'main' points to run {RUN.id}, which is missing" in find_damage(store)


def test_an_overwritten_page_is_reported(store_path: Path) -> None:
    whole = store_path.read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    found = 0
    for page in range(1, len(whole) // size):
        store_path.write_bytes(whole[: page * size] + b"\xa5" * size + whole[(page + 1) * size :])
        try:
            with open_store(str(store_path)) as store:
                found += bool(find_damage(store))
        except StoreError:
            found += 1
    assert found >= len(whole) // size - 2  # a free or unused page may hold anything
