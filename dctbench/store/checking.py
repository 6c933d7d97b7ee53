"""Checks of a store: the seal of every record, and SQLite's own check of its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from dctbench.store import decoding, schema
from dctbench.store.contents import Store
from dctbench.store.errors import DamagedError


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A summary of a store: `bytes` on disk, counts of what it holds, and whether the database file is `whole`.

    `whole` comes from a quick check of the file. It does not verify the seals of the records.
    """

    location: str
    bytes: int
    schema: int
    runs: int
    baselines: int
    unfinished: int
    results: int
    failed: int
    whole: bool


def store_info(store: Store) -> StoreInfo:
    """Return what `store info` shows, without reading every record.

    Raises:
        StoreError: when the store cannot be read.
    """
    states = store.runs()
    return StoreInfo(
        location=store.name,
        bytes=_size_in_bytes(store),
        schema=store.rows(sa.select(sa.func.max(schema.migrations.c.number).label("newest")))[0]["newest"],
        runs=len(states),
        baselines=store.rows(sa.select(sa.func.count().label("number")).select_from(schema.baselines))[0]["number"],
        unfinished=sum(state.unfinished for state in states),
        results=sum(state.stored for state in states),
        failed=sum(state.failed for state in states),
        whole=not _sqlite_check(store, "quick_check"),
    )


def find_damage(store: Store) -> list[str]:
    """Check every record and return a description of each damage found.

    Raises:
        StoreError: when the store cannot be read at all.
    """
    found = _sqlite_check(store, "integrity_check")
    for table in (schema.runs, schema.cases, schema.environments, schema.calibrations, schema.baselines):
        found += _damaged_records(store, table, sa.select(table))
    run_id = schema.results.c.run_id
    try:
        # One query per run: the samples of a large store may not fit into memory.
        conditions = [run_id == row["id"] for row in store.rows(sa.select(schema.runs.c.id))]
        found += _unplanned_results(store) + _dangling_baselines(store)
    except DamagedError as error:
        return [*found, error.message]
    # Results without a run are read too. Their run_id may be what is damaged, so they are selected in SQL and not by
    # the value that was read. The subquery uses an index, so no other row is read.
    ids = schema.results.alias().c.run_id
    conditions.append(run_id.in_(sa.select(ids).where(ids.not_in(sa.select(schema.runs.c.id)))))
    for condition in conditions:
        found += _damaged_records(store, schema.results, sa.select(schema.results).where(condition))
    return list(dict.fromkeys(found))


def _damaged_records(store: Store, table: sa.Table, query: sa.Select[tuple[object, ...]]) -> list[str]:
    try:
        rows = store.rows(query)
    except DamagedError as error:
        return [f"{table.name}: {error.message}"]
    return [damage for row in rows if (damage := decoding.damaged(table.name, row)) is not None]


def _unplanned_results(store: Store) -> list[str]:
    """Describe results whose case is missing from the plan of their run. No command would show them."""
    results, cases = schema.results, schema.cases
    planned = sa.and_(cases.c.run_id == results.c.run_id, cases.c.case_id == results.c.case_id)
    query = sa.select(results.c.run_id, results.c.case_id, results.c.round).where(~sa.exists().where(planned))
    return [
        f"the plan of run {row['run_id']} lacks case {row['case_id']}, but the store has its round {row['round']}"
        for row in store.rows(query)
    ]


def _dangling_baselines(store: Store) -> list[str]:
    """Describe baselines that point to a missing run."""
    table, runs = schema.baselines, schema.runs
    query = sa.select(table.c.name, table.c.run_id).where(~sa.exists().where(runs.c.id == table.c.run_id))
    return [
        f"the baseline {row['name']!r} points to run {row['run_id']}, which is missing" for row in store.rows(query)
    ]


def _sqlite_check(store: Store, pragma: str) -> list[str]:
    """Return the problems that SQLite finds in its file; nothing for PostgreSQL, which has its own page checksums."""
    if store.engine.dialect.name != "sqlite":
        return []
    try:
        with store.transaction() as connection:
            messages = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA {pragma}(20)")]
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    except DamagedError as error:
        return [error.message]
    return [f"SQLite: {message}" for message in messages if message != "ok"] + [
        f"a row of {table} belongs to no {parent[:-1]}"
        for table, _, parent, _ in orphans
        if table != schema.baselines.name  # `_dangling_baselines` names each of these
    ]


def _size_in_bytes(store: Store) -> int:
    if store.engine.dialect.name == "sqlite":
        return Path(store.name).stat().st_size
    size = sa.func.pg_database_size(sa.func.current_database()).label("size")
    return int(store.rows(sa.select(size))[0]["size"])
