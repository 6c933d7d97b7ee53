"""Runs are in the order of their arrival in a store: a clock that was wrong decides nothing."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.model import Run
from dctbench.store import open_store, results_of_machine
from dctbench.store.importing import import_run
from dctbench.store.merging import merge
from tests.store.test_schema import FIXTURES
from tests.support.made import ENVIRONMENT, RUN, result


def started(number: int, year: int) -> Run:
    return replace(RUN, id=f"{number:016x}", started_at=f"{year}-01-02T03:04:05.000000+00:00", label=f"{number}")


def store_with(location: str, runs: Sequence[Run]) -> str:
    with open_store(location, create=True) as store:
        for run in runs:
            store.add_run(run, [result().case], rounds=1)
            store.add_environment(run.id, ENVIRONMENT)
            store.add_result(run.id, result("sdpa", 512, float(f"1e-{run.label}")))
    return location


def order(location: str) -> list[str | None]:
    with open_store(location) as store:
        return [state.run.label for state in store.runs()]


@pytest.fixture(params=["file", "server"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "a.sqlite") if request.param == "file" else str(request.getfixturevalue("url"))


def test_the_latest_run_is_the_one_that_arrived_last(target: str) -> None:
    ahead, now = started(1, 2099), started(2, 2026)
    store_with(target, [ahead, now])
    with open_store(target) as store:
        assert store.find_run("latest").run == now
        assert store.find_run("latest~1").run == ahead
        assert store.latest_run_of(ENVIRONMENT.fingerprint) == now.id
        assert store.runs_started_after("2027") == [ahead.id]
    assert results_of_machine(target, ENVIRONMENT.fingerprint) == [result("sdpa", 512, 1e-2)]


def test_a_merged_run_arrives_once_and_stores_keep_their_own_order(target: str, tmp_path: Path) -> None:
    one = store_with(str(tmp_path / "1.sqlite"), [started(1, 2021), started(2, 2099), started(3, 2022)])
    two = store_with(str(tmp_path / "2.sqlite"), [started(4, 2020), started(5, 2023), started(1, 2021)])
    store_with(target, [started(9, 2025), started(5, 2023)])
    with open_store(target) as into, open_store(one) as first, open_store(two) as second:
        merge([first, second], into)
    expected = ["9", "5", "4", "1", "2", "3"]
    assert order(target) == expected
    with open_store(target) as into, open_store(one) as first, open_store(two) as second:
        merge([second, first, first], into)
    assert order(target) == expected


def test_the_order_in_which_stores_are_named_does_not_matter(tmp_path: Path) -> None:
    stores = [
        store_with(str(tmp_path / f"{number}.sqlite"), runs)
        for number, runs in enumerate(
            ([started(1, 2021), started(2, 2024)], [started(3, 2022), started(1, 2021)], [started(4, 2023)])
        )
    ]
    found = set()
    for number, named in enumerate(itertools.permutations(stores)):
        into = str(tmp_path / f"into-{number}.sqlite")
        with open_store(into, create=True) as opened:
            merge([open_store(one) for one in named], opened)
        found.add(tuple(order(into)))
    assert found == {("1", "3", "4", "2")}


def test_an_imported_run_arrives_when_it_is_imported(target: str) -> None:
    store_with(target, [started(1, 2026)])
    for _ in range(2):
        with open_store(target) as store:
            import_run(store, started(2, 2020), [ENVIRONMENT], [result()])
    assert order(target) == ["1", "2"]
    with open_store(target) as store:
        import_run(store, started(1, 2026), [ENVIRONMENT], [result()])
    assert order(target) == ["1", "2"]


def test_runs_of_an_older_store_keep_the_order_of_their_starts(tmp_path: Path) -> None:
    path = str(shutil.copy(FIXTURES / "schema-4.sqlite", tmp_path / "old.sqlite"))
    with closing(sqlite3.connect(path)) as connection:
        starts = connection.execute("SELECT id FROM runs ORDER BY started_at").fetchall()
    store_with(path, [started(7, 1999)])
    with open_store(path) as store:
        assert [(state.run.id,) for state in store.runs()] == [*starts, (started(7, 1999).id,)]
