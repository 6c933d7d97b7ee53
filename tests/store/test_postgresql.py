"""A store on a real PostgreSQL server: it behaves like a file, and no message contains the password."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from dctbench.errors import StoreError, UsageError
from dctbench.importers import pytest_benchmark
from dctbench.model import Result
from dctbench.store import UnreachableError, engines, masked, open_store, results_of_machine, schema
from dctbench.store.checking import find_damage, store_info
from dctbench.store.importing import import_run
from dctbench.store.merging import merge
from dctbench.store.pruning import remove_runs
from tests.support.made import CALIBRATION, ENVIRONMENT, RUN, result
from tests.support.postgresql import PASSWORD, Server

RESULTS = [
    result("sdpa", 512, 1e-3),
    result("dct-x", 512, [1e-3, 2e-3], ratio=4, values={"flops": ("FLOP", 1e9)}),
    result("full", 512, None, status="error", message="nul ,  half a pair and [31m"),
]
RAW = replace(RESULTS[2], message="nul \x00, \ud800 half a pair and \x1b[31m")
"""The last of them as it was measured. Control characters are removed when it is read."""


def fill(location: str) -> None:
    with open_store(location, create=True) as store:
        store.add_run(RUN, [one.case for one in RESULTS], rounds=1)
        store.add_environment(RUN.id, ENVIRONMENT)
        assert store.add_results(RUN.id, [*RESULTS[:2], RAW]) == 3
        store.add_calibration("here", CALIBRATION)
        store.save_baseline("main", RUN.id)


def test_results_are_read_back_once(url: str) -> None:
    fill(url)
    with open_store(url) as store:
        assert store.results(RUN.id) == RESULTS
        assert not store.add_result(RUN.id, result("sdpa", 512, 2e-3))
        assert store.results(RUN.id) == RESULTS
        [state] = store.runs()
        assert (state.run, state.planned, state.stored, state.failed) == (RUN, 3, 3, 1)
        assert store.find_run("latest") == store.find_run(RUN.id[:8]) == store.find_run("main") == state
        assert store.environments(RUN.id) == {ENVIRONMENT.fingerprint: ENVIRONMENT}
        store.add_calibration("here", CALIBRATION)
        assert store.calibration("here") == CALIBRATION
        assert find_damage(store) == []
        assert (store_info(store).results, store_info(store).baselines) == (3, 1)
    assert results_of_machine(url, ENVIRONMENT.fingerprint) == RESULTS


def test_a_retry_replaces_a_failure_and_never_a_measurement(url: str) -> None:
    fill(url)
    again = result("full", 512, 5e-3)
    with open_store(url) as store:
        assert store.add_result(RUN.id, again, retried=True)
        assert not store.add_result(RUN.id, result("full", 512, 6e-3), retried=True)
        assert store.results(RUN.id) == [*RESULTS[:2], again]


def test_merging_there_and_back_is_idempotent(url: str, tmp_path: Path) -> None:
    local, back = str(tmp_path / "local.sqlite"), str(tmp_path / "back.sqlite")
    fill(local)
    with open_store(url, create=True) as server, open_store(local) as source, open_store(back, create=True) as copy:
        first, second = (merge([source], server, baselines=True) for _ in range(2))
        assert (first.results, second.results, second.seen) == (3, 0, 3)
        assert (first.baselines, second.baselines) == (1, 0)
        merge([server], copy, baselines=True)
        assert copy.results(RUN.id) == server.results(RUN.id) == RESULTS
        assert copy.calibration("here") == CALIBRATION
        assert copy.baselines() == server.baselines() == source.baselines() != []


def test_pushes_of_overlapping_stores_at_once_lose_nothing(url: str, tmp_path: Path) -> None:
    results = [result("sdpa", n, [1e-3] * 20, round=round) for n in range(64, 264) for round in (1, 2)]
    runs = [replace(RUN, id=f"{number:016x}") for number in range(3)]
    stores = []
    for number in range(4):
        stores.append(str(tmp_path / f"{number}.sqlite"))
        with open_store(stores[-1], create=True) as local:
            for run in runs[:: -1 if number % 2 else 1]:
                local.add_run(run, list(dict.fromkeys(one.case for one in results)), rounds=2)
                local.add_results(run.id, results[number * 50 :][:: -1 if number % 2 else 1])
    open_store(url, create=True)
    failures: list[Exception] = []

    def push(source: str) -> None:
        try:
            with open_store(source) as local, open_store(url) as server:
                merge([local], server)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=push, args=(source,)) for source in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with open_store(url) as server:
        assert all(sorted(map(key, server.results(run.id))) == sorted(map(key, results)) for run in runs)
        assert find_damage(server) == []


def key(one: Result) -> tuple[int, int]:
    return one.case.seq_len, one.round


@pytest.mark.parametrize("reads", ["results", "merge"])
def test_a_run_that_grows_while_it_is_read_is_not_damaged(url: str, tmp_path: Path, reads: str) -> None:
    fill(url)
    later = result("none", 512, 1e-3)
    with open_store(url) as store, open_store(url) as other, open_store(str(tmp_path / "a"), create=True) as copy:

        @sa.event.listens_for(store.engine, "after_cursor_execute")
        def _grow(connection: object, cursor: object, statement: str, *_: object) -> None:
            if "FROM cases" in statement and "FROM runs" not in statement:
                other.add_run(RUN, [later.case], rounds=1)
                other.add_result(RUN.id, later)

        if reads == "results":
            assert store.results(RUN.id) == RESULTS
        else:
            assert merge([store], copy).damaged == []
            assert copy.results(RUN.id) == RESULTS
        assert len(other.results(RUN.id)) == len(RESULTS) + 1


def test_a_changed_record_is_reported(postgresql: Server, url: str) -> None:
    fill(url)
    postgresql.query("UPDATE results SET record = record || ' ' WHERE status = 'error'", url.rpartition("/")[2])
    with open_store(url) as store:
        [damage] = find_damage(store)
    assert RESULTS[2].case.id in damage


def test_pruning_removes_a_run_with_everything_that_belongs_to_it(url: str) -> None:
    fill(url)
    other = replace(RUN, id="fedcba9876543210")
    with open_store(url) as store:
        with pytest.raises(StoreError, match=f"^run {RUN.id} is kept, since a baseline points there now$"):
            remove_runs(store, [RUN.id])
        assert store.results(RUN.id) == RESULTS
        store.add_run(other, [], rounds=1)
        store.save_baseline("main", other.id)
        remove_runs(store, [RUN.id])
        assert [state.run for state in store.runs()] == [other]
        assert store_info(store).results == 0


def test_nothing_is_added_to_a_run_while_it_is_removed(url: str) -> None:
    with open_store(url, create=True) as store, open_store(url) as measuring:
        store.add_run(RUN, [one.case for one in RESULTS], rounds=1)
        refused: list[StoreError] = []

        def add() -> None:
            try:
                measuring.add_result(RUN.id, RESULTS[0])
            except StoreError as error:
                refused.append(error)

        adding = threading.Thread(target=add)

        @sa.event.listens_for(store.engine, "after_cursor_execute")
        def _add(connection: object, cursor: object, statement: str, *_: object) -> None:
            if statement.startswith("DELETE FROM results"):
                adding.start()
                adding.join(1.0)

        remove_runs(store, [RUN.id])
        adding.join()
        assert store.runs() == []
    [error] = refused
    assert error.hint == "its run was removed, or the store was replaced, during the measurement; measure again"


def test_an_imported_version_fits_its_column(url: str) -> None:
    file = Path(__file__).parents[1] / "importers" / "files" / "pytest-benchmark-5.json"
    document = json.loads(file.read_text(encoding="utf-8")) | {"version": "9.9.9" * 8}
    run, environments, results, _ = pytest_benchmark.parse(json.dumps(document).encode())
    with open_store(url, create=True) as store:
        assert import_run(store, run, environments.values(), results) == (2, 0)
        assert store.state(run.id).run == run


def test_several_processes_can_create_the_tables_at_once(url: str) -> None:
    failures: list[Exception] = []

    def begin() -> None:
        try:
            open_store(url, create=True)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    fill(url)


def test_an_older_store_is_upgraded_and_a_newer_one_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(url)
    extra = schema.Migration(schema.NEWEST + 1, "add a note", ("ALTER TABLE runs ADD COLUMN note TEXT",))
    with monkeypatch.context() as newer:
        newer.setattr(schema, "NEWEST", schema.NEWEST + 1)
        newer.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, extra))
        with open_store(url) as store:
            assert store.results(RUN.id) == RESULTS
    with pytest.raises(StoreError, match="newer dctbench"):
        open_store(url)


def test_a_store_of_the_schema_before_baselines_is_upgraded(postgresql: Server, url: str) -> None:
    fill(url)
    name = url.rpartition("/")[2]
    for statement in (
        "DROP TABLE baselines",
        "DROP TABLE attempts",
        "ALTER TABLE runs DROP COLUMN arrived",  # and its index
        "DELETE FROM dctbench_migrations WHERE number >= 4",
    ):
        postgresql.query(statement, name)
    with open_store(url) as store:
        assert store.results(RUN.id) == RESULTS
        store.save_baseline("main", RUN.id)
        assert store.find_run("main").run == RUN
        with pytest.raises(StoreError):
            store.save_baseline("main", "of no run")


def test_a_database_of_another_program_is_refused_and_unchanged(postgresql: Server, url: str) -> None:
    name = url.rpartition("/")[2]
    postgresql.query("CREATE TABLE runs (theirs int)", name)
    with pytest.raises(StoreError, match="table 'runs' of another program"):
        open_store(url, create=True)
    assert postgresql.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'", name) == [
        (1,)
    ]


def test_reading_creates_no_tables(url: str) -> None:
    assert results_of_machine(url, "f") == []
    with pytest.raises(StoreError, match="there is no store in") as missing:
        open_store(url)
    assert missing.value.hint == "check the URL, or measure something first: dctbench run"


@pytest.mark.parametrize(
    ("change", "words", "unreachable"),
    [
        (lambda url: re.sub(r"bench:[^@]*@", "bench:wrong-s3cret@", url), "authentication failed", False),
        (lambda url: url.replace("/t", "/absent"), "does not exist", False),
        (lambda url: re.sub(r":\d+/", ":1/", url), "Connection refused", True),
    ],
)
def test_a_failure_to_connect_is_one_sentence_without_the_password(
    url: str, change: object, words: str, unreachable: bool
) -> None:
    with pytest.raises(StoreError) as error:
        open_store(change(url), create=True)  # type: ignore[operator]
    assert words in error.value.message
    assert isinstance(error.value, UnreachableError) == unreachable
    assert error.value.hint
    assert "\n" not in error.value.message
    assert "cret" not in error.value.message + error.value.hint


def test_a_server_that_stops_responding_is_unreachable(
    postgresql: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url)
    monkeypatch.setattr(engines, "QUERY_TIMEOUT", 1.0)
    with open_store(url) as store:
        connected = store.engine.connect()  # so that the query waits, and not the connecting
        store.engine.connect = lambda: connected  # type: ignore[method-assign]
        postgresql.freeze()
        try:
            with pytest.raises(UnreachableError):
                store.runs()
        finally:
            postgresql.thaw()


def test_each_query_has_its_own_timeout(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(url)
    monkeypatch.setattr(engines, "QUERY_TIMEOUT", 4.0)
    with open_store(url) as store:
        with store.transaction() as connection:
            for _ in range(4):
                connection.execute(sa.select(sa.func.pg_sleep(1.2)))
            time.sleep(4.4)  # no query was running, so nothing timed out
            connection.execute(sa.select(sa.func.pg_sleep(0.1)))
        with pytest.raises(UnreachableError), store.transaction() as connection:
            connection.execute(sa.select(sa.func.pg_sleep(600)))
        assert store.results(RUN.id) == RESULTS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:***@h/d"),
        ("--store=postgresql://u:p@ss:w/rd@h:5/d", "--store=postgresql://u:***@h:5/d"),
        ("postgresql://u@h/d?password=p&sslmode=require", "postgresql://u@h/d?password=***&sslmode=require"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("results.sqlite", "results.sqlite"),
        ("mysql://:p@h/d", "mysql://:***@h/d"),
    ],
)
def test_passwords_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    "location",
    [f"mysql://u:{PASSWORD}@h/d", f"postgresql://u:{PASSWORD}@x@h/d", f"://u:{PASSWORD}@h", "postgresql://h:x/d"],
)
def test_other_urls_are_refused_without_their_password(location: str) -> None:
    with pytest.raises(UsageError) as error:
        open_store(location, create=True)
    assert "cret" not in f"{error.value} {error.value.hint}"


def test_shards_that_write_to_one_server_are_one_run_there(url: str) -> None:
    cases = [result("sdpa", n).case for n in (64, 128)]
    for number, case in enumerate(cases, 1):
        run = replace(RUN, label="nightly", settings=replace(RUN.settings, shard=f"{number}/2"))
        with open_store(url, create=True) as store:
            store.add_run(run, [case], rounds=1)
            assert store.add_result(RUN.id, result("sdpa", case.seq_len, 1.0))
            [state] = store.runs()
            assert (state.run.settings.shard, state.stored) == (["1/2", None][number - 1], number)
            assert list(find_damage(store)) == []
