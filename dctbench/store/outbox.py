"""A run whose server goes away stays whole: from then on its results go to a local store, to be sent later.

The outbox gets the run from its beginning, not only what is missing on the server, so that the end of the run can be
shown and the run be resumed without the server. Sending it is a merge, which stores nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.model import Baseline, Case, Environment, Result, Run
from dctbench.store.contents import Store
from dctbench.store.errors import UnreachableError
from dctbench.store.location import is_url, masked
from dctbench.store.opening import open_store

OUTBOX = str(Path(".dctbench") / "outbox.sqlite")
Value = TypeVar("Value")


def open_for_run(location: str, warn: Callable[[str], None], *, create: bool = False) -> Store:
    """The store that a run writes to: at a URL, one that falls back to the outbox when the server goes away.

    Args:
        location: a path or URL.
        warn: told in a sentence when the outbox takes over.
        create: make the store when it does not exist.

    Raises:
        StoreError: as of `open_store`, but for a server that cannot be reached.
    """
    if not is_url(location):
        return open_store(location, create=create)
    try:
        server = open_store(location, create=create)
    except UnreachableError as error:
        warn(_warning(error, location))
        return open_store(OUTBOX, create=create)
    return _Outboxed(server, location, warn)


def _warning(error: StoreError, location: str) -> str:
    return (
        f"warning: {error.message}\n  results go to {OUTBOX}; send them later: dctbench store push {masked(location)}"
    )


class _Outboxed(Store):
    """A server's store for one run; with the server gone, the outbox with all of that run."""

    def __init__(self, server: Store, location: str, warn: Callable[[str], None]) -> None:
        super().__init__(server.engine, server.name)
        self._location = location
        self._warn = warn
        self._local = False
        self._run: tuple[Run, Sequence[Case], int] | None = None
        self._environments: list[Environment] = []
        self._results: dict[tuple[Case, int], Result] = {}

    def add_run(self, run: Run, plan: Sequence[Case], rounds: int) -> None:
        """As of `Store`."""
        self._run = run, plan, rounds
        self._either(lambda: Store.add_run(self, run, plan, rounds))

    def resume_run(self, run: Run) -> list[Result]:
        """As of `Store`; the outbox may come to need what the server holds of it."""
        results = super().resume_run(run)
        self._run = (run, *self.plan(run.id))
        self._environments = list(self.environments(run.id).values())
        self._results = {(result.case, result.round): result for result in results}
        return results

    def add_environment(self, run_id: str, environment: Environment) -> None:
        """As of `Store`."""
        self._environments.append(environment)
        self._either(lambda: Store.add_environment(self, run_id, environment))

    def add_results(self, run_id: str, results: Sequence[Result], *, retried: bool = False) -> int:
        """As of `Store`."""
        stored = self._either(lambda: Store.add_results(self, run_id, results, retried=retried))
        self._results |= {(result.case, result.round): result for result in results}
        return stored

    def save_baseline(self, name: str, run_id: str) -> Baseline:
        """As of `Store`; a name in the outbox goes to the server with the run that it points to."""
        return self._either(lambda: Store.save_baseline(self, name, run_id))

    def rows(self, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        """As of `Store`; every reading method goes through here."""
        return self._either(lambda: Store.rows(self, query))

    def _either(self, ask: Callable[[], Value]) -> Value:
        """The server's answer or, once it has failed in any way, the outbox's."""
        try:
            return ask()
        except StoreError as error:
            if self._local or self._run is None:
                raise
            self._go_local(error)
            return ask()

    def _go_local(self, error: StoreError) -> None:
        assert self._run is not None
        run, plan, rounds = self._run
        outbox = open_store(OUTBOX, create=True)
        outbox.add_run(run, plan, rounds)
        for environment in self._environments:
            outbox.add_environment(run.id, environment)
        outbox.add_results(run.id, list(self._results.values()), retried=True)
        self.engine.dispose()
        self.engine, self.name, self._local = outbox.engine, outbox.name, True
        self._warn(_warning(error, self._location))
