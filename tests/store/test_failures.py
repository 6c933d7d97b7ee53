"""What the codes of SQLite, the system and PostgreSQL become: one sentence, the kind of error, and a remedy."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.store.errors import SALVAGE, DamagedError, UnreachableError
from dctbench.store.failures import translated

ELSEWHERE = "choose another store with --store"
FREE_SPACE = "everything stored so far is intact; free some space and try again (a run: dctbench run --resume)"
RUN_REMOVED = "its run was removed, or the store was replaced, during the measurement; measure again"
LOCKED = "another process has locked it; try again when that process is done"
PASSWORD = "check the user and the password; ~/.pgpass can hold the password instead of the URL"
SERVER = "postgresql+psycopg://user@host/database"


def refused(name: str, error: Exception) -> StoreError:
    with pytest.raises(StoreError) as found, translated(name):
        raise error
    assert found.value.__cause__ is error
    return found.value


def of_sqlite(code: int, text: str = "it  failed\n") -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (sqlite3.SQLITE_BUSY, LOCKED),
        (sqlite3.SQLITE_BUSY | 2 << 8, LOCKED),  # an extended code
        (sqlite3.SQLITE_LOCKED, LOCKED),
        (sqlite3.SQLITE_CONSTRAINT, RUN_REMOVED),
        (sqlite3.SQLITE_IOERR, "the disk reported an error; everything stored so far is intact"),
        (sqlite3.SQLITE_READONLY, f"the file or its folder cannot be written; {ELSEWHERE}"),
        (sqlite3.SQLITE_CANTOPEN, f"the file or its folder cannot be opened; {ELSEWHERE}"),
        (sqlite3.SQLITE_ERROR, ELSEWHERE),
    ],
)
def test_a_code_of_sqlite_has_its_remedy(tmp_path: Path, code: int, hint: str) -> None:
    path = tmp_path / "s.sqlite"
    path.touch()
    for error in (of_sqlite(code), sa.exc.OperationalError("SELECT 1", {}, of_sqlite(code))):
        found = refused(str(path), error)
        assert (type(found), found.message, found.hint) == (StoreError, f"store {path}: it failed", hint)


def test_a_file_that_was_moved_away_is_to_be_put_back(tmp_path: Path) -> None:
    found = refused(str(tmp_path / "gone.sqlite"), of_sqlite(sqlite3.SQLITE_CANTOPEN))
    assert found.message.endswith("gone.sqlite: it is no longer there: it was moved or removed while in use")
    assert found.hint == "put it back where it was, then resume: dctbench run --resume"


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        (sqlite3.SQLITE_CORRUPT, "malformed", "malformed"),
        (sqlite3.SQLITE_NOTADB, "no database", "no database"),
        (sqlite3.SQLITE_ERROR, "Could not decode to UTF-8 column", "Could not decode to UTF-8 column"),
        (
            sqlite3.SQLITE_INTERRUPT,
            "interrupted",
            "a query takes longer than an intact file of this size can take",
        ),
    ],
)
def test_a_damaged_file_is_to_be_salvaged(code: int, text: str, said: str) -> None:
    found = refused("s.sqlite", of_sqlite(code, text))
    assert (type(found), found.message, found.hint) == (DamagedError, f"store s.sqlite: {said}", SALVAGE)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, None])
def test_a_full_disk_says_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None) -> None:
    asked: list[Path] = []

    def usage(folder: Path) -> SimpleNamespace:
        asked.append(folder)
        return SimpleNamespace(free=3 * 2**20)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    error = of_sqlite(sqlite3.SQLITE_FULL) if number is None else OSError(number, "no room")
    path = tmp_path / "missing" / "folder" / "s.sqlite"
    found = refused(str(path), error)
    assert (found.message, found.hint) == (f"store {path}: the disk is full (3.00 MiB free)", FREE_SPACE)
    assert asked == [tmp_path]


def test_the_free_space_of_a_server_is_not_known() -> None:
    assert refused(SERVER, OSError(errno.ENOSPC, "no room")).message == f"store {SERVER}: the disk is full"


@pytest.mark.parametrize(
    ("error", "text", "hint"),
    [
        (OSError(errno.EROFS, "read-only"), "read-only", f"the file or its folder cannot be written; {ELSEWHERE}"),
        (OSError(errno.EACCES, "denied"), "denied", f"the file or its folder cannot be opened; {ELSEWHERE}"),
        (OSError(errno.ENOTDIR, "no folder"), "no folder", f"a part of its path is a file; {ELSEWHERE}"),
        (OSError(errno.EIO, "broken"), "broken", ELSEWHERE),
        (OSError("without a number"), "without a number", ELSEWHERE),
    ],
)
def test_a_failure_of_the_file_system_has_its_remedy(error: OSError, text: str, hint: str) -> None:
    found = refused("s.sqlite", error)
    assert (type(found), found.message, found.hint) == (StoreError, f"store s.sqlite: {text}", hint)


class ServerError(Exception):
    """What psycopg raises: the server's code, or None where libpq itself fails."""

    def __init__(self, sqlstate: str | None, text: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "hint"),
    [
        ("23503", RUN_REMOVED),
        ("28000", PASSWORD),
        ("28P01", PASSWORD),
        ("3D000", "create the database first: createdb NAME"),
        ("42501", "the role lacks the permission; let it own the database or its schema"),
        ("53100", FREE_SPACE),
        ("22000", ELSEWHERE),
    ],
)
def test_a_code_of_the_server_has_its_remedy(sqlstate: str, hint: str) -> None:
    error = sa.exc.OperationalError("SELECT 1", {}, ServerError(sqlstate, "it failed"))
    found = refused(SERVER, error)
    assert (type(found), found.message, found.hint) == (StoreError, f"store {SERVER}: it failed", hint)


@pytest.mark.parametrize("sqlstate", ["08006", "08001", "57P01", "57P02", "57P03", "53300"])
def test_a_connection_that_was_cut_is_an_unreachable_server(sqlstate: str) -> None:
    found = refused(SERVER, sa.exc.OperationalError("SELECT 1", {}, ServerError(sqlstate, "it failed")))
    assert (type(found), found.hint) == (UnreachableError, ELSEWHERE)


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        ("FATAL: password Authentication failed", StoreError, PASSWORD),
        ("no password supplied", StoreError, "put the password into ~/.pgpass, PGPASSWORD or the URL"),
        ('database "x" does not exist', StoreError, "create the database first: createdb NAME"),
        ("no pg_hba.conf entry", StoreError, "let the server's pg_hba.conf accept this host and user"),
        ('role "x" does not exist', StoreError, PASSWORD),
        (
            'root certificate file "/x/root.crt" does not exist',
            StoreError,
            "put the certificate there, or choose another sslmode in the URL",
        ),
        ('invalid port number: "99999"', StoreError, ELSEWHERE),
        ('invalid sslmode value: "none"', StoreError, ELSEWHERE),
        ('invalid integer value "x" for connection option "keepalives"', StoreError, ELSEWHERE),
        ('FATAL: invalid value for parameter "client_encoding": "x"', StoreError, ELSEWHERE),
        ('connection to server at "invalid-ci.lan", port 5432 failed: Connection refused', UnreachableError, ELSEWHERE),
        ("failed to resolve host 'invalid'", UnreachableError, ELSEWHERE),
        ("Connection refused", UnreachableError, ELSEWHERE),
    ],
)
def test_a_server_that_responds_and_refuses_is_told_from_one_that_is_down(
    text: str, kind: type[StoreError], hint: str
) -> None:
    for error in (sa.exc.OperationalError, sa.exc.InterfaceError):
        found = refused(SERVER, error("connect", {}, ServerError(None, text)))
        assert (type(found), found.hint) == (kind, hint)


def test_a_mistake_in_a_statement_is_no_matter_of_the_connection() -> None:
    found = refused(SERVER, sa.exc.ProgrammingError("SELECT", {}, ServerError(None, "odd")))
    assert (type(found), found.message, found.hint) == (StoreError, f"store {SERVER}: odd", ELSEWHERE)


def test_what_a_driver_says_is_one_line_without_passwords_and_not_endless() -> None:
    secret = "postgresql://user:secret@host/database"
    found = refused(SERVER, sa.exc.OperationalError("SELECT", {}, ServerError(None, f"a\n  b {secret}")))
    assert found.message.startswith(f"store {SERVER}: a b postgresql://user:***@host")
    assert "secret" not in found.message
    long = refused("s.sqlite", of_sqlite(sqlite3.SQLITE_ERROR, "x" * 1000))
    assert long.message == "store s.sqlite: " + "x" * 300
