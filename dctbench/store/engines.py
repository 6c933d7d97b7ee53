"""Connections to SQLite and PostgreSQL, set up so that commits are durable and no query waits forever."""

from __future__ import annotations

import math
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
from dctbench.store.errors import DamagedError
from dctbench.store.failures import NOT_UTF8
from dctbench.store.location import masked
from dctbench.store.patience import SLICE_SECONDS, PatientConnection

BUSY_TIMEOUT = 60.0
"""The seconds to wait for another process that has locked the file."""
QUERY_TIMEOUT = 60.0
"""Seconds after which a server that does not respond counts as unreachable. A frozen or unplugged one never says so."""
HURRY_SECONDS = 0.3
"""How long a command that was interrupted waits for another process or the server."""
_CONNECT = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def sqlite_engine(path: Path, *, create: bool = False) -> sa.Engine:
    """Return an engine for an SQLite file whose acknowledged commits survive a power cut.

    Args:
        path: of the file.
        create: whether SQLite may create it. It would otherwise create an empty file in the place of a missing one.
    """
    # The empty authority is needed: SQLite would take the first folder of a path that begins with // for one.
    uri = f"file://{quote(os.fsencode(path.absolute()))}?mode={'rwc' if create else 'rw'}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=SLICE_SECONDS, factory=PatientConnection)
        connection.patience = BUSY_TIMEOUT
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.NullPool)

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, record: sa.pool.ConnectionPoolEntry) -> None:
        # Before the schema is read: a file from elsewhere must run no function that could do harm, and its pages are
        # checked when they are read.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.isolation_level = None  # sqlite3 would commit before every CREATE and ALTER; _begin does it instead
        # A rollback journal, because WAL has had a corruption bug with two connections. EXTRA instead of FULL syncs the
        # folder after the journal is deleted. Without that, a power cut could restore the journal and undo the commit.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA fullfsync = ON")  # on macOS, fsync alone leaves data in the cache of the drive
        connection.execute("PRAGMA foreign_keys = ON")
        record.info[_ALLOWED] = allowed = _Allowance(path.stat().st_size if path.exists() else 0)
        connection.set_progress_handler(allowed.used_up, _STEPS)

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _renew(connection: sa.Connection, *_: object) -> None:
        connection.info[_ALLOWED].renew()

    @sa.event.listens_for(engine, "handle_error")
    def _interrupted(context: sa.engine.ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            return
        if context.connection is not None and not context.connection.info[_ALLOWED].exceeded:
            raise KeyboardInterrupt  # sqlite3 drops what a signal handler raises while a query calls `used_up`

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN")

    return engine


def hurry(engine: sa.Engine) -> None:
    """From now on, connections to an SQLite file wait only `HURRY_SECONDS` for another process that has locked it.

    The engine stays, and with it the file that was checked: its path was resolved when the store was opened.
    """

    @sa.event.listens_for(engine, "connect", insert=True)
    def _hurry(connection: sqlite3.Connection, record: sa.pool.ConnectionPoolEntry) -> None:
        assert isinstance(connection, PatientConnection)
        connection.patience = HURRY_SECONDS


class _Allowance:
    """What one query may take, in proportion to the size of the file.

    No query of ours visits a row more than a few times. A file that was made for it, with the same page in many places,
    would keep SQLite busy for years, and its rows would not fit into memory. Steps are counted and not seconds, so that
    a slow disk and a long wait for a lock are no reason to give up.

    Attributes:
        rows: how many rows a query may return. A row with its seal takes more than a hundred bytes.
        exceeded: whether the steps of the current query were used up.
    """

    def __init__(self, size: int) -> None:
        self.rows = 10_000 + size // 100
        self._steps = self._left = 20_000_000 + 20 * size
        self.exceeded = False

    def renew(self) -> None:
        """Begin a query."""
        self._left = self._steps

    def used_up(self) -> bool:
        """Count one call of the progress handler and return whether the query has to end."""
        self._left -= _STEPS
        self.exceeded = self._left < 0
        return self.exceeded


_STEPS = 5_000_000
"""How many steps of SQLite's virtual machine lie between two calls of the progress handler: a fraction of a second."""
_ALLOWED = "allowed"
_PATIENCE = "patience"


def postgresql_engine(location: str, *, patience: float | None = None) -> sa.Engine:
    """Return an engine for the PostgreSQL database at a URL.

    Args:
        location: the URL.
        patience: the seconds after which a server that does not respond is unreachable, by default QUERY_TIMEOUT.

    Raises:
        UsageError: when the URL is invalid or names another kind of database.
        UnavailableError: when the extra `postgres` is not installed.
    """
    patience = QUERY_TIMEOUT if patience is None else patience
    example = "postgresql+psycopg://user@host/database"
    try:
        url = sa.make_url(location)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername != "postgresql+psycopg":
            raise UsageError(f"cannot store results in {masked(location)}", hint=f"give a path, or {example}")
        if "@" in (url.host or ""):
            raise UsageError(
                "the password in --store contains an @", hint="write it as %40, or put the password into ~/.pgpass"
            )
        settings = {key: value for key, value in _CONNECT.items() if key not in url.query}
        if patience < settings.get("connect_timeout", 0):
            settings["connect_timeout"] = math.ceil(patience)
        options = {_PATIENCE: patience}
        engine = sa.create_engine(url, connect_args=settings, poolclass=sa.pool.NullPool, execution_options=options)
    except (sa.exc.ArgumentError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"--store {masked(location)} is not the URL of a database", hint=f"give a URL such as {example}"
        ) from error
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "a store on PostgreSQL needs psycopg", hint="install it: pip install 'dctbench[postgres]'"
        ) from error

    @sa.event.listens_for(engine, "do_connect")
    def _connect(dialect: sa.Dialect, record: object, arguments: Sequence[Any], settings: Mapping[str, Any]) -> object:
        from dctbench.store.interruptible import InterruptibleConnection  # noqa: PLC0415  (needs psycopg)

        return InterruptibleConnection.connect(*arguments, **settings)

    return engine


def insert(engine: sa.Engine, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insert in the dialect of that database, which supports `ON CONFLICT`."""
    return postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)


@contextmanager
def transaction(engine: sa.Engine, *, snapshot: bool = False) -> Iterator[sa.Connection]:
    """Open a transaction that is committed at the end of the block, and cut when the server stops responding.

    Args:
        engine: of the database.
        snapshot: whether all queries see the database as it is at the first of them. On SQLite they always do.
    """
    with engine.connect() as connection:
        if snapshot and engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with _query_timeout(connection), connection.begin():
            yield connection


@contextmanager
def _query_timeout(connection: sa.Connection) -> Iterator[None]:
    if connection.dialect.name != "postgresql":
        yield
        return
    watchdog = _Watchdog(connection.connection.fileno(), connection.get_execution_options()[_PATIENCE])
    # Each query has its own timeout, since a transaction may contain thousands. The driver has read all rows by then.
    events = {
        "before_cursor_execute": watchdog.start,
        "after_cursor_execute": watchdog.stop,
        "commit": watchdog.start,
        "rollback": watchdog.start,
    }
    for name, handler in events.items():
        sa.event.listen(connection, name, handler)
    try:
        yield
    finally:
        watchdog.stop()
        for name, handler in events.items():
            sa.event.remove(connection, name, handler)


class _Watchdog:
    """Shuts a socket down unless it is stopped in time, so that the waiting query fails."""

    def __init__(self, descriptor: int, seconds: float) -> None:
        self._descriptor = descriptor
        self._seconds = seconds
        self._timer: threading.Timer | None = None

    def start(self, *_: object) -> None:
        self.stop()
        self._timer = threading.Timer(self._seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def stop(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None

    def _cut(self) -> None:
        with socket.socket(fileno=os.dup(self._descriptor)) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


def rows_of(connection: sa.Connection, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
    """Return the rows of a query, each a mapping from column name to value, even when a text is not valid UTF-8.

    sqlite3 fails the whole query when one text contains an invalid byte. The query is then repeated with such bytes
    replaced, so that only the seal of the affected row fails. Replacing is not the default: it takes a quarter longer.
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
    allowed: _Allowance | None = connection.info.get(_ALLOWED)
    rows = result.all() if allowed is None else result.fetchmany(allowed.rows)
    if allowed is not None and len(rows) == allowed.rows:
        raise DamagedError("a query returns more rows than a file of this size can hold")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def batches(rows: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    """Yield consecutive slices of at most `size` rows."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
