"""Two stores become one: of shards, of machines, of a local store and the server that was down.

Merging is idempotent and its order does not matter: of two results for one (run, case, round) that which was measured
wins over a failure, a failure over what was left out, and then the earlier; of two starts of one run the earlier; of
two plans for one case that with more rounds; of two runs that one name points to that which it was given to later.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.model import FAILED
from dctbench.store import records, schema
from dctbench.store.contents import Store, one_of
from dctbench.store.engines import batches, rows_of
from dctbench.store.errors import DamagedError
from dctbench.text.format import pluralize
from dctbench.text.sanitize import sanitize_text

_MUST_AGREE = ("label", "suite", "dctbench_version", "settings")
Rows = list[Mapping[str, Any]]
Damaged = list[tuple[Mapping[str, Any], str]]


@dataclass(slots=True)
class MergeSummary:
    """What a merge did: `results` that were new of all `seen`, those that took the place of worse ones (`replaced`),
    `baselines` that were set, and what was `damaged` and cost `left_out` results.

    Each result is either seen or left out, but for those of runs that cannot even be counted.
    """

    runs: int = 0
    seen: int = 0
    results: int = 0
    replaced: int = 0
    baselines: int = 0
    left_out: int = 0
    damaged: list[str] = field(default_factory=list)


def merge(sources: Sequence[Store], into: Store) -> MergeSummary:
    """Copy everything whole that `sources` hold and `into` lacks.

    Raises:
        StoreError: naming both runs, before anything is written, when two different runs bear one id; or when a store
            cannot be read or written.
    """
    done = MergeSummary()
    runs = [(source, _runs(source, done)) for source in sources]
    _refuse_conflicts([(into, into.rows(sa.select(schema.runs))), *runs])
    for source, found in runs:
        for run in found:
            _merge_run(source, into, run, done)
        with _readable("calibrations", done):
            _merge_calibrations(source, into, done)
        with _readable("baselines", done):
            _merge_baselines(source, into, done)
    return done


def _runs(source: Store, done: MergeSummary) -> Rows:
    """The whole runs; every other is named with the number of its results, which are left out with it."""
    whole, damaged = _parted("runs", source.rows(sa.select(schema.runs)))
    for run, _ in damaged:
        _leave_run_out(run["id"], _number(source, run["id"]), "whose record is damaged", done)
    results, runs = schema.results, schema.runs
    query = (
        sa.select(results.c.run_id, sa.func.count().label("number"))
        .where(results.c.run_id.not_in(sa.select(runs.c.id)))
        .group_by(results.c.run_id)
    )
    with _readable("results of runs that are missing", done):
        for row in source.rows(query):
            _leave_run_out(row["run_id"], row["number"], "whose record is missing", done)
    return whole


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


def _merge_run(source: Store, into: Store, run: Mapping[str, Any], done: MergeSummary) -> None:
    try:
        cases, environments, results = _rows_of_run(source, run["id"])
    except DamagedError as error:  # a page that cannot be read; other runs may lie elsewhere
        _leave_run_out(run["id"], _number(source, run["id"]), f"which cannot be read: {error.message}", done)
        return
    planned, unplanned = _parted("cases", cases)
    whole = list(map(records.with_time, _whole("results", results, done)))
    kept = _with_plan(run["id"], planned, unplanned, whole, done)
    done.left_out += len(results) - len(kept)
    known = _whole("environments", environments, done)
    with into.transaction() as connection:
        connection.execute(earlier(into, schema.runs, ("started_at", "sha256")), run)
        if planned:
            connection.execute(earlier(into, schema.cases, ("rounds", "position", "sha256")), planned)
        if known:
            connection.execute(earlier(into, schema.environments, ("sha256",)), known)
    # In two steps, the first of which writes only what is new, so that what is new can be told from what is better.
    missing = into.insert(schema.results).on_conflict_do_nothing().returning(schema.results.c.round)
    better = earlier(into, schema.results, ("status", "stored_at", "sha256")).returning(schema.results.c.round)
    for some in batches(kept):
        with into.transaction() as connection:
            new = len(connection.execute(missing, some).all())
            replaced = len(connection.execute(better, some).all()) if new < len(some) else 0
        done.results += new
        done.replaced += replaced
    done.runs += 1
    done.seen += len(kept)


def _rows_of_run(source: Store, run_id: str) -> tuple[Rows, Rows, Rows]:
    """Plan, environments and results, as they were at one moment: a plan may be lengthened meanwhile.

    In one order always: of two merges that meet in the same rows, the second waits and none is a deadlock.
    """
    with source.transaction() as connection:
        cases, environments, results = (
            rows_of(connection, sa.select(table).where(table.c.run_id == run_id).order_by(*table.primary_key))
            for table in (schema.cases, schema.environments, schema.results)
        )
    return cases, environments, results


def _with_plan(run_id: str, planned: Rows, unplanned: Damaged, results: Rows, done: MergeSummary) -> Rows:
    """The results whose case is planned; nothing would show the others, so they are named, case by case."""
    known = {row["case_id"] for row in planned}
    without = Counter(row["case_id"] for row in results if row["case_id"] not in known)
    damaged = {row["case_id"]: text for row, text in unplanned}
    for case_id, number in without.items():
        state = "damaged" if damaged.pop(case_id, None) else "missing"
        done.damaged.append(f"{pluralize(number, 'result')} of case {case_id} of run {run_id}, whose plan is {state}")
    done.damaged += damaged.values()
    return [row for row in results if row["case_id"] in known]


def _leave_run_out(run_id: str, number: int | None, why: str, done: MergeSummary) -> None:
    done.left_out += number or 0
    results = "an unknown number of results" if number is None else pluralize(number, "result")
    done.damaged.append(sanitize_text(f"run {run_id} with {results}, {why}"))


def _number(source: Store, run_id: str) -> int | None:
    """How many results a run has, or None where even that cannot be read."""
    query = sa.select(sa.func.count().label("number")).where(schema.results.c.run_id == run_id)
    try:
        number: int = source.rows(query)[0]["number"]
    except DamagedError:
        return None
    return number


@contextmanager
def _readable(what: str, done: MergeSummary) -> Iterator[None]:
    """Go on with all else where that cannot be read."""
    try:
        yield
    except DamagedError as error:
        done.damaged.append(f"{what}: {error.message}")


def _merge_calibrations(source: Store, into: Store, done: MergeSummary) -> None:
    """Of two calibrations of one device the later one stays, as when it is measured again."""
    for row in _whole("calibrations", source.rows(sa.select(schema.calibrations)), done):
        ours = records.calibration_of_row(row)
        theirs = into.calibration(row["fingerprint"], row["device"])
        if theirs is None or theirs.measured_at < ours.measured_at:
            into.add_calibration(row["fingerprint"], ours)


def _merge_baselines(source: Store, into: Store, done: MergeSummary) -> None:
    """Of two runs that bear one name the later named stays, as when the name is given again."""
    runs = {row["id"] for row in into.rows(sa.select(schema.runs.c.id))}
    statement = _later(into, schema.baselines, ("saved_at", "sha256")).returning(schema.baselines.c.name)
    for row in _whole("baselines", source.rows(sa.select(schema.baselines)), done):
        if row["run_id"] not in runs:
            done.damaged.append(f"the baseline {row['name']!r}, since its run {row['run_id']} is not there")
            continue
        with into.transaction() as connection:
            done.baselines += len(connection.execute(statement, row).all())


def _whole(table: str, rows: Rows, done: MergeSummary) -> Rows:
    whole, damaged = _parted(table, rows)
    done.damaged += (text for _, text in damaged)
    return whole


def _parted(table: str, rows: Rows) -> tuple[Rows, Damaged]:
    """The rows that are what was written, and the others, each with its damage in words."""
    whole: Rows = []
    damaged: Damaged = []
    for row in rows:
        damage = records.damaged(table, row)
        if damage is None:
            whole.append(row)
        else:
            damaged.append((row, damage))
    return whole, damaged


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
