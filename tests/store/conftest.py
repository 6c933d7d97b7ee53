"""A store for tests that read, check or change one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench.store import open_store
from tests.support.made import CALIBRATION, ENVIRONMENT, RUN, result


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """The path of a store with one run, one of its two results, a calibration and a baseline."""
    made = tmp_path / "results.sqlite"
    with open_store(str(made), create=True) as store:
        store.add_run(RUN, [result().case], rounds=2)
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_result(RUN.id, result())
        store.add_calibration("here", CALIBRATION)
        store.save_baseline("main", RUN.id)
    return made
