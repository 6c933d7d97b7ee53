"""A file whose schema is not ours is refused by a sentence, before anything in it is read, and is not changed."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.store import open_store
from tests.store.test_schema import FIXTURES, SCHEMAS
from tests.support.made import RUN

ENDLESS = "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more) SELECT"
COPY_OF_RUNS = "CREATE TABLE kept AS SELECT * FROM runs; DROP TABLE runs;"
CHANGES = {
    "a view in place of a table": (
        f"{COPY_OF_RUNS} CREATE VIEW runs AS SELECT * FROM kept",
        "it has a view 'runs'",
    ),
    "a view that never ends": (
        "DROP TABLE dctbench_migrations; CREATE VIEW dctbench_migrations AS "
        f"{ENDLESS} max(n) AS number, '' AS name, '' AS applied_at FROM more",
        "it has a view 'dctbench_migrations'",
    ),
    "another view": ("CREATE VIEW mine AS SELECT id FROM runs", "it has a view 'mine'"),
    "a trigger": (
        "CREATE TRIGGER planted AFTER INSERT ON results BEGIN DELETE FROM results; END",
        "it has a trigger 'planted'",
    ),
    "a trigger on another table": (
        "CREATE TABLE theirs (x); CREATE TRIGGER planted DELETE ON theirs BEGIN SELECT 1; END",
        "it has a trigger 'planted'",
    ),
    "a virtual table": ("CREATE VIRTUAL TABLE theirs USING rtree(a, b, c)", "its table 'theirs' is a virtual one"),
    "another column": ("ALTER TABLE runs ADD COLUMN note TEXT", "its table 'runs' was altered"),
    "a computed column": (
        "ALTER TABLE results DROP COLUMN stored_at; ALTER TABLE results ADD COLUMN stored_at FLOAT AS (1.0)",
        "its table 'results' was altered",
    ),
    "a check": (
        f"{COPY_OF_RUNS} CREATE TABLE runs (id VARCHAR(64) NOT NULL, label TEXT, suite TEXT NOT NULL,"
        " argv TEXT NOT NULL, started_at VARCHAR(40) NOT NULL, dctbench_version VARCHAR(40) NOT NULL,"
        " settings TEXT NOT NULL, sha256 VARCHAR(64) NOT NULL CHECK (length(sha256) < 9), PRIMARY KEY (id))",
        "its table 'runs' was altered",
    ),
    "another index": (
        "CREATE UNIQUE INDEX one_status ON results (status)",
        "it has an index 'one_status' on the table 'results'",
    ),
    "another order of an index": (
        "DROP INDEX results_by_status; CREATE INDEX results_by_status ON results (status, run_id)",
        "its index 'results_by_status' was altered",
    ),
    "no key": (
        "CREATE TABLE kept AS SELECT * FROM baselines; DROP TABLE baselines; CREATE TABLE baselines (name VARCHAR(200)"
        " NOT NULL, run_id VARCHAR(64) NOT NULL, saved_at VARCHAR(40) NOT NULL, sha256 VARCHAR(64) NOT NULL)",
        "its table 'baselines' was altered",
    ),
    "a table less": ("DROP TABLE calibrations", "its table 'calibrations' is missing"),
    "a column less": ("ALTER TABLE results DROP COLUMN stored_at", "its table 'results' lacks a column"),
    "an index less": ("DROP INDEX results_by_status", "its index 'results_by_status' is missing"),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_schema_is_refused_and_the_file_unchanged(store_path: Path, change: str, words: str) -> None:
    with closing(sqlite3.connect(store_path)) as connection:
        connection.executescript(change)
    before = store_path.read_bytes()
    with pytest.raises(StoreError) as refused:
        open_store(str(store_path), create=True)
    assert refused.value.message == f"{store_path} is not a store as dctbench makes it: {words}"
    assert refused.value.hint
    assert store_path.read_bytes() == before
    assert [entry.name for entry in store_path.parent.iterdir()] == [store_path.name]


@pytest.mark.parametrize("number", SCHEMAS[:-1])
def test_a_changed_schema_of_an_earlier_version_is_refused_and_not_upgraded(tmp_path: Path, number: int) -> None:
    path = Path(shutil.copy(FIXTURES / f"schema-{number}.sqlite", tmp_path / "old.sqlite"))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE environments")
    before = path.read_bytes()
    with pytest.raises(StoreError):
        open_store(str(path))
    assert path.read_bytes() == before


def test_plain_tables_of_other_names_may_be_there_and_stay(store_path: Path) -> None:
    with closing(sqlite3.connect(store_path)) as connection:
        connection.executescript(
            "CREATE TABLE lost_and_found (x UNIQUE); CREATE INDEX lost ON lost_and_found (x); ANALYZE"
        )
    with open_store(str(store_path)) as store:
        assert store.find_run().run == RUN
        assert store.baselines()[0].name == "main"
    with closing(sqlite3.connect(store_path)) as connection:
        assert connection.execute("SELECT count(*) FROM lost_and_found").fetchone() == (0,)


def test_a_name_with_escape_sequences_is_shown_without_them(store_path: Path) -> None:
    with closing(sqlite3.connect(store_path)) as connection:
        connection.execute('CREATE VIEW "a\x1b[2Jb" AS SELECT 1')
    with pytest.raises(StoreError) as refused:
        open_store(str(store_path))
    assert "\x1b" not in refused.value.message
