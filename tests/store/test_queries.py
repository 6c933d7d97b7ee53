"""Queries of the store: their number does not grow with what it holds, and each uses an index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dctbench.store import Store, open_store
from dctbench.store.merging import merge
from tests.support.made import ENVIRONMENT, RUN, result

RUNS = [replace(RUN, id=f"{number:016x}", started_at=f"2026-01-02T03:04:{number:02d}+00:00") for number in range(20)]
RESULTS = [result("sdpa", n, 1e-3, round=round) for n in range(64, 74) for round in (1, 2)]


def made(path: Path, runs: int) -> str:
    with open_store(str(path), create=True) as store:
        for run in RUNS[:runs]:
            store.add_run(run, list(dict.fromkeys(one.case for one in RESULTS)), rounds=2)
            store.add_environment(run.id, ENVIRONMENT)
            store.add_results(run.id, RESULTS)
    return str(path)


@contextmanager
def statements(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Collect every statement, with its values, that reaches the database inside the block; `BEGIN` is left out."""
    seen: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        if statement != "BEGIN":
            seen.append((statement, values))

    sa.event.listen(store.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(store.engine, "before_cursor_execute", note)


def read_one(store: Store) -> None:
    run = store.find_run(RUNS[0].id[:16]).run
    store.results(run.id)
    store.plan(run.id)
    store.environments(run.id)


@pytest.mark.parametrize("runs", [1, 20])
def test_reading_a_run_takes_six_statements_whatever_the_store_holds(tmp_path: Path, runs: int) -> None:
    with open_store(made(tmp_path / "a.sqlite", runs)) as store, statements(store) as seen:
        read_one(store)
    assert len(seen) == 6  # its id, its state, its plan and results, its plan, its environments


@pytest.mark.parametrize("runs", [1, 20])
def test_listing_runs_is_one_statement(tmp_path: Path, runs: int) -> None:
    with open_store(made(tmp_path / "a.sqlite", runs)) as store, statements(store) as seen:
        assert len(store.runs()) == runs
    assert len(seen) == 1


def test_the_number_of_statements_of_a_merge_does_not_depend_on_the_number_of_results(tmp_path: Path) -> None:
    source = made(tmp_path / "a.sqlite", 2)
    counts = []
    for number in (2, 3):
        with open_store(str(tmp_path / f"{number}.sqlite"), create=True) as into, open_store(source) as store:
            with statements(into) as written, statements(store) as read:
                merge([store], into)
            counts.append((len(written), len(read)))
    # Target: one query each for the known runs, calibrations and environments; for each run its record, written and
    # then read, plan, environments, and results, read and then written, and their attempts; one query for the
    # baselines. Source: all runs, and the results without a run; for each run its plan, environments and results; the
    # calibrations and baselines.
    assert counts == [(3 + 2 * 7 + 1, 2 + 2 * 3 + 2)] * 2


def test_no_query_scans_all_results(tmp_path: Path) -> None:
    with open_store(made(tmp_path / "a.sqlite", 20)) as store:
        with statements(store) as seen:
            read_one(store)
            store.runs()
            store.latest_run_of(ENVIRONMENT.fingerprint)
            store.calibration(ENVIRONMENT.fingerprint)
        counted = []
        with store.transaction() as connection:
            for statement, values in seen:
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
                assert not [step for step in plan if step.startswith("SCAN results")], (statement, plan)
                counted += [step for step in plan if " results " in f"{step} " and "count(" in statement]
        assert counted
        assert all("COVERING INDEX results_by_status" in step for step in counted), counted
