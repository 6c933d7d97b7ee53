"""Calibrations in the store, and stores of the schema before there were any."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.machine.calibration import Calibration
from dctbench.store import open_store, schema
from dctbench.store.checking import find_damage
from tests.support.made import ENVIRONMENT, RUN, result

FIXTURES = Path(__file__).parent / "fixtures"
SCHEMAS = (1, 2, 3, 4)
"""Every schema that was ever released, the newest included: its fixture is there before it becomes old."""
CALIBRATION = Calibration(
    device="cpu",
    threads=2,
    gemm={"float32": 2e11, "bfloat16": 9e11},
    bandwidth=4e10,
    cache_bytes=32 << 20,
    cost_models={"float32": {"call": 1e-6, "gemm": 2e11, "small_gemm": 1e11, "fft": 2e10, "bandwidth": 5e10}},
    spread={"gemm float32": 0.01},
    measured_at="2026-01-02T03:04:05+00:00",
)


@pytest.fixture(params=SCHEMAS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copy(FIXTURES / f"schema-{request.param}.sqlite", tmp_path / "old.sqlite"))


def test_a_calibration_comes_back_by_fingerprint_and_device(tmp_path: Path) -> None:
    path = str(tmp_path / "s.sqlite")
    gpu = replace(CALIBRATION, device="cuda:0")
    with open_store(path, create=True) as store:
        store.add_calibration("here", CALIBRATION)
        store.add_calibration("here", gpu)
    with open_store(path) as store:
        assert store.calibration("here") == CALIBRATION
        assert store.calibrations("here") == {"cpu": CALIBRATION, "cuda:0": gpu}
        assert store.calibration("elsewhere") is None
        assert store.calibrations("elsewhere") == {}


def test_measured_again_it_is_replaced(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        store.add_calibration("here", CALIBRATION)
        store.add_calibration("here", replace(CALIBRATION, bandwidth=5e10))
        found = store.calibration("here")
        assert found is not None
        assert found.bandwidth == 5e10


def test_a_damaged_calibration_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with open_store(str(path), create=True) as store:
        store.add_calibration("here", CALIBRATION)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE calibrations SET record = replace(record, '2', '3')")
    connection.close()
    with open_store(str(path)) as store, pytest.raises(StoreError, match=r"calibration of cpu in here is damaged"):
        store.calibration("here")


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
