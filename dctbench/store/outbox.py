"""The outbox: a local store that takes over when the server of a run becomes unreachable.

The outbox receives the whole run, not only what the server lacks, so that the run can be shown and resumed without the
server. `store push` merges the outbox into the server, which stores nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.model import FAILED, Baseline, Case, Environment, Result, Run
from dctbench.store.contents import RunState, Store
from dctbench.store.engines import HURRY_SECONDS, postgresql_engine
from dctbench.store.errors import UnreachableError
from dctbench.store.location import is_url, masked
from dctbench.store.opening import open_store

OUTBOX = str(Path(".dctbench") / "outbox.sqlite")
Value = TypeVar("Value")


def open_for_run(location: str, warn: Callable[[str], None], *, create: bool = False) -> Store:
    """Return the store that a run writes to. A store at a URL falls back to the outbox when the server fails.

    Args:
        location: a path or URL.
        warn: called with a message when the outbox takes over.
        create: whether to create the store when it does not exist.

    Raises:
        StoreError: as `open_store`, except that an unreachable server is no error.
    """
    if not is_url(location):
        store = open_store(location, create=create)
        store.hold_file()
        return store
    try:
        server = open_store(location, create=create)
    except UnreachableError as error:
        warn(_warning(error, location))
        return open_store(OUTBOX, create=create)
    return _StoreWithOutbox(server, location, warn)


def _warning(error: StoreError, location: str) -> str:
    return (
        f"warning: {error.message}\n  results go to {OUTBOX}; send them later: dctbench store push {masked(location)}"
    )


class _StoreWithOutbox(Store):
    """The store of one run on a server. Once the server has failed, the outbox with the whole run takes its place."""

    def __init__(self, server: Store, location: str, warn: Callable[[str], None]) -> None:
        super().__init__(server.engine, server.name)
        self._location = location
        self._warn = warn
        self._switched = False
        self._begun = False
        self._hurried = False
        self._run: tuple[Run, Sequence[Case], int | Mapping[Case, int]] | None = None
        self._environments: list[Environment] = []
        self._results: dict[tuple[Case, int], Result] = {}

    def add_run(self, run: Run, plan: Sequence[Case], rounds: int | Mapping[Case, int]) -> None:
        """Store a run and its plan before the first case is measured."""
        self._run = run, plan, rounds
        self._with_fallback(lambda: Store.add_run(self, run, plan, rounds))
        self._begun = True

    def resume_run(self, run: Run) -> list[Result]:
        """Return the results that the run already has, and remember them: the outbox may need them."""
        results = super().resume_run(run)
        rounds = self.planned_rounds(run.id)
        self._run = run, list(rounds), rounds
        self._environments = list(self.environments(run.id).values())
        self._results = {(result.case, result.round): result for result in results}
        self._begun = True
        return results

    def hurry(self) -> None:
        """From now on wait for the server a short time only, and do not copy the run to the outbox."""
        if self._switched:
            super().hurry()
            return
        self._hurried = True
        self.engine.dispose()
        self.engine = postgresql_engine(self._location, patience=HURRY_SECONDS)

    def progress(self, run_id: str) -> RunState | None:
        """Return the run and its progress, or None before it is stored. The server is not asked."""
        if self._switched:
            return super().progress(run_id)
        if not self._begun or self._run is None:
            return None
        run, plan, rounds = self._run
        failed = sum(result.status in FAILED for result in self._results.values())
        planned = len(plan) * rounds if isinstance(rounds, int) else sum(rounds.values())
        return RunState(run, planned, len(self._results), failed)

    def add_environment(self, run_id: str, environment: Environment) -> None:
        """Store an environment of the run."""
        self._environments.append(environment)
        self._with_fallback(lambda: Store.add_environment(self, run_id, environment))

    def add_results(self, run_id: str, results: Sequence[Result], *, retried: bool = False) -> int:
        """Store results and return how many are new."""
        stored = self._with_fallback(lambda: Store.add_results(self, run_id, results, retried=retried))
        self._results |= {(result.case, result.round): result for result in results}
        return stored

    def start_case(self, run_id: str, case: Case, round: int) -> None:
        """Note durably that a case is about to run."""
        self._with_fallback(lambda: Store.start_case(self, run_id, case, round))

    def end_case(self, run_id: str, case: Case, round: int) -> None:
        """Forget the attempts at a case."""
        self._with_fallback(lambda: Store.end_case(self, run_id, case, round))

    def save_baseline(self, name: str, run_id: str) -> Baseline:
        """Save a baseline. In the outbox, it reaches the server together with its run."""
        return self._with_fallback(lambda: Store.save_baseline(self, name, run_id))

    def rows(self, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        """Return the rows of a query. Every method that reads goes through here."""
        return self._with_fallback(lambda: Store.rows(self, query))

    def _with_fallback(self, operation: Callable[[], Value]) -> Value:
        """Run an operation on the server or, once the server has failed in any way, on the outbox."""
        try:
            return operation()
        except StoreError as error:
            if self._switched or self._hurried or self._run is None:
                raise
            self._switch_to_outbox(error)
            return operation()

    def _switch_to_outbox(self, error: StoreError) -> None:
        assert self._run is not None
        run, plan, rounds = self._run
        outbox = open_store(OUTBOX, create=True)
        outbox.add_run(run, plan, rounds)
        for environment in self._environments:
            outbox.add_environment(run.id, environment)
        outbox.add_results(run.id, list(self._results.values()), retried=True)
        self.engine.dispose()
        self.engine, self.name, self._switched = outbox.engine, outbox.name, True
        self._warn(_warning(error, self._location))
