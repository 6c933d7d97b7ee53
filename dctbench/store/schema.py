"""The tables and their numbered migrations. A released migration is never edited: every change is a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from dctbench.store import records

APPLICATION_ID = 0x64637462  # "dctb": distinguishes our SQLite files from those of other programs

metadata = MetaData()

migrations = Table(
    "dctbench_migrations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("applied_at", String(40), nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("label", Text),
    Column("suite", Text, nullable=False),
    Column("argv", Text, nullable=False),
    Column("started_at", String(40), nullable=False, index=True),
    Column("dctbench_version", String(40), nullable=False),
    Column("settings", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    # The number of the run in the order in which runs arrived in this store. Clocks may be wrong; this decides which
    # run is the latest. No seal covers it, and it is never copied to another store.
    Column("arrived", Integer, nullable=False, server_default=text("0")),
    Index("runs_by_arrival", "arrived"),
)
ARRIVAL = (runs.c.arrived, runs.c.started_at, runs.c.id)
"""The order of runs. Two may have one number: those that two processes stored in one PostgreSQL database at once."""
OWN_COLUMNS = frozenset({"arrived"})
"""The columns whose values belong to one store and are never copied to another."""

# The plan of a run: its cases in the order of the first round.
cases = Table(
    "cases",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("case_id", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("rounds", Integer, nullable=False),
    Column("record", Text, nullable=False),
    Column("sha256", String(64), nullable=False, server_default=""),
    ForeignKeyConstraint(["run_id"], ["runs.id"]),
)

environments = Table(
    "environments",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("host", String(255), primary_key=True),
    Column("facts", Text, nullable=False),
    Column("sha256", String(64), nullable=False, server_default=""),
    ForeignKeyConstraint(["run_id"], ["runs.id"]),
)

# One row per (run, case, round). `metrics` lists each metric with its unit and its number of samples. `samples` holds
# the values of all metrics in this order, as little-endian float64: JSON would be four times as large and as slow.
results = Table(
    "results",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("case_id", String(64), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("status", String(20), nullable=False),
    Column("metrics", Text, nullable=False),
    Column("samples", LargeBinary, nullable=False),
    Column("record", Text, nullable=False),
    Column("stored_at", Float, nullable=False),
    Column("sha256", String(64), nullable=False),
    ForeignKeyConstraint(["run_id"], ["runs.id"]),
    Index("results_by_status", "run_id", "status"),  # the progress of every run without reading its samples
)

# How often a case of a run was started that has no result yet. A case that ends its run each time is not tried forever.
attempts = Table(
    "attempts",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("case_id", String(64), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
    ForeignKeyConstraint(["run_id"], ["runs.id"]),
)

# The peak rates of a machine by fingerprint and device. `record` is a Calibration. A new calibration replaces it.
calibrations = Table(
    "calibrations",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("device", String(64), primary_key=True),
    Column("record", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
)

# Names for runs. The foreign key prevents the removal of a run while a name points to it.
baselines = Table(
    "baselines",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("run_id", String(64), nullable=False),
    Column("saved_at", String(40), nullable=False),
    Column("sha256", String(64), nullable=False),
    ForeignKeyConstraint(["run_id"], ["runs.id"]),
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from the previous schema. A new store gets the newest tables at once, with every step recorded.

    `statements` are SQL that SQLite and PostgreSQL share. `fill` then computes what SQL cannot.
    """

    number: int
    name: str
    statements: Sequence[str] = ()
    fill: Callable[[Connection], None] | None = None


def _seal_plans_and_environments(connection: Connection) -> None:
    for table, keys, value in (
        ("cases", ("run_id", "case_id"), ("position", "rounds", "record")),
        ("environments", ("run_id", "fingerprint", "host"), ("facts",)),
    ):
        columns = (*keys, *value)
        rows = connection.execute(text(f"SELECT {', '.join(columns)} FROM {table}")).mappings().all()
        sealed = [{**{key: row[key] for key in keys}, "sha256": records.seal(dict(row))} for row in rows]
        if sealed:
            where = " AND ".join(f"{key} = :{key}" for key in keys)
            connection.execute(text(f"UPDATE {table} SET sha256 = :sha256 WHERE {where}"), sealed)


def _number_runs_by_start(connection: Connection) -> None:
    ids = connection.execute(text("SELECT id FROM runs ORDER BY started_at, id")).scalars().all()
    numbered = [{"id": id, "arrived": number} for number, id in enumerate(ids, 1)]
    if numbered:
        connection.execute(text("UPDATE runs SET arrived = :arrived WHERE id = :id"), numbered)


MIGRATIONS: Sequence[Migration] = (
    Migration(1, "first schema"),
    Migration(
        2,
        "calibrations by fingerprint",
        (
            "CREATE TABLE calibrations (fingerprint VARCHAR(64) NOT NULL, device VARCHAR(64) NOT NULL, "
            "record TEXT NOT NULL, sha256 VARCHAR(64) NOT NULL, PRIMARY KEY (fingerprint, device))",
        ),
    ),
    Migration(
        3,
        "plans and environments are sealed; results are counted by status",
        (
            "ALTER TABLE cases ADD COLUMN sha256 VARCHAR(64) NOT NULL DEFAULT ''",
            "ALTER TABLE environments ADD COLUMN sha256 VARCHAR(64) NOT NULL DEFAULT ''",
            "CREATE INDEX results_by_status ON results (run_id, status)",
        ),
        _seal_plans_and_environments,
    ),
    Migration(
        4,
        "named baselines",
        (
            "CREATE TABLE baselines (name VARCHAR(200) NOT NULL, run_id VARCHAR(64) NOT NULL, "
            "saved_at VARCHAR(40) NOT NULL, sha256 VARCHAR(64) NOT NULL, PRIMARY KEY (name), "
            "FOREIGN KEY (run_id) REFERENCES runs (id))",
        ),
    ),
    Migration(
        5,
        "runs are in the order of their arrival; attempts are counted",
        (
            "ALTER TABLE runs ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0",
            "CREATE INDEX runs_by_arrival ON runs (arrived)",
            "CREATE TABLE attempts (run_id VARCHAR(64) NOT NULL, case_id VARCHAR(64) NOT NULL, "
            "round INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (run_id, case_id, round), "
            "FOREIGN KEY (run_id) REFERENCES runs (id))",
        ),
        _number_runs_by_start,
    ),
)
NEWEST = MIGRATIONS[-1].number
