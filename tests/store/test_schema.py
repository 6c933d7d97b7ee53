"""The schema: a store of every earlier version is upgraded, once and completely."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from dctbench.errors import StoreError
from dctbench.store import open_store, schema
from dctbench.store.checking import find_damage
from tests.store.test_contents import new_store
from tests.support.made import CALIBRATION, ENVIRONMENT, RUN, result

FIXTURES = Path(__file__).parent / "fixtures"

SCHEMAS = (1, 2, 3, 4, 5)

"""Every schema that was ever released. A new one gets its fixture before it becomes an old one."""


@pytest.fixture(params=SCHEMAS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copy(FIXTURES / f"schema-{request.param}.sqlite", tmp_path / "old.sqlite"))


def test_a_store_of_every_old_schema_is_upgraded_and_readable(old: Path) -> None:
    with open_store(str(old)) as store:
        assert store.runs()[0].run == RUN
        [first, second] = store.results(RUN.id)
        assert first == result("sdpa", 512, 1e-3)
        assert second == result("dct-x", 512, 5e-4, ratio=4, values={"flops": ("FLOP", 1e9)})
        assert store.environments(RUN.id) == {ENVIRONMENT.fingerprint: ENVIRONMENT}
        assert store.calibration(ENVIRONMENT.fingerprint) in (None, CALIBRATION)  # the first schema had none
        store.add_calibration(ENVIRONMENT.fingerprint, CALIBRATION)
        assert store.calibration(ENVIRONMENT.fingerprint) == CALIBRATION
        assert store.baselines() == []  # the first three schemas had none
        store.save_baseline("main", RUN.id)
        assert store.find_run("main").run == RUN
        assert find_damage(store) == []


def test_an_upgraded_store_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.sqlite"
    open_store(str(old))
    open_store(str(new), create=True)

    def columns(path: Path) -> dict[str, list[str]]:
        connection = sqlite3.connect(path)
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {
            name: sorted(map(str, [*connection.execute(f"PRAGMA table_info({name})"),
                                   *connection.execute(f"PRAGMA foreign_key_list({name})")]))
            for name in names
        }  # fmt: skip
        connection.close()
        return found

    assert columns(old) == columns(new)


def test_two_processes_that_find_an_old_store_upgrade_it_once(old: Path) -> None:
    errors: list[Exception] = []

    def upgrade() -> None:
        try:
            open_store(str(old))
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    connection = sqlite3.connect(old)
    applied = [row[0] for row in connection.execute("SELECT number FROM dctbench_migrations ORDER BY number")]
    connection.close()
    assert applied == [migration.number for migration in schema.MIGRATIONS]


def note_added(monkeypatch: pytest.MonkeyPatch) -> schema.Migration:
    """Let the newest schema have a column more, and return the migration to it."""
    later = sa.MetaData()
    for table in schema.metadata.sorted_tables:
        table.to_metadata(later)
    later.tables["runs"].append_column(sa.Column("note", sa.Text))
    monkeypatch.setattr(schema, "metadata", later)
    return schema.Migration(schema.NEWEST + 1, "add a note", ("ALTER TABLE runs ADD COLUMN note TEXT",))


def test_all_missing_migrations_are_applied_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.sqlite"
    new_store(path, result())
    now = schema.NEWEST
    good = note_added(monkeypatch)
    bad = schema.Migration(now + 2, "broken", ("ALTER TABLE nowhere ADD COLUMN note TEXT",))
    monkeypatch.setattr(schema, "NEWEST", now + 2)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, good, bad))
    with pytest.raises(StoreError, match="nowhere"):
        open_store(str(path))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT max(number) FROM dctbench_migrations").fetchone() == (now,)
    monkeypatch.setattr(schema, "NEWEST", now + 1)
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:-1])
    open_store(str(path))
    columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
    connection.close()
    assert "note" in columns
