"""Whether the schema of an SQLite file is the one that dctbench makes.

A file may come from someone else. A view in place of a table can return anything and never end, a trigger changes what
is written, and another index can make an insert do nothing. Tables of other names are not read and may be there:
`sqlite3 .recover` makes one.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from dctbench.errors import StoreError
from dctbench.store import schema
from dctbench.text.sanitize import sanitize_text

_HINT = "choose another store with --store; of a store from elsewhere, import an exported JSON file"
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Shape:
    """A table or an index, as SQLite describes it.

    Attributes:
        parts: the columns of a table and its unnamed indexes, or the columns of an index, by name.
        links: the foreign keys.
        words: of its definition. A check, a collation or an expression adds a word.
    """

    parts: Mapping[str, tuple[Any, ...]]
    links: frozenset[tuple[Any, ...]]
    words: frozenset[str]


def check_schema(connection: sa.Connection, name: str) -> str | None:
    """Refuse a file with tables, columns or indexes that dctbench does not make, and with views and triggers.

    Args:
        connection: to the file, in a transaction.
        name: of the store, for the message.

    Returns:
        What it lacks of the newest schema, as `check_complete` needs it; None when it lacks nothing.

    Raises:
        StoreError: naming the first difference.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    expected = _expected(schema.metadata)
    missing = dict.fromkeys(expected, "is missing")
    for kind, identifier, table, sql in _objects(driver):
        shown = f"{kind} {identifier!r}"
        if kind in ("view", "trigger"):
            raise _refusal(name, f"it has a {shown}")
        if kind == "table" and "VIRTUAL" in _words(sql):
            raise _refusal(name, f"its {shown} is a virtual one")
        if table not in schema.metadata.tables or not sql:  # SQLite makes the indexes without SQL itself
            continue
        wanted = expected.get((kind, identifier))
        if wanted is None:
            raise _refusal(name, f"it has an {shown} on the table {table!r}")
        found = _shape(driver, kind, identifier, sql)
        if not _fits(found, wanted):
            raise _refusal(name, f"its {shown} was altered")
        if len(found.parts) == len(wanted.parts):
            del missing[kind, identifier]
        else:
            missing[kind, identifier] = "lacks a column"
    return next((f"its {kind} {identifier!r} {what}" for (kind, identifier), what in missing.items()), None)


def has_own_migrations(connection: sa.Connection) -> bool:
    """Return whether the table of migrations is as every version makes it, with nothing else on it.

    Then its numbers can be read, although `check_schema` has refused the rest of the file.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    name = schema.migrations.name
    on_it = [(kind, identifier, sql) for kind, identifier, table, sql in _objects(driver) if table == name and sql]
    if [(kind, identifier) for kind, identifier, _ in on_it] != [("table", name)]:
        return False
    found, wanted = _shape(driver, "table", name, on_it[0][2]), _expected(schema.metadata)["table", name]
    return _fits(found, wanted) and len(found.parts) == len(wanted.parts)


def check_complete(name: str, missing: str | None) -> None:
    """Refuse a file of the newest schema that lacks a part of it, as `check_schema` returned it.

    Raises:
        StoreError: naming what is missing.
    """
    if missing is not None:
        raise _refusal(name, missing)


def _refusal(name: str, problem: str) -> StoreError:
    return StoreError(f"{name} is not a store as dctbench makes it: {sanitize_text(problem)}", hint=_HINT)


def _fits(found: _Shape, wanted: _Shape) -> bool:
    """Return whether a table or an index is the wanted one, or a part of it."""
    parts = all(wanted.parts.get(part) == about for part, about in found.parts.items())
    return parts and found.words <= wanted.words and found.links == wanted.links


def _objects(driver: sqlite3.Connection) -> list[tuple[str, str, str, str]]:
    rows = driver.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    return [(str(kind), str(name), str(table), str(sql or "")) for kind, name, table, sql in rows]


@lru_cache(maxsize=2)
def _expected(metadata: sa.MetaData) -> Mapping[tuple[str, str], _Shape]:
    """Return the tables and named indexes that the metadata makes in an empty database, by kind and name."""
    dialect = sqlite.dialect()
    driver = sqlite3.connect(":memory:")
    try:
        for table in metadata.sorted_tables:
            driver.execute(str(CreateTable(table).compile(dialect=dialect)))
            for index in table.indexes:
                driver.execute(str(CreateIndex(index).compile(dialect=dialect)))
        return {(kind, name): _shape(driver, kind, name, sql) for kind, name, _, sql in _objects(driver) if sql}
    finally:
        driver.close()


def _shape(driver: sqlite3.Connection, kind: str, name: str, sql: str) -> _Shape:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == "index":
        return _Shape(_columns_of_index(driver, quoted), frozenset(), _words(sql))
    parts: dict[str, tuple[Any, ...]] = {
        column: tuple(about) for _, column, *about in driver.execute(f"PRAGMA table_xinfo({quoted})")
    }
    for _, index, unique, origin, partial in driver.execute(f"PRAGMA index_list({quoted})").fetchall():
        if origin != "c":  # made by a primary key or a UNIQUE of the table
            columns = _columns_of_index(driver, '"' + index.replace('"', '""') + '"')
            parts[f"index {index}"] = (unique, origin, partial, *columns.items())
    links = frozenset(tuple(link[1:]) for link in driver.execute(f"PRAGMA foreign_key_list({quoted})"))
    return _Shape(parts, links, _words(sql))


def _columns_of_index(driver: sqlite3.Connection, quoted: str) -> dict[str, tuple[Any, ...]]:
    rows = driver.execute(f"PRAGMA index_xinfo({quoted})").fetchall()
    return {str(column): (place, *about) for place, _, column, *about in rows}


def _words(sql: str) -> frozenset[str]:
    return frozenset(_WORD.findall(sql.upper()))
