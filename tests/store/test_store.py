"""The store: what goes in comes out, once, in order; damage and foreign files are refused and left as they are."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dctbench.errors import StoreError, UsageError
from dctbench.model import Case, CaseWarning, Measurement, Result, ResultDetails, Run, WarningCode
from dctbench.store import Store, clean_label, open_store, results_of_machine, schema
from dctbench.store.records import result_of_row, row_of_result
from tests.support.made import ENVIRONMENT, RUN, result

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(max_size=20)
WARNINGS = st.builds(CaseWarning, st.sampled_from([WarningCode.SPREAD, WarningCode.NO_SHARED_WEIGHTS]),
                     st.dictionaries(TEXT, FLOATS, max_size=2))  # fmt: skip
RESULTS = st.builds(
    Result,
    case=st.builds(Case, implementation=st.sampled_from(["sdpa", "dct-x"]), seq_len=st.integers(1, 99),
                   ratio=st.none() | st.integers(1, 9) | st.sampled_from([2.5])),
    round=st.integers(1, 3),
    status=st.sampled_from(["ok", "oom", "error"]),
    measurements=st.lists(
        st.builds(Measurement, metric=TEXT, unit=TEXT, samples=st.lists(FLOATS, max_size=5).map(tuple)), max_size=3
    ).map(tuple),
    message=st.none() | TEXT,
    warnings=st.lists(st.builds(CaseWarning.text, TEXT) | WARNINGS, max_size=2).map(tuple),
    details=st.dictionaries(TEXT, st.none() | TEXT | st.integers() | FLOATS, max_size=3).map(ResultDetails.from_json),
    fingerprint=TEXT,
    host=TEXT,
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sub" / "results.sqlite"


def begun(path: Path, *results: Result, run: Run = RUN) -> Store:
    """A store with a run whose plan is the results' cases, and no result yet."""
    store = open_store(str(path), create=True)
    store.add_run(run, list(dict.fromkeys(r.case for r in results)), rounds=1)
    return store


@given(results=st.lists(RESULTS, max_size=8, unique_by=lambda r: (r.case, r.round)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_what_goes_in_comes_out_in_the_order_of_the_plan(
    tmp_path_factory: pytest.TempPathFactory, results: list[Result]
) -> None:
    with begun(tmp_path_factory.mktemp("store") / "s.sqlite", *results) as store:
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


def test_a_run_its_plan_and_its_environment_come_back_from_disk(path: Path) -> None:
    results = [result("sdpa", 64), result("sdpa", 128)]
    with begun(path, *results) as store:
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
    with begun(path, first) as store:
        assert store.add_result(RUN.id, first)
        assert not store.add_result(RUN.id, second)
        assert store.results(RUN.id) == [first]


def test_the_files_are_durable_by_setting(path: Path) -> None:
    with begun(path, result()) as store, store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 3  # EXTRA
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
    assert {p.name for p in path.parent.iterdir()} == {path.name}


@pytest.mark.parametrize("column", ["samples", "record", "metrics"])
def test_a_changed_byte_is_found_and_named(path: Path, column: str) -> None:
    with begun(path, result()) as store:
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


def refused(path: Path) -> StoreError:
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError) as error, open_store(str(path), create=True) as store:
        store.runs()
    assert error.value.hint
    assert "\n" not in error.value.message
    assert (path.read_bytes() if path.is_file() else None) == before
    return error.value


def test_files_that_are_not_ours_are_refused_and_left_alone(tmp_path: Path) -> None:
    empty, text, foreign = tmp_path / "empty", tmp_path / "text", tmp_path / "foreign"
    empty.touch()
    text.write_text("not a database " * 100)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    assert "empty" in refused(empty).message
    assert "not a database" in refused(text).message
    assert "another program" in refused(foreign).message
    assert "folder" in refused(tmp_path).message


def test_a_path_may_begin_with_two_slashes(path: Path) -> None:
    with open_store(f"/{path}", create=True) as store:
        store.add_run(RUN, [], rounds=1)
    with open_store(str(path)) as store:
        assert [state.run for state in store.runs()] == [RUN]


def test_a_truncated_store_is_refused(path: Path) -> None:
    with begun(path, result()) as store:
        store.add_result(RUN.id, result())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path)


def test_a_newer_store_is_refused_by_name(path: Path) -> None:
    begun(path, result())
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO dctbench_migrations VALUES (99, 'from the future', '2030')")
    connection.close()
    assert "newer dctbench (schema 99" in refused(path).message


def test_a_missing_store_is_not_made_by_reading(path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        open_store(str(path))
    assert not path.exists()
    assert results_of_machine(str(path), "f") == []


def test_an_older_store_is_brought_up_to_date_in_one_step_or_not_at_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(path, result())
    now = schema.NEWEST
    good = schema.Migration(now + 1, "add a note", ("ALTER TABLE runs ADD COLUMN note TEXT",))
    bad = schema.Migration(now + 2, "broken", ("ALTER TABLE nowhere ADD COLUMN note TEXT",))
    monkeypatch.setattr(schema, "NEWEST", now + 2)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, good, bad))
    with pytest.raises(StoreError, match="nowhere"):
        open_store(str(path))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT max(number) FROM dctbench_migrations").fetchone() == (now,)
    monkeypatch.setattr(schema, "NEWEST", now + 1)
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:-1])
    open_store(str(path))
    columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    connection.close()
    assert "note" in columns


def test_two_writers_on_one_store_lose_nothing(path: Path) -> None:
    results = [result("sdpa", n) for n in range(1, 41)]
    begun(path, *results)

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


def test_references_to_runs(path: Path) -> None:
    def run(id: str, label: str | None, second: int) -> Run:
        return Run(id, label, "quick", (), f"2026-01-01T00:00:{second:02d}+00:00", "0.1.0")

    runs = [run("aaaa1111", "base", 1), run("aaaa2222", "base", 2), run("bbbb3333", None, 3)]
    with begun(path, result(), run=runs[0]) as store:
        for one in runs[1:]:
            store.add_run(one, [result().case], rounds=1)
        found = {ref: store.find_run(ref).run.id for ref in ("latest", "latest~1", "base", "bbbb", "aaaa1111", "aaaa2")}
        assert found == {"latest": "bbbb3333", "latest~1": "aaaa2222", "base": "aaaa2222", "bbbb": "bbbb3333",
                         "aaaa1111": "aaaa1111", "aaaa2": "aaaa2222"}  # fmt: skip
        for bad in ("aaaa", "latest~3", "latest~x", "nothing", "", "latest~" + "9" * 50):
            with pytest.raises(UsageError):
                store.find_run(bad)


def test_labels_lose_control_characters_and_length() -> None:
    assert clean_label("a\x1b[31mb\nc") == "a[31mbc"
    assert len(clean_label("x" * 10_000)) == 200


def test_the_results_of_this_machine_are_those_of_its_latest_run(path: Path) -> None:
    with begun(path, result()) as store:
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_result(RUN.id, result())
    assert results_of_machine(str(path), ENVIRONMENT.fingerprint) == [result()]
    assert results_of_machine(str(path), "elsewhere") == []
