"""Calibrations in the store."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.store import open_store
from tests.support.made import CALIBRATION


def test_a_calibration_is_read_back_by_fingerprint_and_device(tmp_path: Path) -> None:
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


def test_a_new_calibration_replaces_the_old_one(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        store.add_calibration("here", CALIBRATION)
        store.add_calibration("here", replace(CALIBRATION, bandwidth=5e10))
        found = store.calibration("here")
        assert found is not None
        assert found.bandwidth == 5e10


def test_reading_a_damaged_calibration_fails(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with open_store(str(path), create=True) as store:
        store.add_calibration("here", CALIBRATION)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE calibrations SET record = replace(record, '2', '3')")
    connection.close()
    with open_store(str(path)) as store, pytest.raises(StoreError, match=r"calibration of cpu in here is damaged"):
        store.calibration("here")
