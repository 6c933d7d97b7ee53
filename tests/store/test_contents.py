"""The contents of a store: results are read back once, complete and in order, and damage is reported."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dctbench.errors import StoreError
from dctbench.model import Case, CaseWarning, Measurement, Result, ResultDetails, Run, Status, WarningCode
from dctbench.store import Store, open_store, results_of_machine
from dctbench.store.decoding import result_of_row
from dctbench.store.records import row_of_result
from tests.support.made import ENVIRONMENT, RUN, result

FLOATS = st.floats(-1e30, 1e30)

TEXT = st.text(max_size=20).filter(str.isprintable)

NAMES = st.text("ab.é ", min_size=1, max_size=5)

WARNINGS = st.builds(CaseWarning, st.just(WarningCode.SPREAD), st.fixed_dictionaries({"spread": FLOATS})) | st.builds(
    CaseWarning, st.just(WarningCode.NO_SHARED_WEIGHTS), st.dictionaries(TEXT, FLOATS, max_size=2)
)

LATENCY = st.builds(Measurement, st.just("latency"), st.just("s"),
                    st.lists(st.floats(1e-10, 1e6), min_size=1, max_size=5).map(tuple))  # fmt: skip

OTHERS = st.builds(Measurement, NAMES, NAMES, st.lists(FLOATS, min_size=1, max_size=5).map(tuple))

RESULTS = st.builds(
    Result,
    case=st.builds(Case, implementation=st.sampled_from(["sdpa", "dct-x"]), seq_len=st.integers(1, 99),
                   ratio=st.none() | st.integers(1, 9) | st.sampled_from([2.5])),
    round=st.integers(1, 3),
    status=st.sampled_from(["ok", "oom", "error"]),
    measurements=st.lists(LATENCY | OTHERS, max_size=3, unique_by=lambda one: one.metric).map(tuple),
    message=st.none() | TEXT,
    warnings=st.lists(st.builds(CaseWarning.text, TEXT) | WARNINGS, max_size=2).map(tuple),
    details=st.dictionaries(
        TEXT, st.none() | TEXT | st.integers(-(10**20), 10**20) | FLOATS, max_size=3
    ).map(ResultDetails.from_json),
    fingerprint=st.text("0123456789abcdef", max_size=16),
    host=TEXT,
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sub" / "results.sqlite"


def new_store(path: Path, *results: Result, run: Run = RUN) -> Store:
    """A store with a run whose plan is the results' cases, and no result yet."""
    store = open_store(str(path), create=True)
    store.add_run(run, list(dict.fromkeys(r.case for r in results)), rounds=1)
    return store


@given(results=st.lists(RESULTS, max_size=8, unique_by=lambda r: (r.case, r.round)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_results_are_read_back_in_the_order_of_the_plan(
    tmp_path_factory: pytest.TempPathFactory, results: list[Result]
) -> None:
    with new_store(tmp_path_factory.mktemp("store") / "s.sqlite", *results) as store:
        for one in results:
            assert store.add_result(RUN.id, one)
        order = {case: i for i, case in enumerate(store.plan(RUN.id)[0])}
        assert store.results(RUN.id) == sorted(results, key=lambda r: (order[r.case], r.round))


def test_a_sentence_stays_the_string_that_an_earlier_version_sealed_and_a_code_is_stored_with_its_values() -> None:
    warnings = (CaseWarning.text("latency: noisy"), CaseWarning(WarningCode.SPREAD, {"spread": 0.5}))
    row = row_of_result(RUN.id, replace(result("sdpa", 64), warnings=warnings))
    assert json.loads(row["record"])["warnings"] == [
        "latency: noisy",
        {"code": "spread", "values": {"spread": 0.5}},
    ]
    assert result_of_row(row, result("sdpa", 64).case).warnings == warnings


def test_a_warning_of_a_later_version_is_read_as_a_sentence() -> None:
    one = result("sdpa", 64)
    row = row_of_result(RUN.id, one)
    record = json.loads(row["record"]) | {"warnings": [{"code": "later", "values": {"x": 1}}]}
    assert result_of_row({**row, "record": json.dumps(record)}, one.case).warnings == (
        CaseWarning.text('later: {"x": 1}'),
    )


def test_a_run_its_plan_and_its_environment_are_read_back_from_disk(path: Path) -> None:
    results = [result("sdpa", 64), result("sdpa", 128)]
    with new_store(path, *results) as store:
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_result(RUN.id, results[0])
    with open_store(str(path)) as store:
        [state] = store.runs()
        assert state.run == RUN
        assert (state.planned, state.stored, state.failed, state.complete) == (2, 1, 0, False)
        assert store.plan(RUN.id) == ([r.case for r in results], 1)
        assert store.environments(RUN.id) == {ENVIRONMENT.fingerprint: ENVIRONMENT}


def test_the_same_result_twice_is_stored_once_and_the_first_stays(path: Path) -> None:
    first, second = result(seconds=1.0), result(seconds=2.0)
    with new_store(path, first) as store:
        assert store.add_result(RUN.id, first)
        assert not store.add_result(RUN.id, second)
        assert store.results(RUN.id) == [first]


@pytest.mark.parametrize(
    ("status", "replaced"),
    [("error", True), ("timeout", True), ("skipped", True), ("oom", False), ("unsupported", False), ("ok", False)],
)
def test_the_first_result_stays_unless_it_failed_and_is_tried_again(path: Path, status: Status, replaced: bool) -> None:
    first = result(seconds=1.0 if status == "ok" else None, status=status, message="why")
    second = result(seconds=2.0)
    with new_store(path, first) as store:
        assert store.add_result(RUN.id, first)
        assert not store.add_result(RUN.id, second)
        assert store.results(RUN.id) == [first]
        assert store.add_result(RUN.id, second, retried=True) is replaced
        assert store.results(RUN.id) == [second if replaced else first]


@pytest.mark.parametrize("column", ["samples", "record", "metrics"])
def test_a_changed_byte_is_reported_with_its_record(path: Path, column: str) -> None:
    with new_store(path, result()) as store:
        store.add_result(RUN.id, result())
    with sqlite3.connect(path) as connection:
        value = connection.execute(f"SELECT {column} FROM results").fetchone()[0]
        changed = (
            bytes([value[0] ^ 1]) + value[1:]
            if isinstance(value, bytes)
            else value[:-3] + chr(ord(value[-3]) ^ 1) + value[-2:]
        )
        assert changed != value
        connection.execute(f"UPDATE results SET {column} = ?", (changed,))
    connection.close()
    with open_store(str(path)) as store, pytest.raises(StoreError, match=f"case {result().case.id}.*is damaged"):
        store.results(RUN.id)


def test_two_writers_on_one_store_lose_nothing(path: Path) -> None:
    results = [result("sdpa", n) for n in range(1, 41)]
    new_store(path, *results)

    def write(half: list[Result]) -> None:
        with open_store(str(path)) as store:
            for one in half:
                store.add_result(RUN.id, one)

    threads = [threading.Thread(target=write, args=(results[i::2],)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_store(str(path)) as store:
        assert store.results(RUN.id) == results


def test_the_results_of_this_machine_are_those_of_its_latest_run(path: Path) -> None:
    with new_store(path, result()) as store:
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_result(RUN.id, result())
    assert results_of_machine(str(path), ENVIRONMENT.fingerprint) == [result()]
    assert results_of_machine(str(path), "elsewhere") == []


def test_a_damaged_result_is_left_out_of_what_only_improves_an_estimate(path: Path) -> None:
    results = [result("sdpa"), result("full")]
    with new_store(path, *results) as store:
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_results(RUN.id, results)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE results SET record = 'x' WHERE case_id = ?", (results[0].case.id,))
        connection.commit()
    assert results_of_machine(str(path), ENVIRONMENT.fingerprint) == [results[1]]
