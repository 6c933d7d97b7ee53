"""Two stores become one: of shards, of machines, of a local store and the server that was down.

Merging is idempotent and its order does not matter: of two results for one (run, case, round) that which was measured
wins over a failure, a failure over what was left out, and then the earlier; of two starts of one run the earlier; of
two plans for one case that with more rounds; of two runs that one name points to that which it was given to later.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.model import FAILED
from dctbench.store import records, schema
from dctbench.store.contents import Store, one_of
from dctbench.store.engines import batches
from dctbench.store.failures import DamagedError

_MUST_AGREE = ("label", "suite", "dctbench_version", "settings")
Rows = list[Mapping[str, Any]]


@dataclass(slots=True)
class Merged:
    """What a merge did: `results` that were new of all `seen`, `baselines` that were set, and what was left out
    because it is damaged.
    """

    runs: int = 0
    seen: int = 0
    results: int = 0
    baselines: int = 0
    damaged: list[str] = field(default_factory=list)


def merge(sources: Sequence[Store], into: Store) -> Merged:
    """Copy everything whole that `sources` hold and `into` lacks.

    Raises:
        StoreError: naming both runs, before anything is written, when two different runs bear one id; or when a store
            cannot be read or written.
    """
    done = Merged()
    runs = [(source, _whole("runs", source.rows(sa.select(schema.runs)), done)) for source in sources]
    _refuse_conflicts([(into, into.rows(sa.select(schema.runs))), *runs])
    for source, found in runs:
        for run in found:
            try:
                _merge_run(source, into, run, done)
            except DamagedError as error:  # a page that cannot be read; other runs may lie elsewhere
                done.damaged.append(f"run {run['id']}: {error.message}")
            done.runs += 1
        _merge_calibrations(source, into, done)
        _merge_baselines(source, into, done)
    return done


def _refuse_conflicts(stores: Sequence[tuple[Store, Rows]]) -> None:
    known: dict[str, tuple[Store, Mapping[str, Any]]] = {}
    for store, runs in stores:
        for run in runs:
            first, other = known.setdefault(run["id"], (store, run))
            differing = [key for key in _MUST_AGREE if run[key] != other[key]]
            if differing:
                raise StoreError(
                    f"run {run['id']} of {store.name} is not the run {run['id']} of {first.name}: "
                    f"they differ in {' and '.join(differing)}",
                    hint="nothing was written; merge one of them into a store of its own",
                )


def _merge_run(source: Store, into: Store, run: Mapping[str, Any], done: Merged) -> None:
    def found(table: sa.Table) -> Rows:
        # In one order always: of two merges that meet in the same rows, the second waits and none is a deadlock.
        query = sa.select(table).where(table.c.run_id == run["id"]).order_by(*table.primary_key)
        return _whole(table.name, source.rows(query), done)

    cases, environments, results = found(schema.cases), found(schema.environments), found(schema.results)
    planned = {row["case_id"] for row in cases}
    kept = [row for row in results if row["case_id"] in planned]
    with into.writing() as connection:
        connection.execute(earlier(into, schema.runs, ("started_at", "sha256")), run)
        if cases:
            connection.execute(earlier(into, schema.cases, ("rounds", "position", "sha256")), cases)
        if environments:
            connection.execute(earlier(into, schema.environments, ("sha256",)), environments)
    statement = earlier(into, schema.results, ("status", "stored_at", "sha256")).returning(schema.results.c.round)
    for some in batches(kept):
        with into.writing() as connection:
            done.results += len(connection.execute(statement, some).all())
    done.seen += len(kept)


def _merge_calibrations(source: Store, into: Store, done: Merged) -> None:
    """Of two calibrations of one device the later one stays, as when it is measured again."""
    for row in _whole("calibrations", source.rows(sa.select(schema.calibrations)), done):
        ours = records.calibration_of_row(row)
        theirs = into.calibration(row["fingerprint"], row["device"])
        if theirs is None or theirs.measured_at < ours.measured_at:
            into.add_calibration(row["fingerprint"], ours)


def _merge_baselines(source: Store, into: Store, done: Merged) -> None:
    """Of two runs that bear one name the later named stays, as when the name is given again."""
    runs = {row["id"] for row in into.rows(sa.select(schema.runs.c.id))}
    statement = _later(into, schema.baselines, ("saved_at", "sha256")).returning(schema.baselines.c.name)
    for row in _whole("baselines", source.rows(sa.select(schema.baselines)), done):
        if row["run_id"] not in runs:
            done.damaged.append(f"the baseline {row['name']!r}, since its run {row['run_id']} is not there")
            continue
        with into.writing() as connection:
            done.baselines += len(connection.execute(statement, row).all())


def _whole(table: str, rows: Rows, done: Merged) -> Rows:
    whole = []
    for row in rows:
        damage = records.damaged(table, row)
        if damage is None:
            whole.append(row)
        else:
            done.damaged.append(damage)
    return whole


def earlier(into: Store, table: sa.Table, order: Sequence[str]) -> Any:
    """An insert of rows of `table` of which, on a conflict, the one that comes first in that order stays.

    Of `rounds` the larger comes first, of `status` what was measured.
    """
    return _insert(into, table, order, operator.lt)


def _later(into: Store, table: sa.Table, order: Sequence[str]) -> Any:
    """An insert of rows of `table` of which, on a conflict, the one that comes last in that order stays."""
    return _insert(into, table, order, operator.gt)


def _insert(into: Store, table: sa.Table, order: Sequence[str], wins: Callable[[Any, Any], Any]) -> Any:
    statement = into.insert(table)
    theirs, ours = ([_rank(columns[name]) for name in order] for columns in (statement.excluded, table.c))
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={column.name: statement.excluded[column.name] for column in table.columns},
        where=wins(sa.tuple_(*theirs), sa.tuple_(*ours)),
    )


def _rank(column: Any) -> Any:
    if column.name == "rounds":
        return -column
    if column.name != "status":
        return column
    return sa.case((one_of(column, FAILED), 1), (column == "skipped", 2), else_=0)
