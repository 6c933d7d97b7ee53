"""Opening a store: made whole where there is none, brought up to date where it is older, refused where it is not ours.

Nothing that is not known to be ours is ever written to, not even by SQLite, which would adopt an empty file.
"""

from __future__ import annotations

import datetime
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.store import schema
from dctbench.store.contents import Store
from dctbench.store.engines import postgresql_engine, sqlite_engine, transaction
from dctbench.store.errors import DamagedError, MissingError
from dctbench.store.failures import translated
from dctbench.store.location import is_url, masked

_MAGIC = b"SQLite format 3\x00"
_APPLICATION_ID_AT = 68  # https://www.sqlite.org/fileformat.html, 1.3.14
_HEADER = 100
_UNFINISHED = ("-journal", "-wal")
_ADVISORY_LOCK = schema.APPLICATION_ID


def open_store(location: str, *, create: bool = False) -> Store:
    """The store at a path or a URL.

    Args:
        location: a path of an SQLite file, or `postgresql+psycopg://user@host/database`.
        create: make it, with its folder or tables, when it does not exist.

    Raises:
        UsageError: for a URL of another kind of database.
        UnavailableError: for a URL of PostgreSQL without the extra `postgres`.
        UnreachableError: when the server cannot be reached.
        MissingError: when it does not exist and is not to be made.
        StoreError: when it is not a store of ours, newer than this version, damaged,
            or cannot be read or written.
    """
    return _open_url(location, create) if is_url(location) else _open_file(location, create)


def _open_file(location: str, create: bool) -> Store:
    path = Path(location)
    with translated(location):
        found = path.exists()
    if not found:
        if not create:
            raise MissingError(f"there is no store at {location}", hint="measure something first: dctbench run")
        _create_file(path)
    _look_at(path)
    engine = sqlite_engine(path)
    with translated(location), engine.connect() as connection:
        newest = _newest(connection)
    if newest is None:
        raise DamagedError(f"store {location}: no migration is recorded in it")
    _bring_up_to_date(engine, location, newest)
    return Store(engine, location)


def _look_at(path: Path) -> None:
    """Refuse what is not ours by its first bytes, before SQLite opens it.

    Not by a read-only connection: that could not roll back what a killed writer left half done.
    """
    name = str(path)
    if path.is_dir():
        raise StoreError(f"{name} is a folder, not a store", hint="name a file: --store results.sqlite")
    if not path.is_file():
        raise StoreError(f"{name} is not a file", hint="name a file: --store results.sqlite")
    with translated(name), path.open("rb") as file:
        header = file.read(_HEADER)
    if not header:
        raise StoreError(f"{name} is an empty file, not a store", hint="remove it, or name another with --store")
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise StoreError(f"store {name}: file is not a database", hint="name another with --store")
    if int.from_bytes(header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4], "big") != schema.APPLICATION_ID:
        raise StoreError(f"{name} is a database of another program", hint="name another with --store")


def _create_file(path: Path) -> None:
    """Make a whole store beside the path and link it there, so that nobody ever sees half of one."""
    with translated(str(path)):
        _refuse_leftovers(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.name == ".dctbench" and not (path.parent / ".gitignore").exists():
            (path.parent / ".gitignore").write_text("*\n", encoding="ascii")
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-store-", ignore_cleanup_errors=True) as folder:
            fresh = Path(folder) / path.name
            engine = sqlite_engine(fresh, create=True)
            with engine.begin() as connection:
                _create_tables(connection)
                connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            engine.dispose()
            try:
                os.link(fresh, path)
            except FileExistsError:  # another run was faster: its store is as good as ours
                return


def _refuse_leftovers(path: Path) -> None:
    """Refuse a place where SQLite would play the unfinished writing of a store that is gone into the new one.

    They are not moved away here: a process that has just made the store may have begun to write to it, and the file
    be its own. That is also why the store is looked for again, after the file was seen.
    """
    for ending in _UNFINISHED:
        left = path.with_name(path.name + ending)
        try:
            size = left.stat().st_size
        except FileNotFoundError:
            continue
        if size and not path.exists():
            move = shlex.join(["mv", str(left), f"{left}.orphaned"])
            raise StoreError(
                f"{left} is left over from a store that is gone, and would damage a new one at {path}",
                hint=f"put that store back where it was, or move the file away: {move}",
            )


def _open_url(location: str, create: bool) -> Store:
    name = masked(location)
    engine = postgresql_engine(location)
    with translated(name), transaction(engine) as connection:
        # Of two processes that find an empty database, the second waits here and then finds it made.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        if not sa.inspect(connection).has_table(schema.migrations.name):
            theirs = set(sa.inspect(connection).get_table_names()) & set(schema.metadata.tables)
            if theirs:
                raise StoreError(
                    f"{name} has a table {min(theirs)!r} of another program",
                    hint="use a database, or a schema (?options=-csearch_path%3Dbench), of its own",
                )
            if not create:
                raise MissingError(f"there is no store in {name}", hint="measure something first: dctbench run")
            _create_tables(connection)
        newest = _newest(connection)
    if newest is None:
        raise DamagedError(f"store {name}: no migration is recorded in it", hint="restore the database from a copy")
    _bring_up_to_date(engine, name, newest)
    return Store(engine, name)


def _create_tables(connection: sa.Connection) -> None:
    schema.metadata.create_all(connection)
    _record(connection, schema.MIGRATIONS)


def _newest(connection: sa.Connection) -> int | None:
    number: int | None = connection.execute(sa.select(sa.func.max(schema.migrations.c.number))).scalar()
    return number


def _bring_up_to_date(engine: sa.Engine, name: str, found: int) -> None:
    """Refuse a newer store; upgrade an older one by all of the missing steps, or none of them."""
    if found > schema.NEWEST:
        raise StoreError(
            f"{name} was written by a newer dctbench (schema {found}, this one knows {schema.NEWEST})",
            hint="upgrade dctbench, or name another store with --store",
        )
    if found == schema.NEWEST:
        return
    with translated(name), transaction(engine) as connection:
        # Writing first takes the lock: of two processes that found an old store, the second finds nothing missing.
        connection.execute(sa.update(schema.migrations).values(number=schema.migrations.c.number))
        missing = [m for m in schema.MIGRATIONS if m.number > (_newest(connection) or 0)]
        for migration in missing:
            for statement in migration.statements:
                connection.exec_driver_sql(statement)
            if migration.fill is not None:
                migration.fill(connection)
        if missing:
            _record(connection, missing)


def _record(connection: sa.Connection, applied: Sequence[schema.Migration]) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    connection.execute(
        sa.insert(schema.migrations), [{"number": m.number, "name": m.name, "applied_at": now} for m in applied]
    )
