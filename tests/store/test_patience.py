"""Waiting for an SQLite file that another process has locked."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dctbench.store import open_store
from dctbench.store.engines import HURRY_SECONDS
from dctbench.store.patience import SLICE_SECONDS, PatientConnection
from tests.support.made import RUN


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
    return tmp_path / "s.sqlite"


def patient(path: Path, patience: float) -> PatientConnection:
    connection = sqlite3.connect(path, timeout=SLICE_SECONDS, factory=PatientConnection, isolation_level=None)
    connection.patience = patience
    return connection


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield connection


def test_a_statement_waits_longer_than_sqlite_itself_until_the_lock_is_free(
    path: Path, other: sqlite3.Connection
) -> None:
    free = threading.Timer(5 * SLICE_SECONDS, other.rollback)
    free.start()
    with closing(patient(path, 600)) as connection:
        connection.cursor().executemany("INSERT INTO numbers VALUES (?)", ((n,) for n in range(3)))
        assert connection.execute("SELECT n FROM numbers").fetchall() == [(0,), (1,), (2,)]
    free.join()


def test_a_commit_waits_for_readers_and_happens_once(path: Path) -> None:
    with closing(patient(path, 600)) as writer, closing(sqlite3.connect(path, check_same_thread=False)) as reader:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO numbers VALUES (1)")
        reader.isolation_level = None
        reader.execute("BEGIN")
        assert reader.execute("SELECT n FROM numbers").fetchall() == []
        done = threading.Timer(5 * SLICE_SECONDS, reader.rollback)
        done.start()
        writer.commit()
        done.join()
        assert reader.execute("SELECT n FROM numbers").fetchall() == [(1,)]


def test_after_its_patience_a_statement_fails_as_locked(path: Path, other: sqlite3.Connection) -> None:
    with closing(patient(path, 2 * SLICE_SECONDS)) as connection:
        began = time.monotonic()
        with pytest.raises(sqlite3.OperationalError) as raised:
            connection.execute("INSERT INTO numbers VALUES (1)")
        assert time.monotonic() - began >= 2 * SLICE_SECONDS
    assert raised.value.sqlite_errorcode == sqlite3.SQLITE_BUSY


def test_two_transactions_that_wait_for_each_other_do_not_wait_for_the_whole_patience(path: Path) -> None:
    with closing(patient(path, 3600)) as one, closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as two:
        for connection in (one, two):
            connection.execute("BEGIN")
            connection.execute("SELECT n FROM numbers").fetchall()
        two.execute("INSERT INTO numbers VALUES (2)")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            two.commit()  # it waits for the reader, which no longer gets a lock to write
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            one.execute("INSERT INTO numbers VALUES (1)")


def test_other_errors_are_raised_at_once(path: Path) -> None:
    with (
        closing(patient(path, 3600)) as connection,
        pytest.raises(sqlite3.OperationalError, match="no such table: absent"),
    ):
        connection.execute("SELECT * FROM absent")


def test_a_store_in_a_hurry_waits_a_short_time_for_the_file_that_it_opened(tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        with open_store(str(tmp_path / name), create=True):
            pass
    link = tmp_path / "link"
    link.symlink_to("mine")
    with open_store(str(link)) as store:
        store.hurry()
        link.unlink()
        link.symlink_to("theirs")  # its journal was not looked at
        store.add_run(RUN, [], rounds=1)
        with store.engine.connect() as connection:
            own: Any = connection.connection.dbapi_connection
            assert own.patience == HURRY_SECONDS
    with open_store(str(tmp_path / "mine")) as mine, open_store(str(tmp_path / "theirs")) as theirs:
        assert [state.run for state in mine.runs()] == [RUN]
        assert theirs.runs() == []
