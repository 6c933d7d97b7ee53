"""The contents of a store: runs, their plans, environments, results, calibrations and baselines."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Self

import sqlalchemy as sa

from dctbench.errors import UsageError
from dctbench.machine.calibration import Calibration
from dctbench.model import FAILED, RETRYABLE, Baseline, Case, Environment, Result, Run
from dctbench.store import records, schema
from dctbench.store.engines import batches, insert, rows_of, transaction
from dctbench.store.errors import DamagedError
from dctbench.store.failures import translated
from dctbench.store.gc_pause import gc_paused
from dctbench.store.naming import checked_baseline_name, find_run_id


@dataclass(frozen=True, slots=True)
class RunState:
    """A run and its progress: `stored` of `planned` (case, round) pairs have a result, and `failed` of these failed."""

    run: Run
    planned: int
    stored: int
    failed: int

    @property
    def complete(self) -> bool:
        """Whether every planned (case, round) has a result."""
        return self.stored >= self.planned

    @property
    def unfinished(self) -> bool:
        """Whether the run can be resumed. A check cannot: it measures as much as it needs, not what was planned."""
        return not self.complete and not self.run.is_check


class Store:
    """An open store. Get one from `open_store` and use it as a context manager.

    Every method raises StoreError when the file or the server fails.
    """

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.engine.dispose()

    def add_run(self, run: Run, plan: Sequence[Case], rounds: int) -> None:
        """Store a run and its plan before the first case is measured."""
        rows = [records.row_of_case(run.id, case, i, rounds) for i, case in enumerate(plan)]
        with self.transaction() as connection:
            connection.execute(self.insert(schema.runs).on_conflict_do_nothing(), records.row_of_run(run))
            if rows:
                connection.execute(self.insert(schema.cases).on_conflict_do_nothing(), rows)

    def resume_run(self, run: Run) -> list[Result]:
        """Return the results that the run already has, to resume it in this store."""
        return self.results(run.id)

    def add_environment(self, run_id: str, environment: Environment) -> None:
        """Store an environment of a run. The first record of a (run, fingerprint, host) stays."""
        row = records.row_of_environment(run_id, environment)
        with self.transaction() as connection:
            connection.execute(self.insert(schema.environments).on_conflict_do_nothing(), row)

    def add_result(self, run_id: str, result: Result, *, retried: bool = False) -> bool:
        """Store one result and commit.

        Args:
            run_id: the id of a stored run.
            result: a result for a case of the run's plan.
            retried: whether to replace an earlier result whose status is in `RETRYABLE`.

        Returns:
            False when the store already has a result for that (run, case, round), which stays.
        """
        return self.add_results(run_id, [result], retried=retried) == 1

    def add_results(self, run_id: str, results: Sequence[Result], *, retried: bool = False) -> int:
        """Store many results, a few hundred per commit, and return how many are new. See `add_result`."""
        table = schema.results
        statement = self.insert(table)
        if retried:
            statement = statement.on_conflict_do_update(
                index_elements=list(table.primary_key),
                set_={column.name: statement.excluded[column.name] for column in table.columns},
                where=one_of(table.c.status, RETRYABLE),
            )
        else:
            statement = statement.on_conflict_do_nothing()
        returning = statement.returning(table.c.round)
        stored = 0
        for batch in batches([records.row_of_result(run_id, result) for result in results]):
            with self.transaction() as connection:
                stored += len(connection.execute(returning, batch).all())
        return stored

    def runs(self) -> list[RunState]:
        """Return every run, the oldest first."""
        return self._states(sa.true())

    def state(self, run_id: str) -> RunState:
        """Return a run and its progress. `run_id` is the full id of a stored run."""
        return self._states(schema.runs.c.id == run_id)[0]

    def _states(self, condition: sa.ColumnElement[bool]) -> list[RunState]:
        runs, cases, results = schema.runs, schema.cases, schema.results
        planned = sa.select(sa.func.sum(cases.c.rounds)).where(cases.c.run_id == runs.c.id).scalar_subquery()
        stored = sa.select(sa.func.count()).where(results.c.run_id == runs.c.id)
        failed = stored.where(results.c.status.in_(sorted(FAILED))).scalar_subquery()
        query = (
            sa.select(runs, planned.label("planned"), stored.scalar_subquery().label("stored"), failed.label("failed"))
            .where(condition)
            .order_by(runs.c.started_at, runs.c.id)
        )
        rows = self.rows(query)
        return [RunState(records.run_of_row(r), r["planned"] or 0, r["stored"] or 0, r["failed"] or 0) for r in rows]

    def find_run(self, reference: str = "latest") -> RunState:
        """Return the run that `reference` means.

        Args:
            reference: an id or a unique prefix of one, `latest`, `latest~N`, a label (its newest run) or a baseline;
                tried in this order.

        Raises:
            UsageError: when no run matches, or several ids have that prefix.
        """
        table = schema.runs
        query = sa.select(table.c.id, table.c.label).order_by(table.c.started_at, table.c.id)
        known = [(row["id"], row["label"]) for row in self.rows(query)]
        if not known:
            raise UsageError(f"the store {self.name} holds no runs", hint="measure something first: dctbench run")
        found = find_run_id(known, reference, self._run_of_baseline)
        if found is None:
            raise UsageError(f"no run {reference!r} in {self.name}", hint="see dctbench list runs")
        return self.state(found)

    def save_baseline(self, name: str, run_id: str) -> Baseline:
        """Let a baseline name point to a stored run. An earlier use of the name is replaced.

        Args:
            name: printable, at most 200 characters.
            run_id: the full id of a stored run. The database refuses any other.

        Raises:
            UsageError: when the name is not allowed; see `checked_baseline_name`.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
        baseline = Baseline(checked_baseline_name(name), run_id, now)
        row = records.row_of_baseline(baseline)
        statement = self.insert(schema.baselines).values(row)
        with self.transaction() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
        return baseline

    def baselines(self) -> list[Baseline]:
        """Return every baseline, sorted by name.

        Raises:
            DamagedError: when a record is damaged.
        """
        rows = self.rows(sa.select(schema.baselines))
        return sorted(map(records.baseline_of_row, rows), key=lambda baseline: baseline.name)

    def _run_of_baseline(self, name: str) -> str | None:
        table = schema.baselines
        rows = self.rows(sa.select(table).where(table.c.name == name)) if name.isprintable() else []
        return records.baseline_of_row(rows[0]).run_id if rows else None

    def plan(self, run_id: str) -> tuple[list[Case], int]:
        """Return the planned cases of a run in order, and the number of rounds.

        Raises:
            DamagedError: when a record is damaged.
        """
        rows = self._planned(run_id)
        return [records.case_of_row(row) for row in rows], max((row["rounds"] for row in rows), default=1)

    def _planned(self, run_id: str) -> list[Mapping[str, Any]]:
        table = schema.cases
        return self.rows(sa.select(table).where(table.c.run_id == run_id).order_by(table.c.position, table.c.case_id))

    def results(self, run_id: str, case_ids: Collection[str] | None = None) -> list[Result]:
        """Return the results of a run, or of some of its cases, in the order of its plan and by round.

        Raises:
            DamagedError: when a record is damaged.
        """
        positions = {row["case_id"]: (i, records.case_of_row(row)) for i, row in enumerate(self._planned(run_id))}
        conditions = [schema.results.c.run_id == run_id]
        if case_ids is not None:
            conditions.append(schema.results.c.case_id.in_(case_ids))
        found = []
        with gc_paused():
            for row in self.rows(sa.select(schema.results).where(*conditions)):
                records.verify("results", row)
                if row["case_id"] not in positions:
                    raise DamagedError(
                        f"the plan of run {run_id} lacks case {row['case_id']}, but the store has results for it",
                    )
                position, case = positions[row["case_id"]]
                found.append((position, row["round"], records.result_of_row(row, case)))
        return [result for *_, result in sorted(found, key=itemgetter(0, 1))]

    def environments(self, run_id: str) -> dict[str, Environment]:
        """Return the environments of a run by fingerprint.

        Raises:
            DamagedError: when a record is damaged.
        """
        table = schema.environments
        rows = self.rows(sa.select(table).where(table.c.run_id == run_id).order_by(table.c.host))
        return {row["fingerprint"]: records.environment_of_row(row) for row in rows}

    def add_calibration(self, fingerprint: str, calibration: Calibration) -> None:
        """Store the calibration of a device. An earlier one for the same fingerprint and device is replaced."""
        row = records.row_of_calibration(fingerprint, calibration)
        statement = self.insert(schema.calibrations).values(row)
        keys = list(schema.calibrations.primary_key)
        with self.transaction() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=row))

    def calibration(self, fingerprint: str, device: str = "cpu") -> Calibration | None:
        """Return the calibration of a device in that environment, or None when there is none.

        Raises:
            DamagedError: when the record is damaged.
        """
        table = schema.calibrations
        rows = self.rows(sa.select(table).where(table.c.fingerprint == fingerprint, table.c.device == device))
        return records.calibration_of_row(rows[0]) if rows else None

    def calibrations(self, fingerprint: str) -> dict[str, Calibration]:
        """Return the calibrations in that environment by device.

        Raises:
            DamagedError: when a record is damaged.
        """
        table = schema.calibrations
        rows = self.rows(sa.select(table).where(table.c.fingerprint == fingerprint).order_by(table.c.device))
        return {row["device"]: records.calibration_of_row(row) for row in rows}

    def latest_run_of(self, fingerprint: str) -> str | None:
        """Return the id of the latest run in that environment, or None when there is none."""
        query = (
            sa.select(schema.environments.c.run_id)
            .join(schema.runs, schema.runs.c.id == schema.environments.c.run_id)
            .where(schema.environments.c.fingerprint == fingerprint)
            .order_by(schema.runs.c.started_at.desc())
            .limit(1)
        )
        rows = self.rows(query)
        return rows[0]["run_id"] if rows else None

    @property
    def insert(self) -> Callable[[sa.Table], Any]:
        """A function that makes an insert in the dialect of this database, which supports `ON CONFLICT`."""
        return lambda table: insert(self.engine, table)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction. It is committed and durable once the block has ended without an error."""
        with translated(self.name), transaction(self.engine) as connection:
            yield connection

    def rows(self, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        """Return the rows of a query, each a mapping from column name to value."""
        with translated(self.name), transaction(self.engine) as connection:
            return rows_of(connection, query)


def one_of(column: Any, words: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a column holds one of the words. `IN` does not work in an `executemany` statement."""
    return sa.or_(*(column == word for word in sorted(words)))
