"""Storing a run that was measured elsewhere, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from dctbench.errors import UsageError
from dctbench.machine.disclosure import Disclosure
from dctbench.model import Case, Environment, Result, Run
from dctbench.store import decoding, records, schema
from dctbench.store.contents import Store
from dctbench.store.engines import batches
from dctbench.store.joining import differing_keys, extended_run
from dctbench.store.upsert import insert_better_results, insert_keeping_first


class Imported(NamedTuple):
    """How many results of a file were new in the store, and how many replaced a failure or a skipped result."""

    new: int
    replaced: int


def import_run(store: Store, run: Run, environments: Iterable[Environment], results: Sequence[Result]) -> Imported:
    """Store a run with its results.

    Its plan consists of exactly these results, so that the run counts as complete and `--resume` does not pick it up.
    What the store already holds of the run stays as in a merge: a measurement replaces a failure and a failure a
    skipped result, a shorter plan is extended, and shards of a sweep are joined.

    Raises:
        UsageError: when the store holds a different run with that id.
        StoreError: when the file or the server fails.
    """
    rounds: dict[Case, int] = {}
    for result in results:
        rounds[result.case] = rounds.get(result.case, 0) + 1
    plan = [records.row_of_case(run.id, case, i, number) for i, (case, number) in enumerate(rounds.items())]

    def joined(known: Mapping[str, Any], row: Mapping[str, Any]) -> Mapping[str, Any]:
        if not _is_same(decoding.run_of_row(known), run):
            raise UsageError(
                f"the store {store.name} holds another run with the id {run.id}",
                hint="import it into a new store: --store NEW",
            )
        return extended_run(known, row)

    new = replaced = 0
    with store.transaction() as connection:
        store.join_run(connection, records.row_of_run(run), joined)
        for batch in batches(plan):
            connection.execute(insert_keeping_first(store, schema.cases, ("rounds",)), batch)
        there = sa.select(schema.environments.c.fingerprint).where(schema.environments.c.run_id == run.id)
        measured = set(connection.execute(there).scalars())
        # An export tells less of a machine than the record that it was made from.
        lacking = [one for one in environments if not (one.labelled and one.fingerprint in measured)]
        for batch in batches([records.row_of_environment(run.id, environment) for environment in lacking]):
            connection.execute(store.insert(schema.environments).on_conflict_do_nothing(), batch)
        for batch in batches([records.row_of_result(run.id, result) for result in results]):
            inserted, better = insert_better_results(store, connection, batch)
            new += len(inserted)
            replaced += len(better)
    return Imported(new, replaced)


def _is_same(stored: Run, imported: Run) -> bool:
    """Return whether an imported run is a stored one, of which a file may tell less than the store holds.

    Shards of one sweep are one run. Each of them has its own start.
    """
    anonymous = imported.settings.anonymous
    one, other = (Disclosure(anonymous).run(run) for run in (stored, imported))
    differing = differing_keys(*map(records.row_of_run, (one, other)))
    if anonymous:  # the texts of the two may be told differently
        differing = [key for key in differing if key not in ("label", "settings")]
    sharded = stored.settings.shard or imported.settings.shard
    return not differing and bool(sharded or stored.started_at == imported.started_at)
