"""A whole run that was measured elsewhere, stored in one transaction: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from dctbench.errors import UsageError
from dctbench.model import Case, Environment, Result, Run
from dctbench.store import records, schema
from dctbench.store.contents import Store
from dctbench.store.engines import batches
from dctbench.store.merging import earlier


def import_run(store: Store, run: Run, environments: Iterable[Environment], results: Sequence[Result]) -> int:
    """Store a run with its results; how many of them were new.

    Its plan is exactly what it holds, so that nobody takes it for a run that was interrupted here and resumes it.
    What the store has of that run already stays as it is; a plan that is too short for it is lengthened.

    Raises:
        UsageError: when the store holds another run under that id.
        StoreError: when the file or the server fails.
    """
    rounds: dict[Case, int] = {}
    for result in results:
        rounds[result.case] = rounds.get(result.case, 0) + 1
    plan = [records.row_of_case(run.id, case, i, number) for i, (case, number) in enumerate(rounds.items())]
    new = 0
    with store.transaction() as connection:
        # The insert comes first: nobody else can put another run there between the question and what follows.
        connection.execute(store.insert(schema.runs).on_conflict_do_nothing(), records.row_of_run(run))
        [known] = connection.execute(sa.select(schema.runs).where(schema.runs.c.id == run.id)).mappings().all()
        if records.run_of_row(dict(known)) != run:
            raise UsageError(
                f"the store {store.name} holds another run with the id {run.id}",
                hint="import it into a store of its own",
            )
        for some in batches(plan):
            connection.execute(earlier(store, schema.cases, ("rounds",)), some)
        for some in batches([records.row_of_environment(run.id, found) for found in environments]):
            connection.execute(store.insert(schema.environments).on_conflict_do_nothing(), some)
        returning = store.insert(schema.results).on_conflict_do_nothing().returning(schema.results.c.round)
        for some in batches([records.row_of_result(run.id, result) for result in results]):
            new += len(connection.execute(returning, some).all())
    return new
