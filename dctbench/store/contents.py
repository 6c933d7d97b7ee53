"""The contents of a store: runs, their plans, environments, results, calibrations and baselines."""

from __future__ import annotations

import datetime
import os
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from dctbench.errors import UsageError
from dctbench.machine.calibration import Calibration
from dctbench.model import FAILED, RETRYABLE, Baseline, Case, Environment, Result, Run
from dctbench.store import decoding, records, schema
from dctbench.store.engines import batches, hurry, insert, rows_of, transaction
from dctbench.store.errors import DamagedError
from dctbench.store.failures import translated
from dctbench.store.gc_pause import gc_paused
from dctbench.store.joining import joined_runs
from dctbench.store.location import store_flags
from dctbench.store.naming import checked_baseline_name, find_run_id

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RunState:
    """A run and its progress: `stored` of `planned` (case, round) pairs have a result, and `failed` of these failed.

    `started` of them were started and have not ended since: they are measured right now, or ended their process.
    """

    run: Run
    planned: int
    stored: int
    failed: int
    started: int = 0

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
        self._held: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.engine.dispose()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def hold_file(self) -> None:
        """Remember the file of this store until it is closed, so that `place_of_held_file` can find it again.

        Closing it before the end of a transaction would release the locks that SQLite has on the file.
        """
        with translated(self.name):
            self._held = os.open(self.name, os.O_RDONLY | os.O_CLOEXEC)

    def place_of_held_file(self) -> str | None:
        """Return where the file is now that `hold_file` remembered; None if it was deleted or nobody can tell."""
        try:
            place = os.readlink(f"/proc/self/fd/{self._held}")
            return place if self._held is not None and os.path.samestat(os.fstat(self._held), os.stat(place)) else None
        except OSError:
            return None

    def add_run(self, run: Run, plan: Sequence[Case], rounds: int | Mapping[Case, int]) -> None:
        """Store a run and its plan before the first case is measured: the cases, and the rounds of each or of all.

        A shard joins the others of its sweep.
        """
        by_case = dict.fromkeys(plan, rounds) if isinstance(rounds, int) else rounds
        rows = [records.row_of_case(run.id, case, i, by_case[case]) for i, case in enumerate(plan)]
        with self.transaction() as connection:
            self.join_run(connection, records.row_of_run(run))
            if rows:
                connection.execute(self.insert(schema.cases).on_conflict_do_nothing(), rows)

    def join_run(
        self,
        connection: sa.Connection,
        row: Mapping[str, Any],
        join: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]] = joined_runs,
    ) -> None:
        """Insert a run that arrives now, or join its record with the one of the same id (`store.joining`).

        Args:
            connection: a transaction.
            row: of the run.
            join: returns what becomes of the record that is there, the first argument, and of `row`.
        """
        runs = schema.runs
        # Insert before comparing: nobody else can store or change the record before the end of the transaction.
        connection.execute(self._insert_run(row).on_conflict_do_nothing())
        [known] = rows_of(connection, sa.select(runs).where(runs.c.id == row["id"]).with_for_update())
        if decoding.damaged("runs", known) is None:
            joined = join(known, row)
        else:  # the other record mends it
            joined = {**known, **{name: value for name, value in row.items() if name not in schema.OWN_COLUMNS}}
        if joined != known:
            connection.execute(sa.update(runs).where(runs.c.id == row["id"]).values(**joined))

    def resume_run(self, run: Run) -> list[Result]:
        """Return the results that the run already has, to resume it in this store."""
        return self.results(run.id)

    def add_environment(self, run_id: str, environment: Environment) -> None:
        """Store an environment of a run. The first record of a (run, fingerprint, host) stays."""
        row = records.row_of_environment(run_id, environment)
        with self.transaction() as connection:
            connection.execute(self.insert(schema.environments).on_conflict_do_nothing(), row)

    def _insert_run(self, row: Mapping[str, Any]) -> Any:
        """Return the insert of a run that arrives now, after all that are in the store."""
        runs = schema.runs
        last = sa.select(sa.func.coalesce(sa.func.max(runs.c.arrived), 0)).scalar_subquery()
        return self.insert(runs).values({**row, "arrived": last + 1})

    def start_case(self, run_id: str, case: Case, round: int) -> None:
        """Note durably that a case is about to run. `add_result` and `end_case` forget it."""
        table = schema.attempts
        row = {"run_id": run_id, "case_id": case.id, "round": round, "number": 1}
        statement = self.insert(table).values(row)
        with self.transaction() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=list(table.primary_key), set_={"number": table.c.number + 1}
                )
            )

    def end_case(self, run_id: str, case: Case, round: int) -> None:
        """Forget the attempts at a case: it has not ended the run."""
        with self.transaction() as connection:
            forget_attempts(connection, run_id, [(case.id, round)])

    def attempts(self, run_id: str) -> dict[tuple[str, int], int]:
        """Return how often each case without a result was started, by the id of the case and the round."""
        table = schema.attempts
        rows = self.rows(sa.select(table).where(table.c.run_id == run_id))
        return {(row["case_id"], row["round"]): _count(row["number"]) for row in rows}

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
                forget_attempts(connection, run_id, [(row["case_id"], row["round"]) for row in batch])
        return stored

    def runs(self, damage: list[str] | None = None) -> list[RunState]:
        """Return every run, in the order in which they arrived in this store.

        Args:
            damage: where to note damaged records, which are then left out.

        Raises:
            DamagedError: when a record is damaged and `damage` is not given.
        """
        return self._states(sa.true(), damage)

    def state(self, run_id: str) -> RunState:
        """Return a run and its progress. `run_id` is the full id of a stored run.

        Raises:
            DamagedError: when its record is damaged or missing. Another process may have just removed the run.
        """
        for found in self._states(schema.runs.c.id == run_id, None):
            return found
        raise DamagedError(f"run {run_id} is no longer in {self.name}", hint="see dctbench list runs")

    def progress(self, run_id: str) -> RunState | None:
        """Return a run and its progress, or None when the store does not have it, or only a damaged record of it."""
        return next(iter(self._states(schema.runs.c.id == run_id, [])), None)

    def hurry(self) -> None:
        """From now on wait for other processes a short time only, as a command that was interrupted must."""
        hurry(self.engine)

    def _states(self, condition: sa.ColumnElement[bool], damage: list[str] | None) -> list[RunState]:
        runs, cases, results, attempts = schema.runs, schema.cases, schema.results, schema.attempts
        planned = sa.select(sa.func.sum(cases.c.rounds)).where(cases.c.run_id == runs.c.id).scalar_subquery()
        stored = sa.select(sa.func.count()).where(results.c.run_id == runs.c.id)
        numbers = {
            "planned": planned,
            "stored": stored.scalar_subquery(),
            "failed": stored.where(results.c.status.in_(sorted(FAILED))).scalar_subquery(),
            "started": sa.select(sa.func.count()).where(attempts.c.run_id == runs.c.id).scalar_subquery(),
        }
        columns = [number.label(name) for name, number in numbers.items()]
        query = sa.select(runs, *columns).where(condition).order_by(*schema.ARRIVAL)

        def state(row: Mapping[str, Any]) -> RunState:
            return RunState(decoding.run_of_row(row), *(_count(row[name]) for name in numbers))

        return list(_intact(self.rows(query), state, damage))

    def find_run(self, reference: str = "latest") -> RunState:
        """Return the run that `reference` means.

        Args:
            reference: an id or a unique prefix of one, `latest` (the run that arrived last), `latest~N`, a label (the
                last run with it) or a baseline; tried in this order.

        Raises:
            UsageError: when no run matches, or several ids have that prefix.
            DamagedError: when it is a baseline whose run is missing.
        """
        table = schema.runs
        query = sa.select(table.c.id, table.c.label).order_by(*schema.ARRIVAL)
        known = [(row["id"], row["label"]) for row in self.rows(query) if isinstance(row["id"], str)]
        if not known:
            raise UsageError(f"the store {self.name} holds no runs", hint="measure something first: dctbench run")
        found = find_run_id(known, reference, self._run_of_baseline)
        if found is None:
            raise UsageError(f"no run {reference!r} in {self.name}", hint="see dctbench list runs")
        if all(found != run_id for run_id, _ in known):
            place = store_flags(self.name)
            forget = shlex.join(["dctbench", "store", "forget", reference, *place])
            again = shlex.join(["dctbench", "run", "--save-baseline", reference, *place])
            raise DamagedError(
                f"the baseline {reference!r} points to run {found}, which is not in {self.name}",
                hint=f"save it again ({again}), or remove the name: {forget}",
            )
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

    def baselines(self, damage: list[str] | None = None) -> list[Baseline]:
        """Return every baseline, sorted by name. `damage` is as in `runs`.

        Raises:
            DamagedError: when a record is damaged and `damage` is not given.
        """
        rows = self.rows(sa.select(schema.baselines))
        return sorted(_intact(rows, decoding.baseline_of_row, damage), key=lambda baseline: baseline.name)

    def _run_of_baseline(self, name: str) -> str | None:
        table = schema.baselines
        rows = self.rows(sa.select(table).where(table.c.name == name)) if name.isprintable() else []
        return decoding.baseline_of_row(rows[0]).run_id if rows else None

    def plan(self, run_id: str, damage: list[str] | None = None) -> tuple[list[Case], int]:
        """Return the planned cases of a run in order, and the most rounds of any. `damage` is as in `runs`.

        Raises:
            DamagedError: when a record is damaged and `damage` is not given.
        """
        read = self.planned_rounds(run_id, damage)
        return list(read), max(read.values(), default=1)

    def planned_rounds(self, run_id: str, damage: list[str] | None = None) -> dict[Case, int]:
        """Return the number of rounds of each planned case of a run, in order. `damage` and errors are as in `plan`."""
        rows = self.rows(_planned(run_id))
        return dict(_intact(rows, lambda row: (decoding.case_of_row(row), row["rounds"]), damage))

    def results(
        self, run_id: str, case_ids: Collection[str] | None = None, damage: list[str] | None = None
    ) -> list[Result]:
        """Return the results of a run, or of some of its cases, in the order of its plan and by round.

        Args:
            run_id: the full id of a stored run.
            case_ids: of the cases; None for all of them.
            damage: where to note damaged records, which are then left out. It does not get those of the plan.

        Raises:
            DamagedError: when a record is damaged and `damage` is not given.
        """
        conditions = [schema.results.c.run_id == run_id]
        if case_ids is not None:
            conditions.append(schema.results.c.case_id.in_(case_ids))
        with gc_paused():
            planned, rows = self.snapshot(_planned(run_id), sa.select(schema.results).where(*conditions))
        lost: list[str] | None = None if damage is None else []
        cases = _intact(planned, lambda row: (row["case_id"], decoding.case_of_row(row)), lost)
        positions = {case_id: (i, case) for i, (case_id, case) in enumerate(cases)}

        def place(row: Mapping[str, Any]) -> tuple[int, int, Result]:
            decoding.verify("results", row)
            if row["case_id"] not in positions:
                raise DamagedError(
                    f"the plan of run {run_id} lacks case {row['case_id']}, but the store has results for it",
                )
            position, case = positions[row["case_id"]]
            return position, row["round"], decoding.result_of_row(row, case)

        with gc_paused():
            found = list(_intact(rows, place, damage))
        return [result for *_, result in sorted(found, key=itemgetter(0, 1))]

    def environments(self, run_id: str, damage: list[str] | None = None) -> dict[str, Environment]:
        """Return the environments of a run by fingerprint. `damage` is as in `runs`.

        Of two records of one environment, one that was measured comes before one of an export, which tells less.

        Raises:
            DamagedError: when a record is damaged and `damage` is not given.
        """
        table = schema.environments
        rows = self.rows(sa.select(table).where(table.c.run_id == run_id).order_by(table.c.host))
        found = list(_intact(rows, decoding.environment_of_row, damage))
        return {one.fingerprint: one for one in sorted(found, key=lambda one: not one.labelled)}

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
        return decoding.calibration_of_row(rows[0]) if rows else None

    def calibrations(self, fingerprint: str) -> dict[str, Calibration]:
        """Return the calibrations in that environment by device.

        Raises:
            DamagedError: when a record is damaged.
        """
        table = schema.calibrations
        rows = self.rows(sa.select(table).where(table.c.fingerprint == fingerprint).order_by(table.c.device))
        return {row["device"]: decoding.calibration_of_row(row) for row in rows}

    def latest_run_of(self, fingerprint: str) -> str | None:
        """Return the id of the latest run in that environment, or None when there is none."""
        query = (
            sa.select(schema.environments.c.run_id)
            .join(schema.runs, schema.runs.c.id == schema.environments.c.run_id)
            .where(schema.environments.c.fingerprint == fingerprint)
            .order_by(*(column.desc() for column in schema.ARRIVAL))
            .limit(1)
        )
        rows = self.rows(query)
        return rows[0]["run_id"] if rows else None

    def runs_started_after(self, started_at: str) -> list[str]:
        """Return the ids of the runs with a later start, the latest last. Times are UTC as in `Run.started_at`."""
        column = schema.runs.c.started_at
        rows = self.rows(sa.select(schema.runs.c.id).where(column > started_at).order_by(column))
        return [str(row["id"]) for row in rows]

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
        [found] = self.snapshot(query)
        return found

    def snapshot(self, *queries: sa.Select[Any]) -> list[list[Mapping[str, Any]]]:
        """Return the rows of each query, all as of one moment: another process may write between two of them."""
        with translated(self.name), transaction(self.engine, snapshot=len(queries) > 1) as connection:
            return [rows_of(connection, query) for query in queries]


def _planned(run_id: str) -> sa.Select[Any]:
    """Return the query of the plan of a run, in its order."""
    table = schema.cases
    return sa.select(table).where(table.c.run_id == run_id).order_by(table.c.position, table.c.case_id)


def one_of(column: Any, words: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a column holds one of the words. `IN` does not work in an `executemany` statement."""
    return sa.or_(*(column == word for word in sorted(words)))


def _intact(
    rows: Iterable[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], _T], damage: list[str] | None
) -> Iterator[_T]:
    """Yield what `read` makes of each row. Note damaged rows in `damage` and leave them out, if it is a list."""
    for row in rows:
        try:
            yield read(row)
        except DamagedError as error:
            if damage is None:
                raise
            damage.append(error.message)


def forget_attempts(connection: sa.Connection, run_id: str, keys: Sequence[tuple[str, int]]) -> None:
    """Forget the attempts at the cases and rounds of a run: they have a result, or did not end the run."""
    table = schema.attempts
    of_keys = sa.tuple_(table.c.case_id, table.c.round).in_(keys)
    connection.execute(sa.delete(table).where(table.c.run_id == run_id, of_keys))


def _count(value: object) -> int:
    """Return a sum over a column of a file in which anything may stand, as a number of results."""
    return value if isinstance(value, int) and value > 0 else 0
