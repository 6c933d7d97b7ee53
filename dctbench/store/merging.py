"""Merging stores: shards, several machines, or a local outbox and the server that was down.

Merging is idempotent, and the order of the stores does not matter. On a conflict:

- Of two results for one (run, case, round), a measurement wins over a failure and a failure over a skipped result. Of
  two of the same kind, that of the target stays: whoever made a source could write any time into it. Between two
  sources, the earlier one wins.
- Calibrations, environments and records of whole runs that the target has stay. Between two sources, the later
  calibration and the earlier start of a run win. Records of two shards are joined (`store.joining`). The environment of
  an export, which has a label in place of its host, is not copied beside an own one.
- A run that the target has keeps its place in the order of runs; any other arrives now.
- Of two plans for one case, the one with more rounds wins.
- Of two runs under one baseline name, the one that was saved later wins. Baselines are copied only on request: a gate
  must not change its base because someone else's store uses the same name.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.machine.calibration import Calibration
from dctbench.store import decoding, schema
from dctbench.store.contents import Store
from dctbench.store.engines import batches
from dctbench.store.errors import DamagedError
from dctbench.store.joining import differing_keys, shards_of
from dctbench.store.upsert import (
    Key,
    insert_better_results,
    insert_keeping_first,
    insert_keeping_last,
    key_of,
    status_rank,
)
from dctbench.text.fields import utc
from dctbench.text.format import pluralize
from dctbench.text.sanitize import sanitize_text

Rows = list[Mapping[str, Any]]
DamagedRows = list[tuple[Mapping[str, Any], str]]
"""Rows that fail their check, each with a description of its damage."""


@dataclass(frozen=True, slots=True)
class _Target:
    """What the target had before the merge, or has from it.

    Attributes:
        runs: the ids of its own runs of which it has no mere shard.
        calibrations: the records of its own calibrations.
        environments: its own environments.
        machines: the same without their hosts.
        merged: the results that came from a source.
    """

    runs: Collection[str]
    calibrations: Mapping[Key, str]
    environments: Collection[Key]
    machines: Collection[Key]
    merged: set[Key] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ShardedRun:
    """A run of which a source held a shard, as it is in the target.

    Attributes:
        id, label: of the run.
        shards: the shards that are there, as `1,3/16`; None for all of them.
        machines: how many environments its results are from.
    """

    id: str
    label: str | None
    shards: str | None
    machines: int


@dataclass(slots=True)
class MergeSummary:
    """What a merge did.

    `seen` counts the intact results of the sources. `results` of them were new, `replaced` took the place of a failure
    or a skipped result, and `differing` are neither better nor worse than another one that stays. `left_out` results
    were not copied because of damage, which `damaged` describes. Results whose run cannot even be counted are neither
    in `seen` nor in `left_out`. `baselines` counts the names that were set, and `baselines_ignored` those that were not
    copied because nobody asked for it. `calibrations_ignored` were not copied because the target has another one of
    that device. `sharded` are the runs that came in shards.
    """

    runs: int = 0
    seen: int = 0
    results: int = 0
    replaced: int = 0
    baselines: int = 0
    baselines_ignored: int = 0
    calibrations_ignored: int = 0
    differing: int = 0
    left_out: int = 0
    sharded: list[ShardedRun] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def merge(sources: Sequence[Store], into: Store, *, baselines: bool = False) -> MergeSummary:
    """Copy every intact record that `sources` hold and `into` lacks.

    Args:
        sources: what to copy.
        into: where to.
        baselines: whether to copy baselines, too. One of `into` then moves when a source has saved it later.

    Raises:
        StoreError: when two different runs have the same id, before anything is written; or when a store cannot be
            read or written.
    """
    summary = MergeSummary()
    runs = [(source, _intact_runs(source, summary)) for source in sources]
    own = into.rows(sa.select(schema.runs))
    _refuse_conflicts([(into, _split("runs", own)[0]), *runs])
    target = _look_at(into, own)
    for source, run in _by_arrival(runs):
        _merge_run(source, into, run, target, summary)
    summary.sharded = _sharded(into, (run for _, rows in runs for run in rows))
    for source in sources:
        with _damage_noted("calibrations", summary):
            _merge_calibrations(source, into, target, summary)
        with _damage_noted("baselines", summary):
            if baselines:
                _merge_baselines(source, into, summary)
            else:
                summary.baselines_ignored += len(_pointers(source) - _pointers(into))
    return summary


def _look_at(into: Store, runs: Rows) -> _Target:
    calibrations, environments = schema.calibrations, schema.environments
    rows = into.rows(sa.select(*calibrations.primary_key, calibrations.c.record))
    own = into.rows(sa.select(*environments.primary_key))
    return _Target(
        {run["id"] for run in runs if decoding.damaged("runs", run) is None and shards_of(run) is None},
        {key_of(calibrations, row): row["record"] for row in rows},
        {key_of(environments, row) for row in own},
        {(row["run_id"], row["fingerprint"]) for row in own},
    )


def _sharded(into: Store, runs: Iterable[Mapping[str, Any]]) -> list[ShardedRun]:
    found = []
    for run_id in dict.fromkeys(run["id"] for run in runs if shards_of(run) is not None):
        state = into.progress(run_id)
        if state is not None:
            run, machines = state.run, len(into.environments(run_id, []))
            found.append(ShardedRun(run.id, run.label, run.settings.shard, machines))
    return found


def _intact_runs(source: Store, summary: MergeSummary) -> Rows:
    """Return the intact runs. Note every other run, whose results are left out."""
    intact, damaged = _split("runs", source.rows(sa.select(schema.runs).order_by(*schema.ARRIVAL)))
    for run, _ in damaged:
        _leave_out_run(run["id"], _count_results(source, run["id"]), "its record is damaged", summary)
    results, runs = schema.results, schema.runs
    query = (
        sa.select(results.c.run_id, sa.func.count().label("number"))
        .where(results.c.run_id.not_in(sa.select(runs.c.id)))
        .group_by(results.c.run_id)
    )
    with _damage_noted("results of runs that are missing", summary):
        for row in source.rows(query):
            _leave_out_run(row["run_id"], row["number"], "its record is missing", summary)
    return intact


def _by_arrival(stores: Sequence[tuple[Store, Rows]]) -> Iterator[tuple[Store, Mapping[str, Any]]]:
    """Yield the runs of all stores in the order in which they arrive.

    Each store keeps its own order. Between stores, the run that started earlier comes first, so that the order in which
    the stores are given does not matter.
    """
    waiting = [(store, deque(runs)) for store, runs in stores if runs]
    while waiting:
        store, runs = min(waiting, key=lambda one: (one[1][0]["started_at"], one[1][0]["id"]))
        yield store, runs.popleft()
        waiting = [(store, runs) for store, runs in waiting if runs]


def _refuse_conflicts(stores: Sequence[tuple[Store, Rows]]) -> None:
    known: dict[str, tuple[Store, Mapping[str, Any]]] = {}
    for store, runs in stores:
        for run in runs:
            first, other = known.setdefault(run["id"], (store, run))
            differing = differing_keys(run, other)
            if differing:
                raise StoreError(
                    f"run {run['id']} of {store.name} is not the run {run['id']} of {first.name}: "
                    f"they differ in {' and '.join(differing)}",
                    hint="nothing was written; merge one of the two stores into a separate one",
                )


def _merge_run(source: Store, into: Store, run: Mapping[str, Any], target: _Target, summary: MergeSummary) -> None:
    try:
        cases, environments, results = _rows_of_run(source, run["id"])
    except DamagedError as error:  # a page of the file cannot be read; other runs may be on other pages
        _leave_out_run(run["id"], _count_results(source, run["id"]), f"it cannot be read: {error.message}", summary)
        return
    planned, damaged_cases = _split("cases", cases)
    intact = list(map(decoding.with_time, _note_damaged("results", results, summary)))
    kept = _planned_results(run["id"], planned, damaged_cases, intact, summary)
    summary.left_out += len(results) - len(kept)
    lacking = [row for row in _note_damaged("environments", environments, summary) if _is_lacking(row, target)]
    with into.transaction() as connection:
        if run["id"] not in target.runs:
            into.join_run(connection, run)
        if planned:
            connection.execute(insert_keeping_first(into, schema.cases, ("rounds", "position", "sha256")), planned)
        if lacking:
            connection.execute(insert_keeping_first(into, schema.environments, ("sha256",)), lacking)
    _merge_results(into, run["id"], kept, target.merged, summary)
    summary.runs += 1
    summary.seen += len(kept)


def _is_lacking(row: Mapping[str, Any], target: _Target) -> bool:
    """Return whether an intact environment of a source is to be copied."""
    if (row["run_id"], row["fingerprint"]) in target.machines and decoding.environment_of_row(row).labelled:
        return False
    return key_of(schema.environments, row) not in target.environments


def _merge_results(into: Store, run_id: str, rows: Rows, merged: set[Key], summary: MergeSummary) -> None:
    """Insert new results, and replace worse ones. A result of another source (`merged`) gives way to an earlier one."""
    table = schema.results
    earlier = insert_keeping_first(into, table, ("status", "stored_at", "sha256"))
    summary.differing += _count_differing(into, run_id, rows)
    for batch in batches(rows):
        with into.transaction() as connection:
            new, replaced = insert_better_results(into, connection, batch)
            again = [row for row in batch if key_of(table, row) in merged]
            if again:
                connection.execute(earlier, again)
        merged |= new | replaced
        summary.results += len(new)
        summary.replaced += len(replaced)


def _count_differing(into: Store, run_id: str, rows: Rows) -> int:
    """Return for how many rows the target has another result that is neither better nor worse. The seals tell."""
    table = schema.results
    query = sa.select(*table.primary_key, table.c.status, table.c.sha256).where(table.c.run_id == run_id)
    known = {key_of(table, row): row for row in into.rows(query)}
    pairs = ((row, known[key_of(table, row)]) for row in rows if key_of(table, row) in known)
    return sum(
        row["sha256"] != other["sha256"] and status_rank(row["status"]) == status_rank(other["status"])
        for row, other in pairs
    )


def _rows_of_run(source: Store, run_id: str) -> tuple[Rows, Rows, Rows]:
    """Return the plan, the environments and the results of a run.

    All three are of one moment, since another process may extend the plan meanwhile. The rows are in the order of their
    primary keys: when two merges write the same rows, the second one waits and there is no deadlock.
    """
    cases, environments, results = source.snapshot(
        *(
            sa.select(table).where(table.c.run_id == run_id).order_by(*table.primary_key)
            for table in (schema.cases, schema.environments, schema.results)
        )
    )
    return cases, environments, results


def _planned_results(
    run_id: str, planned: Rows, damaged_cases: DamagedRows, results: Rows, summary: MergeSummary
) -> Rows:
    """Return the results whose case is in the plan. Note the others by case, since no command would show them."""
    known = {row["case_id"] for row in planned}
    unplanned = Counter(row["case_id"] for row in results if row["case_id"] not in known)
    damaged = {row["case_id"]: text for row, text in damaged_cases}
    for case_id, number in unplanned.items():
        state = "damaged" if damaged.pop(case_id, None) else "missing"
        results_of_case = f"{pluralize(number, 'result')} of case {case_id} of run {run_id}"
        summary.damaged.append(f"{results_of_case}, because the plan of the case is {state}")
    summary.damaged += damaged.values()
    return [row for row in results if row["case_id"] in known]


def _leave_out_run(run_id: str, number: int | None, reason: str, summary: MergeSummary) -> None:
    summary.left_out += number or 0
    results = "an unknown number of results" if number is None else pluralize(number, "result")
    summary.damaged.append(sanitize_text(f"run {run_id} with {results}, because {reason}"))


def _count_results(source: Store, run_id: str) -> int | None:
    """Return how many results a run has, or None when they cannot be counted."""
    query = sa.select(sa.func.count().label("number")).where(schema.results.c.run_id == run_id)
    try:
        number: int = source.rows(query)[0]["number"]
    except DamagedError:
        return None
    return number


@contextmanager
def _damage_noted(what: str, summary: MergeSummary) -> Iterator[None]:
    """Note damage in the summary, so that the merge continues with everything else."""
    try:
        yield
    except DamagedError as error:
        summary.damaged.append(f"{what}: {error.message}")


def _merge_calibrations(source: Store, into: Store, target: _Target, summary: MergeSummary) -> None:
    """Copy calibrations of devices that the target has none of. Of two from sources the later one stays.

    A calibration decides which results count as plausible from now on. A later time is no reason to trust another store
    more than the own one, since anybody can write one; `doctor --calibrate` renews the own calibration.
    """
    table = schema.calibrations
    for row in _note_damaged("calibrations", source.rows(sa.select(table)), summary):
        own = target.calibrations.get(key_of(table, row))
        if own is not None:
            summary.calibrations_ignored += own != row["record"]
            continue
        incoming = decoding.calibration_of_row(row)
        existing = into.calibration(row["fingerprint"], row["device"])
        if existing is None or _measured_at(existing) < _measured_at(incoming):
            into.add_calibration(row["fingerprint"], incoming)


def _measured_at(calibration: Calibration) -> str:
    """Return when it was measured in a form that can be compared: another program may have written another zone."""
    return utc(calibration.measured_at, "measured_at")


def _pointers(store: Store) -> set[tuple[str, str]]:
    """Return the names of baselines with the ids of their runs, unchecked."""
    table = schema.baselines
    return {(row["name"], row["run_id"]) for row in store.rows(sa.select(table.c.name, table.c.run_id))}


def _merge_baselines(source: Store, into: Store, summary: MergeSummary) -> None:
    """Copy baselines. Of two with one name the later one stays, as when a name is saved again."""
    runs = {row["id"] for row in into.rows(sa.select(schema.runs.c.id))}
    table = schema.baselines
    statement = insert_keeping_last(into, table, ("saved_at", "sha256")).returning(table.c.name)
    for row in _note_damaged("baselines", source.rows(sa.select(table)), summary):
        if row["run_id"] not in runs:
            summary.damaged.append(f"the baseline {row['name']!r}, because its run {row['run_id']} is missing")
            continue
        with into.transaction() as connection:
            summary.baselines += len(connection.execute(statement, row).all())


def _note_damaged(table: str, rows: Rows, summary: MergeSummary) -> Rows:
    """Return the intact rows and note the damaged ones."""
    intact, damaged = _split(table, rows)
    summary.damaged += (text for _, text in damaged)
    return intact


def _split(table: str, rows: Rows) -> tuple[Rows, DamagedRows]:
    """Split rows of a table into intact ones, their times in UTC, and damaged ones."""
    intact: Rows = []
    damaged: DamagedRows = []
    for row in rows:
        damage = decoding.damaged(table, row)
        if damage is None:
            intact.append(decoding.in_utc(table, row))
        else:
            damaged.append((row, damage))
    return intact, damaged
