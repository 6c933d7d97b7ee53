"""Every failure of a file or a database as one sentence with a remedy."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.store.errors import SALVAGE, DamagedError, UnreachableError
from dctbench.store.location import is_url, masked
from dctbench.text.format import format_size

NOT_UTF8 = "Could not decode"
"""How sqlite3 begins to say that a text is not UTF-8."""
_ELSEWHERE = "name another with --store"
_WHOLE = "everything stored so far is whole: make room and do it again; a run goes on with dctbench run --resume"
_REMEDIES = {
    "no longer there": "put it back where it was, and go on with dctbench run --resume",
    "foreign key": "its run was removed, or the store replaced by another, while it was measured: measure again",
    "disk is full": _WHOLE,
    "no space left": _WHOLE,
    "quota exceeded": _WHOLE,
    "disk i/o": "the disk refused; everything stored so far is whole",
    "readonly": f"the file or its folder cannot be written; {_ELSEWHERE}",
    "read-only": f"the file or its folder cannot be written; {_ELSEWHERE}",
    "unable to open": f"the file or its folder cannot be opened; {_ELSEWHERE}",
    "not a directory": f"a part of its path is a file; {_ELSEWHERE}",
    "not a database": SALVAGE,
    "malformed": SALVAGE,
    NOT_UTF8.lower(): SALVAGE,
    "locked": "another process holds it; try again when that is done",
    "authentication failed": "check user and password; a password may stand in ~/.pgpass instead of the URL",
    "no password supplied": "put the password into ~/.pgpass, PGPASSWORD or the URL",
    "does not exist": "make the database first: createdb NAME",
    "permission denied": "the role may not do that: let it own the database, or its schema",
}
_REFUSED = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf", "invalid")
_NOT_WHOLE = ("malformed", "not a database", NOT_UTF8)
_FULL = ("disk is full", "no space left")
_CUT = {"57P01", "57P02", "57P03", "53300"}  # shutting down, crashed, starting, too many connections


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn failures of the store of that (masked) name into a StoreError.

    Raises:
        UnreachableError: when a server is down or a connection is cut.
        DamagedError: when the file is not a whole database.
        StoreError: for every other failure.
    """
    try:
        yield
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        cause = getattr(error, "orig", None) or error
        text = _explained(name, " ".join(masked(str(cause)).split())[:300])
        raise _kind(error, text)(f"store {name}: {text}", hint=remedy(text)) from error
    except OSError as error:
        text = _explained(name, error.strerror or str(error))
        raise StoreError(f"store {name}: {text}", hint=remedy(text)) from error


def remedy(text: str) -> str:
    """What to do about a failure that is described so."""
    text = text.lower()
    return next((hint for words, hint in _REMEDIES.items() if words in text), _ELSEWHERE)


def _explained(name: str, text: str) -> str:
    """The failure and, where that is the matter, the free bytes of the disk or the file that is gone."""
    if is_url(name):
        return text
    if any(words in text.lower() for words in _FULL):
        return f"the disk is full ({_free(Path(name))} free)"
    if "unable to open" in text.lower() and not Path(name).exists():
        return "it is no longer there: it was moved or removed while in use"
    return text


def _free(path: Path) -> str:
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    return format_size(shutil.disk_usage(folder).free)


def _kind(error: Exception, text: str) -> type[StoreError]:
    if any(words in text for words in _NOT_WHOLE):
        return DamagedError
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if isinstance(error, sqlite3.Error) or isinstance(getattr(error, "orig", None), sqlite3.Error):
        return StoreError
    if state is not None:
        return UnreachableError if state.startswith("08") or state in _CUT else StoreError
    cut = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    return UnreachableError if cut and not any(words in text.lower() for words in _REFUSED) else StoreError
