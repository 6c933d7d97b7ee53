"""Durable results: SQLite by default, one commit per (case, round).

A record that `add_result` has returned for survives a kill -9 at any later moment. A file that is not ours, or is
newer than we are, is refused by name and never written to.
"""

from __future__ import annotations

import datetime
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from dctbench.calibration import Calibration
from dctbench.errors import StoreError, UsageError
from dctbench.model import Case, Environment, Result, Run, canonical_json
from dctbench.store import records, schema

MAX_LABEL = 200
_BUSY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunState:
    """A run and how far it got: `stored` of `planned` (case, round) pairs, and how many failed."""

    run: Run
    planned: int
    stored: int
    failed: int

    @property
    def complete(self) -> bool:
        """Whether everything that was planned has a result."""
        return self.stored >= self.planned


class Store:
    """Runs, their plans, environments and results. Make one with `open_store`; use it as a context manager."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._engine.dispose()

    def add_run(self, run: Run, plan: Sequence[Case], rounds: int) -> None:
        """Store a run and its plan, before its first case is measured."""
        rows = [
            {"run_id": run.id, "case_id": case.id, "position": i, "rounds": rounds, "record": _case_record(case)}
            for i, case in enumerate(plan)
        ]
        with self._writing() as connection:
            connection.execute(insert(schema.runs).on_conflict_do_nothing(), records.row_of_run(run))
            if rows:
                connection.execute(insert(schema.cases).on_conflict_do_nothing(), rows)

    def add_environment(self, run_id: str, environment: Environment) -> None:
        """Store where results of a run were taken; the first word on a (run, fingerprint, host) stays."""
        row = {
            "run_id": run_id,
            "fingerprint": environment.fingerprint,
            "host": environment.host,
            "facts": canonical_json(dict(environment.facts)),
        }
        with self._writing() as connection:
            connection.execute(insert(schema.environments).on_conflict_do_nothing(), row)

    def add_result(self, run_id: str, result: Result) -> bool:
        """Store one result and commit; False when that (run, case, round) is there already, which keeps the first."""
        statement = insert(schema.results).on_conflict_do_nothing().returning(schema.results.c.round)
        with self._writing() as connection:
            return connection.execute(statement, records.row_of_result(run_id, result)).first() is not None

    def runs(self) -> list[RunState]:
        """Every run, the oldest first."""
        planned = (
            sa.select(schema.cases.c.run_id, sa.func.sum(schema.cases.c.rounds).label("planned"))
            .group_by(schema.cases.c.run_id)
            .subquery()
        )
        failed = sa.case((schema.results.c.status.in_(["error", "timeout"]), 1), else_=0)
        stored = (
            sa.select(schema.results.c.run_id, sa.func.count().label("stored"), sa.func.sum(failed).label("failed"))
            .group_by(schema.results.c.run_id)
            .subquery()
        )
        query = (
            sa.select(schema.runs, planned.c.planned, stored.c.stored, stored.c.failed)
            .outerjoin(planned, planned.c.run_id == schema.runs.c.id)
            .outerjoin(stored, stored.c.run_id == schema.runs.c.id)
            .order_by(schema.runs.c.started_at, schema.runs.c.id)
        )
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            RunState(records.run_of_row(dict(row)), row["planned"] or 0, row["stored"] or 0, row["failed"] or 0)
            for row in rows
        ]

    def find_run(self, reference: str = "latest") -> RunState:
        """The run that `reference` names: an id or a unique start of it, latest, latest~N, or a label (its newest run).

        Raises:
            UsageError: when it names none, or several ids start so.
        """
        states = self.runs()
        if not states:
            raise UsageError(f"the store {self.name} holds no runs", hint="measure something: dctbench run")
        word, tilde, back = reference.partition("~")
        if word == "latest" and (not tilde or (back.isascii() and back.isdigit())):
            steps = int(back[:9]) if tilde else 0
            if steps >= len(states):
                raise UsageError(f"no run {reference!r}: the store holds {len(states)}", hint="see dctbench list runs")
            return states[-1 - steps]
        starting = [state for state in states if state.run.id.startswith(reference)] if len(reference) >= 4 else []
        if len(starting) == 1:
            return starting[0]
        labelled = [state for state in states if state.run.label == reference]
        if labelled:
            return labelled[-1]
        if starting:
            raise UsageError(f"{len(starting)} runs start with {reference!r}", hint="give more digits of the id")
        raise UsageError(f"no run {reference!r} in {self.name}", hint="see dctbench list runs")

    def plan(self, run_id: str) -> tuple[list[Case], int]:
        """What a run set out to measure, in order, and in how many rounds."""
        query = sa.select(schema.cases).where(schema.cases.c.run_id == run_id).order_by(schema.cases.c.position)
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [Case.from_json(json.loads(row["record"])) for row in rows], max(
            (row["rounds"] for row in rows), default=1
        )

    def results(self, run_id: str) -> list[Result]:
        """Every result of a run, in the order of its plan, round after round.

        Raises:
            StoreError: when a record is not what was written.
        """
        query = (
            sa.select(schema.results, schema.cases.c.record.label("case_record"))
            .join(
                schema.cases,
                sa.and_(
                    schema.cases.c.run_id == schema.results.c.run_id, schema.cases.c.case_id == schema.results.c.case_id
                ),
            )
            .where(schema.results.c.run_id == run_id)
            .order_by(schema.cases.c.position, schema.results.c.round)
        )
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [records.result_of_row(dict(row), Case.from_json(json.loads(row["case_record"]))) for row in rows]

    def environments(self, run_id: str) -> dict[str, Environment]:
        """The environments of a run by fingerprint."""
        query = sa.select(schema.environments).where(schema.environments.c.run_id == run_id)
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["fingerprint"]: Environment(json.loads(row["facts"]), row["fingerprint"]) for row in rows}

    def add_calibration(self, fingerprint: str, calibration: Calibration) -> None:
        """Store what a device can do at most, in place of what was stored for that fingerprint and device before."""
        row = records.row_of_calibration(fingerprint, calibration)
        statement = insert(schema.calibrations).values(row)
        keys = [schema.calibrations.c.fingerprint, schema.calibrations.c.device]
        with self._writing() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=row))

    def calibration(self, fingerprint: str, device: str = "cpu") -> Calibration | None:
        """What a device was measured to do at most in that environment, or None where nobody measured it.

        Raises:
            StoreError: when the record is not what was written.
        """
        table = schema.calibrations
        query = sa.select(table).where(table.c.fingerprint == fingerprint, table.c.device == device)
        with self._reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else records.calibration_of_row(dict(row))

    def calibrations(self, fingerprint: str) -> dict[str, Calibration]:
        """The calibrations of every device in that environment, by device."""
        table = schema.calibrations
        query = sa.select(table).where(table.c.fingerprint == fingerprint).order_by(table.c.device)
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["device"]: records.calibration_of_row(dict(row)) for row in rows}

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with _translated(self.name), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _translated(self.name), self._engine.connect() as connection:
            yield connection


def open_store(location: str, *, create: bool = False) -> Store:
    """The store at a path.

    Args:
        location: a path of an SQLite file.
        create: make it, and its folder, when it does not exist.

    Raises:
        StoreError: when it is missing (and not to be made), not a store of ours, newer than this version, damaged,
            or cannot be read or written.
    """
    path = Path(location)
    if not path.exists():
        if not create:
            raise StoreError(f"there is no store at {location}", hint="measure something first: dctbench run")
        _create(path)
    found = _schema_number(path)
    engine = _engine(path)
    if found < schema.NEWEST:
        _migrate(engine, location)
    return Store(engine, location)


def results_of_machine(location: str, fingerprint: str) -> list[Result]:
    """The results of the latest run taken in that environment; none where there is no such run, or no store yet."""
    if not Path(location).exists():
        return []
    query = (
        sa.select(schema.environments.c.run_id)
        .join(schema.runs, schema.runs.c.id == schema.environments.c.run_id)
        .where(schema.environments.c.fingerprint == fingerprint)
        .order_by(schema.runs.c.started_at.desc())
        .limit(1)
    )
    with open_store(location) as store:
        with store._reading() as connection:
            run_id = connection.execute(query).scalar()
        return store.results(run_id) if run_id else []


def _create(path: Path) -> None:
    """Make a whole store beside the path and link it there, so that nobody ever sees half of one."""
    with _translated(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.name == ".dctbench" and not (path.parent / ".gitignore").exists():
            (path.parent / ".gitignore").write_text("*\n", encoding="ascii")
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-store-") as folder:
            fresh = Path(folder) / path.name
            engine = _engine(fresh)
            with engine.begin() as connection:
                schema.metadata.create_all(connection)
                _record(connection, schema.MIGRATIONS)
                connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            engine.dispose()
            try:
                os.link(fresh, path)
            except FileExistsError:  # another run was faster: its store is as good as ours
                return


def _migrate(engine: sa.Engine, name: str) -> None:
    """Bring an older store up to date: all of the missing steps, or none of them."""
    with _translated(name), engine.begin() as connection:
        # Writing first takes the lock: of two processes that found an old store, the second finds nothing missing.
        connection.execute(sa.update(schema.migrations).values(number=schema.migrations.c.number))
        found = connection.execute(sa.select(sa.func.max(schema.migrations.c.number))).scalar_one()
        missing = [migration for migration in schema.MIGRATIONS if migration.number > found]
        for migration in missing:
            for statement in migration.statements:
                connection.exec_driver_sql(statement)
        if missing:
            _record(connection, missing)


def _record(connection: sa.Connection, applied: Sequence[schema.Migration]) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    connection.execute(
        sa.insert(schema.migrations), [{"number": m.number, "name": m.name, "applied_at": now} for m in applied]
    )


def _schema_number(path: Path) -> int:
    """The newest migration of a store of ours.

    Looks before the file is opened for good: SQLite would happily adopt an empty file or another program's database.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder, not a store", hint="name a file: --store results.sqlite")
    with _translated(str(path)):
        if path.stat().st_size == 0:
            raise StoreError(f"{path} is an empty file, not a store", hint="remove it, or name another with --store")
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            if application != schema.APPLICATION_ID:
                raise StoreError(f"{path} is a database of another program", hint="name another with --store")
            newest = connection.execute("SELECT max(number) FROM dctbench_migrations").fetchone()[0]
        connection.close()
    if newest > schema.NEWEST:
        raise StoreError(
            f"{path} was written by a newer dctbench (schema {newest}, this one knows {schema.NEWEST})",
            hint="upgrade dctbench, or name another store with --store",
        )
    return int(newest)


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_SECONDS}, poolclass=sa.pool.NullPool
    )

    @sa.event.listens_for(engine, "connect")
    def _durable(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # sqlite3 would commit before every CREATE and ALTER: BEGIN is ours, below
        # A rollback journal and a full sync survive power loss; WAL has had a corruption bug with two connections.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Every failure of the file or the database as one sentence with a remedy."""
    try:
        yield
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        text = str(getattr(error, "orig", None) or error)
        raise StoreError(f"store {name}: {text}", hint=_remedy(text)) from error
    except OSError as error:
        raise StoreError(f"store {name}: {error.strerror or error}", hint="name another with --store") from error


def _remedy(text: str) -> str:
    remedies: Mapping[str, str] = {
        "readonly": "the file or its folder cannot be written; name another with --store",
        "unable to open": "the file or its folder cannot be opened; name another with --store",
        "disk is full": "free some space; everything stored so far is whole",
        "disk I/O": "the disk refused; everything stored so far is whole",
        "not a database": "it is damaged or of another program, and was left as it is; name another with --store",
        "malformed": "it is damaged and was left as it is; `sqlite3 FILE .recover` may salvage rows",
        "locked": "another process holds it; try again when that is done",
    }
    return next((hint for words, hint in remedies.items() if words in text), "name another store with --store")


def _case_record(case: Case) -> str:
    return canonical_json({key: value for key, value in case.to_json().items() if key != "n_kept"})


def clean_label(label: str) -> str:
    """A label without control characters, at most 200 characters: it goes to terminals and pages."""
    return "".join(char for char in label if char.isprintable())[:MAX_LABEL].strip()
