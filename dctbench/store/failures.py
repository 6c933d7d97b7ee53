"""Failures of a file or a database as a StoreError: one sentence and a hint.

The drivers' error codes decide. libpq reports failures of connecting as text only, so these are told apart by it.
"""

from __future__ import annotations

import errno
import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.store.errors import SALVAGE, DamagedError, UnreachableError
from dctbench.store.location import is_url, masked
from dctbench.text.format import format_size

NOT_UTF8 = "Could not decode"
"""How sqlite3's message about a text that is not UTF-8 begins. It has no error code."""
_ELSEWHERE = "choose another store with --store"
_FREE_SPACE = "everything stored so far is intact; free some space and try again (a run: dctbench run --resume)"
_CANNOT_WRITE = f"the file or its folder cannot be written; {_ELSEWHERE}"
_RUN_REMOVED = "its run was removed, or the store was replaced, during the measurement; measure again"

_SQLITE_HINTS: Mapping[int, str] = {
    sqlite3.SQLITE_CONSTRAINT: _RUN_REMOVED,  # the only constraint that our statements can violate: a foreign key
    sqlite3.SQLITE_FULL: _FREE_SPACE,
    sqlite3.SQLITE_IOERR: "the disk reported an error; everything stored so far is intact",
    sqlite3.SQLITE_READONLY: _CANNOT_WRITE,
    sqlite3.SQLITE_CANTOPEN: f"the file or its folder cannot be opened; {_ELSEWHERE}",
    sqlite3.SQLITE_NOTADB: SALVAGE,
    sqlite3.SQLITE_CORRUPT: SALVAGE,
    sqlite3.SQLITE_BUSY: "another process has locked it; try again when that process is done",
    sqlite3.SQLITE_LOCKED: "another process has locked it; try again when that process is done",
}
"""By primary result code, https://www.sqlite.org/rescode.html."""
_FILE_HINTS: Mapping[int, str] = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EROFS: _CANNOT_WRITE,
    errno.EACCES: f"the file or its folder cannot be opened; {_ELSEWHERE}",
    errno.ENOTDIR: f"a part of its path is a file; {_ELSEWHERE}",
}
_NO_DATABASE = "create the database first: createdb NAME"
_WRONG_PASSWORD = "check the user and the password; ~/.pgpass can hold the password instead of the URL"
_POSTGRESQL_HINTS: Mapping[str, str] = {
    "23503": _RUN_REMOVED,
    "28000": _WRONG_PASSWORD,
    "28P01": _WRONG_PASSWORD,
    "3D000": _NO_DATABASE,
    "42501": "the role lacks the permission; let it own the database or its schema",
    "53100": _FREE_SPACE,
}
"""By SQLSTATE."""
_CONNECTING_HINTS: Mapping[str, str] = {
    "authentication failed": _WRONG_PASSWORD,
    "no password supplied": "put the password into ~/.pgpass, PGPASSWORD or the URL",
    'database ".*" does not exist': _NO_DATABASE,
    'role ".*" does not exist': _WRONG_PASSWORD,
    'root certificate file ".*" does not exist': "put the certificate there, or choose another sslmode in the URL",
    "no pg_hba.conf": "let the server's pg_hba.conf accept this host and user",
    r"\binvalid (?:port|connection option|uri|percent-encoded|ssl protocol|\w+ value|value for)\b": _ELSEWHERE,
}
"""By words of libpq, for a server that responds and refuses the connection, and for options that no server gets.

They are regular expressions that match no name of a host, which libpq quotes when a server is down.
"""
_CONNECTION_LOST = {"57P01", "57P02", "57P03", "53300"}  # shutting down, crashed, starting, too many connections


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn failures of the store with that (masked) name into a StoreError.

    Raises:
        UnreachableError: when a server is down or a connection is cut.
        DamagedError: when the file is not an intact database.
        StoreError: for every other failure.
    """
    try:
        yield
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        cause = getattr(error, "orig", None) or error
        text = " ".join(masked(str(cause)).split())[:300]
        if isinstance(cause, sqlite3.Error):
            raise _sqlite_error(name, cause, text) from error
        connecting = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
        raise _server_error(name, getattr(cause, "sqlstate", None), text, connecting) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        text = _disk_is_full(name) if full else error.strerror or str(error)
        hint = _FILE_HINTS.get(error.errno or 0, _ELSEWHERE)
        raise StoreError(f"store {name}: {text}", hint=hint) from error


def _sqlite_error(name: str, error: sqlite3.Error, text: str) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the lowest byte of an extended code is the primary one
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or NOT_UTF8 in text:
        return DamagedError(f"store {name}: {text}")
    if code == sqlite3.SQLITE_INTERRUPT:
        return DamagedError(f"store {name}: a query takes longer than an intact file of this size can take")
    hint = _SQLITE_HINTS.get(code, _ELSEWHERE)
    if code == sqlite3.SQLITE_FULL:
        text = _disk_is_full(name)
    elif code == sqlite3.SQLITE_CANTOPEN and not Path(name).exists():
        text = "it is no longer there: it was moved or removed while in use"
        hint = "put it back where it was, then resume: dctbench run --resume"
    return StoreError(f"store {name}: {text}", hint=hint)


def _server_error(name: str, sqlstate: str | None, text: str, connecting: bool) -> StoreError:
    message = f"store {name}: {text}"
    if sqlstate is not None:
        lost = sqlstate.startswith("08") or sqlstate in _CONNECTION_LOST
        kind = UnreachableError if lost else StoreError
        return kind(message, hint=_POSTGRESQL_HINTS.get(sqlstate, _ELSEWHERE))
    hint = next((hint for words, hint in _CONNECTING_HINTS.items() if re.search(words, text, re.IGNORECASE)), None)
    if connecting and hint is None:
        return UnreachableError(message, hint=_ELSEWHERE)
    return StoreError(message, hint=hint or _ELSEWHERE)


def _disk_is_full(name: str) -> str:
    """Return the message about a full disk. For a store on a server, its free space is not known."""
    if is_url(name):
        return "the disk is full"
    folder = next(parent for parent in Path(name).absolute().parents if parent.is_dir())
    return f"the disk is full ({format_size(shutil.disk_usage(folder).free)} free)"
