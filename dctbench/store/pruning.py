"""Removing runs and baselines: nothing else in dctbench deletes stored results."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from dctbench import catalog
from dctbench.errors import StoreError
from dctbench.model import Baseline
from dctbench.store import schema
from dctbench.store.contents import RunState, Store
from dctbench.store.failures import translated

_LONGEST_CHECK_SECONDS = 86_400.0
"""A check that began longer ago than this has ended."""
_LONGEST_SWEEP_SECONDS = 7 * 86_400.0
"""A sweep of which shards are missing so long after its start gets no more of them."""


def removable(
    states: Sequence[RunState],
    *,
    keep: int | None,
    older_than: float | None,
    unfinished: bool,
    now: datetime.datetime | None = None,
) -> list[RunState]:
    """Return the runs that are not among the latest `keep` and are older than `older_than` seconds, in the given order.

    Args:
        states: every run, in the order of arrival.
        keep: how many of the latest runs to keep; None puts no limit on the number.
        older_than: seconds since the start of a run; None allows any age.
        unfinished: whether to include runs that can still be resumed, are being measured right now, or lack shards.
        now: the current time, by default that of the clock.
    """
    present = now or datetime.datetime.now(datetime.UTC)
    excess = states if keep is None else states[: max(0, len(states) - keep)]
    return [
        state
        for state in excess
        if (unfinished or _ended(state, present)) and (older_than is None or _age(state, present) > older_than)
    ]


def _ended(state: RunState, present: datetime.datetime) -> bool:
    """Return whether the run will get no more results. For a check and for missing shards only the age tells.

    A complete run whose failures are measured again has cases that were started.
    """
    if state.run.is_check:
        return _age(state, present) > _LONGEST_CHECK_SECONDS
    lacks_shards = state.run.settings.shard is not None
    return (
        state.complete and not state.started and not (lacks_shards and _age(state, present) <= _LONGEST_SWEEP_SECONDS)
    )


def _age(state: RunState, present: datetime.datetime) -> float:
    return (present - datetime.datetime.fromisoformat(state.run.started_at)).total_seconds()


def split_by_baseline(
    states: Sequence[RunState], baselines: Collection[Baseline]
) -> tuple[list[RunState], list[RunState]]:
    """Split runs into those that may be removed and those that stay because a baseline points to them."""
    named = {baseline.run_id for baseline in baselines}
    return [s for s in states if s.run.id not in named], [s for s in states if s.run.id in named]


def remove_runs(store: Store, run_ids: Sequence[str]) -> None:
    """Delete runs with everything that belongs to them, each in one transaction, and shrink the file.

    A foreign key keeps a run that a baseline points to, even if the baseline was saved a moment ago.

    Raises:
        StoreError: when a baseline points to a run, or the store cannot be written. Runs deleted before the failure
            stay deleted; the others are unchanged.
    """
    for run_id in run_ids:
        with store.transaction() as connection:
            _remove_run(connection, run_id)
    if store.engine.dialect.name == "sqlite" and run_ids:
        _shrink_file(store)


def _remove_run(connection: sa.Connection, run_id: str) -> None:
    of_run = schema.runs.c.id == run_id
    if connection.dialect.name == "postgresql":
        # Nobody can add anything to the run from now on. SQLite locks the whole file at the first of the deletions.
        connection.execute(sa.select(schema.runs.c.id).where(of_run).with_for_update())
    for table in (schema.attempts, schema.results, schema.cases, schema.environments):
        connection.execute(sa.delete(table).where(table.c.run_id == run_id))
    try:
        connection.execute(sa.delete(schema.runs).where(of_run))
    except sa.exc.IntegrityError as error:
        raise StoreError(
            f"run {run_id} is kept, since a baseline points there now",
            hint="see dctbench list runs, and dctbench store forget NAME; then prune again",
        ) from error


def forget_baseline(store: Store, name: str) -> str:
    """Delete a baseline and return the id of the run that it pointed to. The run stays and may now be pruned.

    Raises:
        UsageError: when there is no such baseline; the hint has the nearest name.
        StoreError: when the store cannot be written.
    """
    table = schema.baselines
    known = {row["name"]: row["run_id"] for row in store.rows(sa.select(table.c.name, table.c.run_id))}
    if name not in known:
        raise catalog.unknown("baseline", name, known)
    with store.transaction() as connection:
        connection.execute(sa.delete(table).where(table.c.name == name))
    return str(known[name])


def _shrink_file(store: Store) -> None:
    """Let SQLite rewrite the file without unused pages. This needs room for a second copy and no other writer."""
    try:
        # VACUUM is not allowed inside a transaction.
        with translated(store.name), store.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM")
    except StoreError as error:
        raise StoreError(
            f"the runs were removed, but the file could not be shrunk: {error.message}", hint=error.hint
        ) from error
