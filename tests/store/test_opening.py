"""Opening a store: created once, rolled back after a crash; files of other programs and newer stores are refused."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.store import open_store, results_of_machine
from dctbench.store.checking import find_damage
from tests.store.test_contents import new_store
from tests.support.made import RUN, result

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
    return tmp_path / "sub" / "results.sqlite"


def test_an_unfinished_write_of_a_killed_process_is_rolled_back_on_opening(store_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(store_path)], check=False)
    assert store_path.with_name(store_path.name + "-journal").stat().st_size > 0
    with open_store(str(store_path)) as store:
        assert store.results(RUN.id) == [result()]
        assert find_damage(store) == []


def test_several_processes_can_create_one_store_at_once(tmp_path: Path) -> None:
    code = "import sys; from dctbench.store import open_store; open_store(sys.argv[1], create=True).runs()"
    target = str(tmp_path / "new" / "s.sqlite")
    started = [subprocess.Popen([sys.executable, "-c", code, target]) for _ in range(4)]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0, 0]
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["s.sqlite"]


def test_the_connection_is_set_up_for_durability(path: Path) -> None:
    with new_store(path, result()) as store, store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 3  # EXTRA
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
    assert {p.name for p in path.parent.iterdir()} == {path.name}


def refused(path: Path) -> StoreError:
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError) as error, open_store(str(path), create=True) as store:
        store.runs()
    assert error.value.hint
    assert "\n" not in error.value.message
    assert (path.read_bytes() if path.is_file() else None) == before
    return error.value


def test_files_of_other_programs_are_refused_and_unchanged(tmp_path: Path) -> None:
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
    with new_store(path, result()) as store:
        store.add_result(RUN.id, result())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path)


def test_a_newer_store_is_refused_by_name(path: Path) -> None:
    new_store(path, result())
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO dctbench_migrations VALUES (99, 'from the future', '2030')")
    connection.close()
    assert "newer dctbench (schema 99" in refused(path).message


def test_reading_does_not_create_a_missing_store(path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        open_store(str(path))
    assert not path.exists()
    assert results_of_machine(str(path), "f") == []
