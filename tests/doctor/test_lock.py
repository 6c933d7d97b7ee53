"""The doctor's check of the lock of a device."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dctbench.doctor import lock
from dctbench.runners.lock_files import VARIABLE
from dctbench.runners.locks import Lock


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


def test_a_free_lock_is_fine_and_stays_free(folder: Path) -> None:
    found = lock.finding()
    assert (found.state, str(folder) in found.found) == ("ok", True)
    other = Lock("cpu")
    assert other.take()
    other.release()


def test_a_device_on_which_a_run_measures_is_a_warning_that_names_the_process(folder: Path) -> None:
    other = Lock("cpu")
    assert other.take()
    found = lock.finding()
    other.release()
    assert found.state == "warning"
    assert found.found.startswith(f"process {os.getpid()} (")


def test_something_else_in_the_place_of_the_lock_is_a_failure_with_a_remedy(folder: Path) -> None:
    os.mkfifo(folder / "dctbench-cpu.lock")
    found = lock.finding()
    assert (found.state, found.exit_code) == ("failure", 6)
    assert "named pipe" in found.found
    assert f"rm {folder}/dctbench-cpu.lock" in (found.remedy or "")
