"""SIGKILL at every point at which a sweep changes a disk: before and after each write, sync, link, rename and removal.

SQLite's own calls are among them, so the points lie inside every transaction, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dctbench.model import Case
from dctbench.scheduler.events import ignore
from dctbench.scheduler.specs import Specs
from dctbench.scheduler.sweep import run_sweep
from dctbench.store import open_store
from dctbench.store.checking import find_damage
from tests.reliability.crashing import CASES, NEW, OLD, PLAN, ROUNDS, measured, told
from tests.support import ROOT
from tests.support.command import FIGURES
from tests.support.made import RUN
from tests.support.scripted import Scripted

EVERYTHING = {(case, round) for case in CASES for round in range(1, ROUNDS + 1)}


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A folder for each point, in their order, with what the crash left there."""
    if sys.platform != "linux" or shutil.which("gcc") is None:
        pytest.skip("needs Linux and gcc, to watch the calls of a process")
    folder = tmp_path_factory.mktemp("crashes")
    library = folder / "crash_points.so"
    source = Path(__file__).with_name("crash_points.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True, capture_output=True)
    (folder / "points").mkdir()
    command = [sys.executable, "-m", "tests.reliability.crashing", str(library), str(folder / "points")]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"LD_PRELOAD": str(library)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return sorted((folder / "points").iterdir())


@pytest.mark.slow
def test_a_crash_at_any_point_loses_nothing_that_was_told_and_the_run_is_resumed(
    crashed: list[Path], record_property: Callable[[str, object], None]
) -> None:
    started = 0
    for place in crashed:
        acknowledged = (
            set((place / "told").read_text().splitlines(keepends=True)) if (place / "told").exists() else set()
        )
        stored = stored_in(place / "results.sqlite")
        if stored is None:
            assert not acknowledged, place
            continue
        started += 1
        lines = {told(case, round) for case, round in stored}
        assert acknowledged <= lines, place
        assert len(lines - acknowledged) <= 1, place  # committed, and not yet told
        assert resumed(place / "results.sqlite") == EVERYTHING, place
    assert stored_in(crashed[-1] / "results.sqlite") == EVERYTHING
    assert 4 * len(EVERYTHING) < started < len(crashed)  # crashes inside of transactions, and before the run was stored
    record_property(FIGURES, f"{len(crashed) - 2} crash points, {started} of them after the run was stored")


@pytest.mark.slow
def test_a_crash_at_any_point_leaves_the_old_page_or_the_new_one(crashed: list[Path]) -> None:
    pages = [(place / "page.html").read_text(encoding="utf-8") for place in crashed]
    assert set(pages) == {OLD, NEW}
    assert pages[1:] == sorted(pages[1:], key=[OLD, NEW].index)


def acknowledged_in(path: Path) -> set[str]:
    return set(path.read_text().splitlines(keepends=True)) if path.exists() else set()


def stored_in(path: Path) -> set[tuple[Case, int]] | None:
    """The cases and rounds of the run, all of them undamaged; None if the run was not stored yet."""
    if not path.exists():
        return None
    with open_store(str(path)) as store:
        assert find_damage(store) == []
        if not store.runs():
            return None
        results = store.results(RUN.id)
    found = {(one.case, one.round) for one in results}
    assert len(found) == len(results)
    assert all(one.measurements == measured(one.case, one.round).measurements for one in results)
    return found


def resumed(path: Path) -> set[tuple[Case, int]] | None:
    """What is stored once the run was resumed."""
    with open_store(str(path)) as store:
        stored = store.resume_run(RUN)
        run_sweep(RUN, PLAN, Scripted(measured), store, ignore, Specs(), stored=stored)
    return stored_in(path)
