"""Storing a run that was measured elsewhere, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from dctbench.errors import UsageError
from dctbench.machine.disclosure import Disclosure
from dctbench.model import Case, Environment, Result, Run
from dctbench.store import decoding, records, schema
from dctbench.store.contents import Store
from dctbench.store.engines import batches
from dctbench.store.upsert import insert_keeping_first


def import_run(store: Store, run: Run, environments: Iterable[Environment], results: Sequence[Result]) -> int:
    """Store a run with its results and return how many results are new.

    Its plan consists of exactly these results, so that the run counts as complete and `--resume` does not pick it up.
    What the store already holds of the run stays unchanged, except that a shorter plan is extended.

    Raises:
        UsageError: when the store holds a different run with that id.
        StoreError: when the file or the server fails.
    """
    rounds: dict[Case, int] = {}
    for result in results:
        rounds[result.case] = rounds.get(result.case, 0) + 1
    plan = [records.row_of_case(run.id, case, i, number) for i, (case, number) in enumerate(rounds.items())]
    new = 0
    with store.transaction() as connection:
        # Insert before comparing: no other process can store a different run under this id in between.
        connection.execute(store.insert_run(records.row_of_run(run)).on_conflict_do_nothing())
        [known] = connection.execute(sa.select(schema.runs).where(schema.runs.c.id == run.id)).mappings().all()
        if not _is_same(decoding.run_of_row(dict(known)), run):
            raise UsageError(
                f"the store {store.name} holds another run with the id {run.id}",
                hint="import it into a new store: --store NEW",
            )
        for batch in batches(plan):
            connection.execute(insert_keeping_first(store, schema.cases, ("rounds",)), batch)
        there = sa.select(schema.environments.c.fingerprint).where(schema.environments.c.run_id == run.id)
        measured = set(connection.execute(there).scalars())
        # An export tells less of a machine than the record that it was made from.
        lacking = [one for one in environments if not (one.labelled and one.fingerprint in measured)]
        for batch in batches([records.row_of_environment(run.id, environment) for environment in lacking]):
            connection.execute(store.insert(schema.environments).on_conflict_do_nothing(), batch)
        returning = store.insert(schema.results).on_conflict_do_nothing().returning(schema.results.c.round)
        for batch in batches([records.row_of_result(run.id, result) for result in results]):
            new += len(connection.execute(returning, batch).all())
    return new


def _is_same(stored: Run, imported: Run) -> bool:
    """Return whether an imported run is a stored one, of which a file may tell less than the store holds."""
    return _told(stored, imported) == _told(imported, imported)


def _told(run: Run, imported: Run) -> tuple[object, ...]:
    """Return what tells a run from others, as the file of `imported` has it."""
    anonymous = imported.settings.anonymous
    found = Disclosure(anonymous).run(run)
    named = () if anonymous else (found.label, found.settings.to_json())
    return found.id, found.suite, found.started_at, found.dctbench_version, *named
