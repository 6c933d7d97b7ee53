"""Opening a store: created once, rolled back after a crash; files of other programs and newer stores are refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from dctbench.app.requests import RunRequest
from dctbench.errors import StoreError
from dctbench.store import MissingError, open_store, results_of_machine, schema
from dctbench.store.checking import find_damage
from dctbench.store.errors import SALVAGE
from dctbench.store.opening import try_folder
from tests.store.test_contents import new_store
from tests.support.made import RUN, result
from tests.support.process import OwnProcess

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
    with ExitStack() as stack:
        started = [stack.enter_context(OwnProcess([sys.executable, "-c", code, target], text=True)) for _ in range(4)]
        assert [process.wait(timeout=120) for process in started] == [0, 0, 0, 0]
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["s.sqlite"]


def test_the_connection_is_set_up_for_durability(path: Path) -> None:
    with new_store(path, result()) as store, store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 3  # EXTRA
        assert connection.exec_driver_sql("PRAGMA fullfsync").scalar() == 1  # which only macOS has
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
    short, pipe = tmp_path / "short", tmp_path / "pipe"
    short.write_bytes(foreign.read_bytes()[:99])
    os.mkfifo(pipe)
    a_file, another = "give the path of a file: --store results.sqlite", "choose another store with --store"
    lost = f"{another}; if it was one, {SALVAGE}"
    expected = {
        empty: (f"{empty} is an empty file, not a store", "remove it, or choose another store with --store"),
        text: (f"store {text}: file is not a database", lost),
        short: (f"store {short}: file is not a database", lost),
        foreign: (f"{foreign} is a database of another program", another),
        tmp_path: (f"{tmp_path} is a folder, not a store", a_file),
        pipe: (f"{pipe} is not a file", a_file),
    }
    found = {path: refused(path) for path in expected}
    assert {path: (error.message, error.hint) for path, error in found.items()} == expected


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
    error = refused(path)
    assert error.message == f"{path} was written by a newer dctbench (schema 99, this one knows {schema.NEWEST})"
    assert error.hint == "upgrade dctbench, or choose another store with --store"


NEWER = "INSERT INTO dctbench_migrations VALUES (99, 'from the future', '2030');"
OTHER_TABLES = "ALTER TABLE runs ADD COLUMN note TEXT; CREATE INDEX notes ON runs (note); CREATE VIEW mine AS SELECT 1"


def test_a_newer_store_is_called_newer_although_its_tables_are_others(path: Path) -> None:
    new_store(path, result())
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{NEWER} {OTHER_TABLES}")
    assert refused(path).message.startswith(f"{path} was written by a newer dctbench (schema 99, ")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE dctbench_migrations ADD COLUMN note TEXT",
        "CREATE INDEX planted ON dctbench_migrations (abs(number))",
        "CREATE TRIGGER planted AFTER INSERT ON dctbench_migrations BEGIN DELETE FROM runs; END",
        "ALTER TABLE dctbench_migrations RENAME TO kept; CREATE VIEW dctbench_migrations AS SELECT * FROM kept",
        "DROP TABLE dctbench_migrations",
    ],
)
def test_a_number_in_a_table_that_no_version_makes_is_not_believed(path: Path, change: str) -> None:
    new_store(path, result())
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{NEWER} {OTHER_TABLES}; {change}")
    assert " is not a store as dctbench makes it: " in refused(path).message


def test_a_store_without_a_record_of_its_schema_is_damaged(path: Path) -> None:
    new_store(path, result())
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM dctbench_migrations")
    connection.close()
    assert refused(path).message == f"store {path}: its table of migrations holds none"


def test_a_folder_of_our_own_is_ignored_by_git_and_another_one_is_not(tmp_path: Path) -> None:
    for folder, ignored in ((".dctbench", True), ("results", False)):
        open_store(str(tmp_path / folder / "s.sqlite"), create=True)
        ignore = tmp_path / folder / ".gitignore"
        assert ignore.exists() is ignored
    assert (tmp_path / ".dctbench" / ".gitignore").read_text() == "*\n"
    (tmp_path / ".dctbench" / ".gitignore").write_text("mine\n")
    open_store(str(tmp_path / ".dctbench" / "other.sqlite"), create=True)
    assert (tmp_path / ".dctbench" / ".gitignore").read_text() == "mine\n"


def test_nothing_is_written_through_a_link_that_was_there_before_the_store(tmp_path: Path) -> None:
    project, other = tmp_path / "project", tmp_path / "other"
    (project / ".dctbench").mkdir(parents=True)
    (project / ".dctbench" / ".gitignore").symlink_to(tmp_path / "victim")
    with open_store(str(project / ".dctbench" / "results.sqlite"), create=True) as store:
        assert store.runs() == []
    assert not (tmp_path / "victim").exists()
    other.mkdir()
    (tmp_path / ".dctbench").symlink_to(other)
    with open_store(str(tmp_path / ".dctbench" / "results.sqlite"), create=True) as store:
        assert store.runs() == []
    assert [one.name for one in other.iterdir()] == ["results.sqlite"]


def test_a_folder_that_can_hold_a_store_is_left_as_it_was(tmp_path: Path) -> None:
    try_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match=f"^store {tmp_path}/none: "):
        try_folder(tmp_path / "none")


def test_where_no_store_was_named_a_missing_one_means_that_nothing_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingError) as missing:
        open_store(RunRequest().store)
    assert missing.value.hint == "measure something first: dctbench run"


def test_reading_does_not_create_a_missing_store(path: Path) -> None:
    with pytest.raises(StoreError) as missing:
        open_store(str(path))
    assert missing.value.message == f"there is no store at {path}"
    assert missing.value.hint == "check the path, or measure something first: dctbench run"
    assert not path.exists()
    assert results_of_machine(str(path), "f") == []
