"""Is everything in a store what was written? Every record's seal, and what the database says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from dctbench.store import records, schema
from dctbench.store.contents import Store
from dctbench.store.errors import DamagedError


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store at a glance: `bytes` on disk, counts, and whether the file is a whole database (records unread)."""

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
    """What `store info` shows, without reading every record.

    Raises:
        StoreError: when it cannot be read.
    """
    states = store.runs()
    return StoreInfo(
        location=store.name,
        bytes=_bytes(store),
        schema=store.rows(sa.select(sa.func.max(schema.migrations.c.number).label("newest")))[0]["newest"],
        runs=len(states),
        baselines=store.rows(sa.select(sa.func.count().label("number")).select_from(schema.baselines))[0]["number"],
        unfinished=sum(state.unfinished for state in states),
        results=sum(state.stored for state in states),
        failed=sum(state.failed for state in states),
        whole=not _of_the_database(store, "quick_check"),
    )


def find_damage(store: Store) -> list[str]:
    """Every damage found, in words; none in a whole store.

    Raises:
        StoreError: when it cannot be read at all.
    """
    found = _of_the_database(store, "integrity_check")
    for table in (schema.runs, schema.cases, schema.environments, schema.calibrations, schema.baselines):
        found += _of_records(store, table, sa.select(table))
    # Run by run: all samples of a large store need not fit into memory.
    of = schema.results.c.run_id
    try:
        parts = [of == row["id"] for row in store.rows(sa.select(schema.runs.c.id))]
        found += _of_plans(store) + _of_baselines(store)
    except DamagedError as error:
        return [*found, error.message]
    # And those of no run, whose id may be what is damaged: the id that was read need not find its row again.
    ids = schema.results.alias().c.run_id  # which an index has, so that no other row is read for this
    for part in (*parts, of.in_(sa.select(ids).where(ids.not_in(sa.select(schema.runs.c.id))))):
        found += _of_records(store, schema.results, sa.select(schema.results).where(part))
    return list(dict.fromkeys(found))


def _of_records(store: Store, table: sa.Table, query: sa.Select[tuple[object, ...]]) -> list[str]:
    try:
        rows = store.rows(query)
    except DamagedError as error:
        return [f"{table.name}: {error.message}"]
    return [damage for row in rows if (damage := records.damaged(table.name, row)) is not None]


def _of_plans(store: Store) -> list[str]:
    """Results without a case in their run's plan, which nothing would show."""
    results, cases = schema.results, schema.cases
    planned = sa.and_(cases.c.run_id == results.c.run_id, cases.c.case_id == results.c.case_id)
    query = sa.select(results.c.run_id, results.c.case_id, results.c.round).where(~sa.exists().where(planned))
    return [
        f"the plan of run {row['run_id']} lacks case {row['case_id']}, of which round {row['round']} is stored"
        for row in store.rows(query)
    ]


def _of_baselines(store: Store) -> list[str]:
    """Names that point to no run."""
    table, runs = schema.baselines, schema.runs
    query = sa.select(table.c.name, table.c.run_id).where(~sa.exists().where(runs.c.id == table.c.run_id))
    return [
        f"the baseline {row['name']!r} points to run {row['run_id']}, which is not there" for row in store.rows(query)
    ]


def _of_the_database(store: Store, pragma: str) -> list[str]:
    """What SQLite says of its file; PostgreSQL has no such question (its pages have checksums of their own)."""
    if store.engine.dialect.name != "sqlite":
        return []
    try:
        with store.transaction() as connection:
            said = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA {pragma}(20)")]
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    except DamagedError as error:
        return [error.message]
    return [f"SQLite: {text}" for text in said if text != "ok"] + [
        f"a row of {table} belongs to no {parent[:-1]}"
        for table, _, parent, _ in orphans
        if table != schema.baselines.name  # these are named one by one
    ]


def _bytes(store: Store) -> int:
    if store.engine.dialect.name == "sqlite":
        return Path(store.name).stat().st_size
    size = sa.func.pg_database_size(sa.func.current_database()).label("size")
    return int(store.rows(sa.select(size))[0]["size"])
