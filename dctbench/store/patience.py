"""Waiting for an SQLite file that another process has locked, in a way that a signal can interrupt.

SQLite itself waits in one call for the whole of its timeout, and Python handles no signal meanwhile.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

_T = TypeVar("_T")

SLICE_SECONDS = 0.1
"""How long SQLite itself waits for a lock; between two such waits, Python handles signals."""
_PAUSE_SECONDS = 0.02


class PatientConnection(sqlite3.Connection):
    """A connection that waits for locks of other processes. Open it with `timeout=SLICE_SECONDS`.

    Attributes:
        patience: the seconds after which a statement that waits for a lock fails.
    """

    patience = 0.0

    def cursor(self, factory: type[PatientCursor] | None = None) -> PatientCursor:  # type: ignore[override]
        """Return a cursor whose statements wait."""
        return super().cursor(factory or PatientCursor)

    def execute(self, sql: str, parameters: Any = ()) -> PatientCursor:
        """Execute a statement. The method of the base class would use a cursor of its own."""
        return self.cursor().execute(sql, parameters)

    def commit(self) -> None:
        """Commit; the transaction stays open while other processes read."""
        self.wait(super().commit)

    def wait(self, operation: Callable[[], _T]) -> _T:
        """Return the result of an operation, which is repeated while another process holds the lock that it needs.

        Raises:
            sqlite3.OperationalError: when the lock is not free in time. Also at once, if the other process waits for
                this one in turn: then SQLite does not wait, and this transaction has to be given up.
        """
        deadline = time.monotonic() + self.patience
        while True:
            began = time.monotonic()
            try:
                return operation()
            except sqlite3.OperationalError as error:
                locked = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                now = time.monotonic()
                if not locked or now >= deadline or now - began < SLICE_SECONDS / 2:
                    raise
            time.sleep(_PAUSE_SECONDS)


class PatientCursor(sqlite3.Cursor):
    """A cursor whose statements wait as their connection does."""

    connection: PatientConnection

    def execute(self, sql: str, parameters: Any = ()) -> Self:
        """Execute a statement."""
        self.connection.wait(lambda: super(PatientCursor, self).execute(sql, parameters))
        return self

    def executemany(self, sql: str, parameters: Iterable[Any]) -> Self:
        """Execute a statement for each row. One by one, since a repeated call would insert earlier rows twice."""
        for row in parameters:
            self.execute(sql, row)
        return self
