"""Which runs a store may forget, and forgetting them: the only way in which dctbench removes what it has stored."""

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

_LONGEST_CHECK = 86_400.0
"""Seconds after which a check has ended, one way or another."""
_CLOCKS_APART = 300.0
"""Seconds by which the clocks of two machines that are set right may differ."""


def removable(
    states: Sequence[RunState],
    *,
    keep: int | None,
    older_than: float | None,
    unfinished: bool,
    now: datetime.datetime | None = None,
) -> list[RunState]:
    """The runs that are beyond the latest `keep` and older than `older_than` seconds, the oldest first.

    A run of a time that is still to come, since some clock was ahead, is not among them, nor does it take the place of
    one of the latest: a run that was measured a moment ago would go for it.

    Args:
        states: every run, the oldest first.
        keep: how many of the latest stay; None for any number.
        older_than: seconds since the start; None for any age.
        unfinished: whether runs that can still be resumed, or are being measured right now, may go too.
        now: the present.
    """
    present = now or datetime.datetime.now(datetime.UTC)
    past = [state for state in states if _age(state, present) >= -_CLOCKS_APART]
    beyond = past if keep is None else past[: max(0, len(past) - keep)]
    return [
        state
        for state in beyond
        if (unfinished or _ended(state, present)) and (older_than is None or _age(state, present) > older_than)
    ]


def _ended(state: RunState, present: datetime.datetime) -> bool:
    """Whether nothing more will come: of a check nobody can tell but by the time that has gone by."""
    return _age(state, present) > _LONGEST_CHECK if state.run.is_check else state.complete


def _age(state: RunState, present: datetime.datetime) -> float:
    return (present - datetime.datetime.fromisoformat(state.run.started_at)).total_seconds()


def split_by_baseline(
    states: Sequence[RunState], baselines: Collection[Baseline]
) -> tuple[list[RunState], list[RunState]]:
    """Of runs that are old enough those that may go, and those that stay because a baseline points to them."""
    named = {baseline.run_id for baseline in baselines}
    return [s for s in states if s.run.id not in named], [s for s in states if s.run.id in named]


def remove_runs(store: Store, run_ids: Sequence[str]) -> None:
    """Delete runs with everything that belongs to them, one transaction each, and give the space back.

    The database itself refuses to lose a run that a baseline points to, should it have been named meanwhile.

    Raises:
        StoreError: when the store cannot be written; what was deleted until then is gone, the rest untouched.
    """
    for run_id in run_ids:
        with store.transaction() as connection:
            for table in (schema.results, schema.cases, schema.environments):
                connection.execute(sa.delete(table).where(table.c.run_id == run_id))
            connection.execute(sa.delete(schema.runs).where(schema.runs.c.id == run_id))
    if store.engine.dialect.name == "sqlite" and run_ids:
        _give_back(store)


def forget_baseline(store: Store, name: str) -> str:
    """Remove a baseline's name; the run that it pointed to stays, and may be pruned from now on. Returns its id.

    Raises:
        UsageError: when no baseline is called so, with the nearest name.
        StoreError: when the store cannot be written.
    """
    table = schema.baselines
    known = {row["name"]: row["run_id"] for row in store.rows(sa.select(table.c.name, table.c.run_id))}
    if name not in known:
        raise catalog.unknown("baseline", name, known)
    with store.transaction() as connection:
        connection.execute(sa.delete(table).where(table.c.name == name))
    return str(known[name])


def _give_back(store: Store) -> None:
    """Shrink the file, for which SQLite writes it anew: what needs as much room again, and nobody else writing."""
    try:
        with translated(store.name):
            raw = store.engine.raw_connection()  # VACUUM is not allowed inside a transaction
            try:
                raw.cursor().execute("VACUUM")
            finally:
                raw.close()
    except StoreError as error:
        raise StoreError(
            f"the runs are removed, but their space is not given back: {error.message}", hint=error.hint
        ) from error
