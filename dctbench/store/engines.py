"""Connections to either kind of database, each made so that a commit is durable and no question waits for ever."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dctbench.errors import UnavailableError, UsageError
from dctbench.store.failures import NOT_UTF8
from dctbench.store.location import masked

BUSY_SECONDS = 60.0
ANSWER_SECONDS = 60.0
"""After so long without an answer a server counts as gone: a stopped or unplugged one never says so itself."""
_CONNECT = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def sqlite_engine(path: Path, *, create: bool = False) -> sa.Engine:
    """An engine for an SQLite file whose acknowledged commits survive a power cut.

    Unless it is to be made, a file that is no longer there is an error: SQLite would put an empty one in its place.
    """
    # With an authority that is empty, or the first folder of a path that begins with // would be taken for one.
    uri = f"file://{quote(os.fsencode(path.absolute()))}?mode={'rwc' if create else 'rw'}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.NullPool)

    @sa.event.listens_for(engine, "connect")
    def _durable(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # sqlite3 would commit before every CREATE and ALTER: BEGIN is ours, below
        # A rollback journal, since WAL has had a corruption bug with two connections. EXTRA and not FULL: the folder
        # is synced after the journal is deleted, or a power cut right then would bring it back and undo the commit.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def postgresql_engine(location: str) -> sa.Engine:
    """An engine for the database at a URL.

    Raises:
        UsageError: for a URL that is none, or of another kind of database.
        UnavailableError: without the extra `postgres`.
    """
    example = "postgresql+psycopg://user@host/database"
    try:
        url = sa.make_url(location)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername != "postgresql+psycopg":
            raise UsageError(f"cannot keep results in {masked(location)}", hint=f"name a path, or {example}")
        if "@" in (url.host or ""):
            raise UsageError("the password in --store holds an @", hint="write it as %40, or use ~/.pgpass")
        settings = {key: value for key, value in _CONNECT.items() if key not in url.query}
        return sa.create_engine(url, connect_args=settings, poolclass=sa.pool.NullPool)
    except (sa.exc.ArgumentError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"--store {masked(location)} is no URL of a database", hint=f"such as {example}") from error
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "a store on PostgreSQL needs psycopg", hint="pip install 'dctbench[postgres]'"
        ) from error


def insert(engine: sa.Engine, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that can say what happens on a conflict, in that database's dialect."""
    return postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that is committed at the end, and is cut when a server stops answering."""
    with engine.connect() as connection, _answering(connection), connection.begin():
        yield connection


@contextmanager
def _answering(connection: sa.Connection) -> Iterator[None]:
    if connection.dialect.name != "postgresql":
        yield
        return
    limit = _Limit(connection.connection.fileno())
    # Each question has its own time, since there may be thousands in one transaction; what they find is read by then.
    events = {
        "before_cursor_execute": limit.start,
        "after_cursor_execute": limit.stop,
        "commit": limit.start,
        "rollback": limit.start,
    }
    for name, react in events.items():
        sa.event.listen(connection, name, react)
    try:
        yield
    finally:
        limit.stop()
        for name, react in events.items():
            sa.event.remove(connection, name, react)


class _Limit:
    """Cuts a connection that is not stopped in time, so that whoever waits for it gets an error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._timer: threading.Timer | None = None

    def start(self, *_: object) -> None:
        self.stop()
        self._timer = threading.Timer(ANSWER_SECONDS, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def stop(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None

    def _cut(self) -> None:
        with socket.socket(fileno=os.dup(self._descriptor)) as theirs:
            theirs.shutdown(socket.SHUT_RDWR)


def rows_of(connection: sa.Connection, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
    """All that a query finds, column by name, whatever bytes its texts hold.

    One byte that is not UTF-8 and sqlite3 refuses the text, and with it every row of that query. Then what is left of
    such texts is read, so that only the seal of their own row fails. Not at once so, since it takes a quarter longer.
    """
    try:
        return _rows(connection, query)
    except sa.exc.OperationalError as error:
        if NOT_UTF8 not in str(error.orig):
            raise
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.text_factory = lambda data: data.decode("utf-8", "replace")
    return _rows(connection, query)


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
    result = connection.execute(query)
    keys = list(result.keys())
    return [dict(zip(keys, row, strict=True)) for row in result.all()]


def batches(rows: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    """Consecutive slices of at most `size`."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
