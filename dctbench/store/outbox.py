"""The outbox: a local store that takes over when the server of a run becomes unreachable.

The outbox receives the whole run, not only what the server lacks, so that the run can be shown and resumed without the
server. A check and the noise store two runs, and both are copied. The calibrations that the run goes by are copied too,
since a run with other planner rates would be another one. `store push` merges the outbox into the server, which stores
nothing twice.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.machine.calibration import Calibration
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
        StoreError: as `open_store`, except that an unreachable server is an error only if `create` is false and there
            is no outbox, from which a run could be resumed.
    """
    if not is_url(location):
        store = open_store(location, create=create)
        store.hold_file()
        return store
    try:
        server = open_store(location, create=create)
    except UnreachableError as error:
        if not create and not Path(OUTBOX).exists():
            raise
        warn(_warning(error, location, "results go to" if create else "resuming from the outbox, and results go to"))
        return open_store(OUTBOX, create=create)
    return _StoreWithOutbox(server, location, warn)


def _warning(error: StoreError, location: str, use: str) -> str:
    push = shlex.join(["dctbench", "store", "push", masked(location)])
    return f"warning: {error.message}\n  {use} {OUTBOX}; send them later: {push}"


@dataclass(slots=True)
class _Written:
    """What this process knows of a run that it writes, to store it elsewhere without the server.

    Attributes:
        run: the run.
        plan: what of it this process measures: of a shard, not the cases of the others.
        rounds: of each case, or of all.
        begun: whether the server has the run.
        environments: of the run.
        results: of the cases of the plan, by case and round.
    """

    run: Run
    plan: Sequence[Case]
    rounds: int | Mapping[Case, int]
    begun: bool = False
    environments: list[Environment] = field(default_factory=list)
    results: dict[tuple[Case, int], Result] = field(default_factory=dict)

    def add(self, results: Sequence[Result]) -> None:
        """Remember results that are stored."""
        self.results |= {(result.case, result.round): result for result in results}

    def copy_to(self, store: Store) -> None:
        """Store the run with all that is known of it."""
        store.add_run(self.run, self.plan, self.rounds)
        for environment in self.environments:
            store.add_environment(self.run.id, environment)
        store.add_results(self.run.id, list(self.results.values()), retried=True)

    @property
    def progress(self) -> RunState:
        """The run and its progress."""
        failed = sum(result.status in FAILED for result in self.results.values())
        planned = len(self.plan) * self.rounds if isinstance(self.rounds, int) else sum(self.rounds.values())
        return RunState(self.run, planned, len(self.results), failed)


class _StoreWithOutbox(Store):
    """The store of a process on a server. Once the server has failed, the outbox with all its runs takes its place."""

    def __init__(self, server: Store, location: str, warn: Callable[[str], None]) -> None:
        super().__init__(server.engine, server.name)
        self._location = location
        self._warn = warn
        self._switched = False
        self._hurried = False
        self._written: dict[str, _Written] = {}
        self._calibrations: dict[str, dict[str, Calibration]] = {}

    def add_run(self, run: Run, plan: Sequence[Case], rounds: int | Mapping[Case, int]) -> None:
        """Store a run and its plan before the first case is measured."""
        written = _Written(run, plan, rounds)
        earlier = self._written.get(run.id)
        if earlier is not None:  # a shard that goes on, of which the server may have others
            written.begun, written.environments = earlier.begun, earlier.environments
            planned = set(plan)
            written.add([result for result in earlier.results.values() if result.case in planned])
        self._written[run.id] = written
        self._with_fallback(lambda: Store.add_run(self, run, plan, rounds))
        written.begun = True

    def resume_run(self, run: Run) -> list[Result]:
        """Return the results that the run already has, and remember them: the outbox may need them."""
        results = super().resume_run(run)
        rounds = self.planned_rounds(run.id)
        written = _Written(run, list(rounds), rounds, bool(rounds), list(self.environments(run.id).values()))
        written.add(results)
        self._written[run.id] = written
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
        written = self._written.get(run_id)
        return written.progress if written is not None and written.begun else None

    def add_environment(self, run_id: str, environment: Environment) -> None:
        """Store an environment of the run."""
        self._written[run_id].environments.append(environment)
        self._with_fallback(lambda: Store.add_environment(self, run_id, environment))

    def add_results(self, run_id: str, results: Sequence[Result], *, retried: bool = False) -> int:
        """Store results and return how many are new."""
        stored = self._with_fallback(lambda: Store.add_results(self, run_id, results, retried=retried))
        self._written[run_id].add(results)
        return stored

    def calibrations(self, fingerprint: str) -> dict[str, Calibration]:
        """Return the calibrations in that environment, and remember them: the run goes by them in the outbox, too."""
        found = super().calibrations(fingerprint)
        self._calibrations[fingerprint] = found
        return found

    def start_case(self, run_id: str, case: Case, round: int) -> None:
        """Note durably that a case is about to run."""
        self._with_fallback(lambda: Store.start_case(self, run_id, case, round))

    def end_case(self, run_id: str, case: Case, round: int) -> None:
        """Forget the attempts at a case."""
        self._with_fallback(lambda: Store.end_case(self, run_id, case, round))

    def save_baseline(self, name: str, run_id: str) -> Baseline:
        """Save a baseline. In the outbox, it reaches the server together with its run."""
        return self._with_fallback(lambda: Store.save_baseline(self, name, run_id))

    def snapshot(self, *queries: sa.Select[Any]) -> list[list[Mapping[str, Any]]]:
        """Return the rows of each query, all as of one moment. Every method that reads goes through here."""
        return self._with_fallback(lambda: Store.snapshot(self, *queries))

    def _with_fallback(self, operation: Callable[[], Value]) -> Value:
        """Run an operation on the server or, once the server has failed in any way, on the outbox."""
        try:
            return operation()
        except StoreError as error:
            if self._switched or self._hurried or not self._written:
                raise
            self._switch_to_outbox(error)
            return operation()

    def _switch_to_outbox(self, error: StoreError) -> None:
        outbox = open_store(OUTBOX, create=True)
        for written in self._written.values():
            written.copy_to(outbox)
        for fingerprint, found in self._calibrations.items():
            for calibration in found.values():
                outbox.add_calibration(fingerprint, calibration)
        self.engine.dispose()
        self.engine, self.name, self._switched = outbox.engine, outbox.name, True
        self._warn(_warning(error, self._location, "results go to"))
