"""A connection to PostgreSQL that ends at once when a signal interrupts a query."""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen

_T = TypeVar("_T")
_LOOK_SECONDS = 0.1


class InterruptibleConnection(psycopg.Connection[Any]):
    """A connection that is closed when a query is interrupted.

    psycopg would first ask the server to cancel the query, and wait for ten seconds if the server does not respond. A
    server rolls the transaction of a closed connection back.
    """

    def wait(self, gen: PQGen[_T], interval: float = _LOOK_SECONDS, *further: Any, **named: Any) -> _T:
        """Wait for a query, as the method that this replaces. What else it takes depends on the version of psycopg."""
        try:
            return waiting.wait(gen, self.pgconn.socket, interval, *further, **named)
        except KeyboardInterrupt:
            self.pgconn.finish()
            raise
