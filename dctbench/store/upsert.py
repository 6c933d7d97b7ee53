"""Inserts that decide which of two rows stays when both have the same primary key."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dctbench.model import FAILED
from dctbench.store import schema
from dctbench.store.contents import Store, forget_attempts, one_of


def insert_keeping_first(store: Store, table: sa.Table, order: Sequence[str]) -> Any:
    """Return an insert that, on a conflict, keeps the row that comes first when ordered by the columns `order`.

    A larger number of `rounds` comes before a smaller one. The `status` of a measurement comes before a failure, and a
    failure before a skipped result. All other columns are in ascending order.
    """
    return _insert(store, table, order, operator.lt)


def insert_keeping_last(store: Store, table: sa.Table, order: Sequence[str]) -> Any:
    """Return an insert that, on a conflict, keeps the row that comes last when ordered by the columns `order`."""
    return _insert(store, table, order, operator.gt)


Key = tuple[Any, ...]
"""The values of the primary key of a row."""


def key_of(table: sa.Table, row: Mapping[Any, Any]) -> Key:
    """Return the primary key of a row."""
    return tuple(row[column.name] for column in table.primary_key)


def insert_better_results(
    store: Store, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]
) -> tuple[set[Key], set[Key]]:
    """Insert results of one run, and let them replace worse ones of the same case and round.

    Two statements, so that the two can be told apart. The attempts at what is inserted are forgotten.

    Args:
        store, connection: to which `rows` go, and a transaction of it.
        rows: of `results`, at least one, all of one run.

    Returns:
        The keys of those that are new, and of those that replaced another.
    """
    table = schema.results
    insert = store.insert(table).on_conflict_do_nothing().returning(*table.primary_key)
    new = {key_of(table, row) for row in connection.execute(insert, rows).mappings()}
    replaced: set[Key] = set()
    if len(new) < len(rows):
        better = insert_keeping_first(store, table, ("status",)).returning(*table.primary_key)
        replaced = {key_of(table, row) for row in connection.execute(better, rows).mappings()}
    inserted = [(row["case_id"], row["round"]) for row in rows if key_of(table, row) in new | replaced]
    if inserted:
        forget_attempts(connection, rows[0]["run_id"], inserted)
    return new, replaced


def _insert(store: Store, table: sa.Table, order: Sequence[str], wins: Callable[[Any, Any], Any]) -> Any:
    statement = store.insert(table)
    incoming, existing = ([_sort_key(columns[name]) for name in order] for columns in (statement.excluded, table.c))
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={column.name: statement.excluded[column.name] for column in table.columns},
        where=wins(sa.tuple_(*incoming), sa.tuple_(*existing)),
    )


_RANKS: Mapping[int, frozenset[str]] = {1: frozenset(FAILED), 2: frozenset({"skipped"})}
"""A measurement, and that a case cannot be measured, have 0."""


def status_rank(status: str) -> int:
    """Return which place a status has when results are ordered by it. 0 is the best."""
    return next((rank for rank, words in _RANKS.items() if status in words), 0)


def _sort_key(column: Any) -> Any:
    if column.name == "rounds":
        return -column
    if column.name != "status":
        return column
    return sa.case(*((one_of(column, words), rank) for rank, words in _RANKS.items()), else_=0)
