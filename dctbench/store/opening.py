"""Opening a store: create a missing one, upgrade an older one, refuse a file or database of another program.

A file is never written to before it is known to be a store: SQLite itself would turn an empty file into a database.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import os
import shlex
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import sqlalchemy as sa

from dctbench.errors import StoreError, UsageError
from dctbench.machine.temporary import OwnedFolder
from dctbench.store import schema
from dctbench.store.contents import Store
from dctbench.store.engines import postgresql_engine, sqlite_engine, transaction
from dctbench.store.errors import SALVAGE, DamagedError, MissingError
from dctbench.store.failures import translated
from dctbench.store.location import DEFAULT_STORE, has_keywords, is_url, masked
from dctbench.store.schema_check import check_complete, check_schema, has_own_migrations

_MAGIC = b"SQLite format 3\x00"
_APPLICATION_ID_OFFSET = 68  # https://www.sqlite.org/fileformat.html, 1.3.14
_HEADER_BYTES = 100
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""The first bytes of a rollback journal; also its last ones if it ends with the name of a second file (1.3.3 there)."""
_JOURNAL_ENDINGS = ("-journal", "-wal")
_NEW_STORE = ".dctbench-store-"
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""How file systems without hard links refuse one: FAT, and some that are mounted over a network or by FUSE."""
_RENAME_SECONDS = 10.0
_ADVISORY_LOCK = schema.APPLICATION_ID
_MEASURE = "measure something first: dctbench run"


def open_store(location: str, *, create: bool = False) -> Store:
    """Open the store at a path or a URL.

    Args:
        location: the path of an SQLite file, or `postgresql+psycopg://user@host/database`.
        create: whether to create the store, with its folder or tables, when it does not exist.

    Raises:
        UsageError: when the URL is invalid or names another kind of database, or is a connection string of libpq.
        UnavailableError: when the location is a URL and the extra `postgres` is not installed.
        UnreachableError: when the server cannot be reached.
        MissingError: when the store does not exist and `create` is false.
        StoreError: when it is not a store, was written by a newer version, is damaged, or cannot be read or written.
    """
    if has_keywords(location):  # as a path, it would be the name of a file, and stand in messages
        raise UsageError(
            f"cannot store results in {masked(location)}",
            hint="give a path or a URL, postgresql+psycopg://user@host/database, and the password in ~/.pgpass",
        )
    return _open_url(location, create) if is_url(location) else _open_file(location, create)


def _open_file(location: str, create: bool) -> Store:
    path = Path(location)
    with translated(location):
        exists = path.exists()
    if not exists:
        if not create:
            named = location != DEFAULT_STORE
            hint = f"check the path, or {_MEASURE}" if named else _MEASURE
            raise MissingError(f"there is no store at {location}", hint=hint)
        _create_file(path)
    _check_file(path)
    with translated(location):
        # SQLite follows a link and looks for the journal beside its target. From here on, both look at the same file.
        real = path.resolve(strict=True)
    _refuse_planted_journal(real)
    engine = sqlite_engine(real)
    with translated(location), transaction(engine) as connection:
        try:
            missing = check_schema(connection, location)
        except StoreError:
            if has_own_migrations(connection):  # a newer version may make other tables
                _refuse_newer(location, _newest_migration(connection) or 0)
            raise
        newest = _newest_migration(connection)
        if newest is None:
            raise DamagedError(f"store {location}: its table of migrations holds none")
        if newest == schema.NEWEST:
            check_complete(location, missing)
    _upgrade(engine, location, newest)
    return Store(engine, location)


def _check_file(path: Path) -> None:
    """Refuse a file that is not a store by its first bytes, before SQLite opens it.

    A read-only connection could not do this: it cannot roll back the unfinished transaction of a killed writer.
    """
    name = str(path)
    if path.is_dir():
        raise StoreError(f"{name} is a folder, not a store", hint="give the path of a file: --store results.sqlite")
    if not path.is_file():
        raise StoreError(f"{name} is not a file", hint="give the path of a file: --store results.sqlite")
    with translated(name), path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if not header:
        raise StoreError(
            f"{name} is an empty file, not a store", hint="remove it, or choose another store with --store"
        )
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise StoreError(
            f"store {name}: file is not a database", hint=f"choose another store with --store; if it was one, {SALVAGE}"
        )
    if int.from_bytes(header[_APPLICATION_ID_OFFSET : _APPLICATION_ID_OFFSET + 4], "big") != schema.APPLICATION_ID:
        raise StoreError(f"{name} is a database of another program", hint="choose another store with --store")


def _refuse_planted_journal(path: Path) -> None:
    """Refuse a journal that is no file, and one that names a second file, which SQLite would delete after a rollback.

    SQLite writes such a name for a transaction over several databases. Ours never has more than one, so the journal was
    put there by someone else, and the file that it names may be any file of the user. A named pipe would block.

    Args:
        path: of the store, without links.
    """
    for ending in _JOURNAL_ENDINGS:
        journal = path.with_name(path.name + ending)
        with translated(str(path)):
            try:
                descriptor = os.open(journal, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise _planted(journal, "it is a link") from None
                raise
            try:
                about = os.fstat(descriptor)
                if not stat.S_ISREG(about.st_mode):
                    raise _planted(journal, "it is not a file")
                beginning = about.st_size - len(_JOURNAL_MAGIC)
                if beginning > 0 and os.pread(descriptor, len(_JOURNAL_MAGIC), beginning) == _JOURNAL_MAGIC:
                    raise _planted(journal, "it names a file that SQLite would delete")
            finally:
                os.close(descriptor)


def _planted(journal: Path, reason: str) -> StoreError:
    return StoreError(
        f"{journal} was not written by dctbench: {reason}",
        hint=f"if you trust the store, move the journal away: {_move_away(journal)}",
    )


def _create_file(path: Path) -> None:
    """Create a store in a temporary folder and link it into place, so that no process sees an incomplete one."""
    with translated(str(path)):
        _refuse_orphaned_journal(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.name == ".dctbench" and not path.parent.is_symlink():  # a link may lead into another project
            # "x" follows no link, not even one that leads nowhere.
            with suppress(FileExistsError), (path.parent / ".gitignore").open("x", encoding="ascii") as file:
                file.write("*\n")
        with OwnedFolder(_NEW_STORE, path.parent) as folder:
            fresh = folder.path / path.name
            engine = sqlite_engine(fresh, create=True)
            with engine.begin() as connection:
                _create_tables(connection)
                connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            engine.dispose()
            _put_into_place(fresh, path)


def _put_into_place(fresh: Path, path: Path) -> None:
    """Give a new store its name, unless another process was faster, whose store will do."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename_into_place(fresh, path)


def _rename_into_place(fresh: Path, path: Path) -> None:
    """Do the same without hard links. A rename would replace the store of another process, so one at a time renames."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = monotonic() + _RENAME_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() > deadline:
                    raise
                sleep(0.02)
            except OSError as error:
                raise StoreError(
                    f"{path} cannot be created: its file system has neither hard links nor locks ({error.strerror})",
                    hint="choose a store on a local disk with --store",
                ) from error
        if not os.path.lexists(path):
            fresh.rename(path)
    finally:
        os.close(descriptor)


def try_folder(folder: Path) -> None:
    """Create a store in a folder that exists and remove it again.

    Raises:
        StoreError: when the folder cannot hold a store.
    """
    with translated(str(folder)), OwnedFolder(_NEW_STORE, folder) as inner:
        # In a folder of its own: this process holds the outer one, as another would while it creates a store there.
        _open_file(str(inner.path / "new" / "try.sqlite"), create=True).runs()


def _refuse_orphaned_journal(path: Path) -> None:
    """Refuse a path with the journal of a store that is gone: SQLite would replay it into the new store.

    The journal is not moved away, and the store is looked for again after the journal was found: another process may
    have just created the store and begun to write to it, and the journal may be part of that. Only a journal beside the
    path itself matters, since no store is created at the end of a link.
    """
    for ending in _JOURNAL_ENDINGS:
        journal = path.with_name(path.name + ending)
        try:
            size = journal.stat().st_size
        except FileNotFoundError:
            continue
        if size and not path.exists():
            raise StoreError(
                f"{journal} is left over from a store that is gone and would damage a new one at {path}",
                hint=f"put the store back, or move the file away: {_move_away(journal)}",
            )


def _move_away(journal: Path) -> str:
    return shlex.join(["mv", str(journal), f"{journal}.orphaned"])


def _open_url(location: str, create: bool) -> Store:
    name = masked(location)
    engine = postgresql_engine(location)
    with translated(name), transaction(engine) as connection:
        # When two processes find an empty database, the second waits here and then finds the tables.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        if not sa.inspect(connection).has_table(schema.migrations.name):
            foreign = set(sa.inspect(connection).get_table_names()) & set(schema.metadata.tables)
            if foreign:
                raise StoreError(
                    f"{name} has a table {min(foreign)!r} of another program",
                    hint="use a separate database or schema (?options=-csearch_path%3Dbench)",
                )
            if not create:
                raise MissingError(f"there is no store in {name}", hint=f"check the URL, or {_MEASURE}")
            _create_tables(connection)
        newest = _newest_migration(connection)
    if newest is None:
        raise DamagedError(
            f"store {name}: its table of migrations holds none", hint="restore the database from a backup"
        )
    _upgrade(engine, name, newest)
    return Store(engine, name)


def _create_tables(connection: sa.Connection) -> None:
    schema.metadata.create_all(connection)
    _record_migrations(connection, schema.MIGRATIONS)


def _newest_migration(connection: sa.Connection) -> int | None:
    number = connection.execute(sa.select(sa.func.max(schema.migrations.c.number))).scalar()
    return number if isinstance(number, int) else None


def _refuse_newer(name: str, found: int) -> None:
    if found > schema.NEWEST:
        raise StoreError(
            f"{name} was written by a newer dctbench (schema {found}, this one knows {schema.NEWEST})",
            hint="upgrade dctbench, or choose another store with --store",
        )


def _upgrade(engine: sa.Engine, name: str, found: int) -> None:
    """Refuse a newer store. Upgrade an older one by all missing migrations in one transaction."""
    _refuse_newer(name, found)
    if found == schema.NEWEST:
        return
    with translated(name), transaction(engine) as connection:
        # The update takes the write lock: when two processes upgrade a store, the second finds nothing missing.
        connection.execute(sa.update(schema.migrations).values(number=schema.migrations.c.number))
        missing = [
            migration for migration in schema.MIGRATIONS if migration.number > (_newest_migration(connection) or 0)
        ]
        for migration in missing:
            for statement in migration.statements:
                connection.exec_driver_sql(statement)
            if migration.fill is not None:
                migration.fill(connection)
        if missing:
            _record_migrations(connection, missing)
        if engine.dialect.name == "sqlite":
            check_complete(name, check_schema(connection, name))  # an error here undoes the upgrade


def _record_migrations(connection: sa.Connection, applied: Sequence[schema.Migration]) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    connection.execute(
        sa.insert(schema.migrations), [{"number": m.number, "name": m.name, "applied_at": now} for m in applied]
    )
