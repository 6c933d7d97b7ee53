"""`dctbench store`: what its commands say of baselines, of what is left out or lost, and without a reader."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from dctbench.cli.commands.store import forget, push
from dctbench.store import open_store
from tests.fuzz.command import command
from tests.support.command import plain_environment
from tests.support.made import CALIBRATION, RUN, result


def test_a_merge_copies_baselines_only_with_the_flag_and_says_so(tmp_path: Path) -> None:
    source, target = str(tmp_path / "a.sqlite"), str(tmp_path / "b.sqlite")
    with open_store(source, create=True) as store:
        store.add_run(RUN, [], rounds=1)
        store.save_baseline("main", RUN.id)
    without = command("store", "merge", source, "--into", target)
    assert without.code == 0
    assert "1 baseline not copied: add --baselines" in without.err
    with open_store(target) as store:
        assert store.baselines() == []
    assert "1 baseline set" in command("store", "merge", source, "--into", target, "--baselines").err
    with open_store(target) as store:
        assert [(one.name, one.run_id) for one in store.baselines()] == [("main", RUN.id)]


def test_a_merge_says_which_results_and_calibrations_it_leaves_out(tmp_path: Path) -> None:
    source, target = str(tmp_path / "a.sqlite"), str(tmp_path / "b.sqlite")
    for location, seconds in ((source, 1e-5), (target, 1e-3)):
        with open_store(location, create=True) as store:
            store.add_run(RUN, [result().case], rounds=2)
            store.add_results(RUN.id, [result(seconds=seconds), result(seconds=2e-3, round=2)])
            store.add_calibration("here", replace(CALIBRATION, bandwidth=1e9 / seconds))
    done = command("store", "merge", source, "--into", target)
    assert done.code == 0
    assert done.err.splitlines() == [
        f"0 results of 1 run are new in {target}, 1 were there already",
        f"1 result left out: {target} has another one of the same case and round",
        f"1 calibration left out: {target} has another one of the same device",
    ]


def test_the_name_of_a_run_that_is_lost_can_be_forgotten(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sqlite")
    with open_store(path, create=True) as store:
        store.add_run(RUN, [], rounds=1)
        store.save_baseline("main", RUN.id)
    with closing(sqlite3.connect(path)) as connection:  # which enforces no foreign key
        connection.execute("DELETE FROM runs")
        connection.commit()
    done = CliRunner().invoke(forget.command, ["main", "--store", path])
    assert (done.exit_code, done.output) == (0, "baseline 'main' is forgotten\n")
    with open_store(path) as store:
        assert store.baselines() == []


@pytest.fixture
def two_runs(tmp_path: Path) -> str:
    """A store with two runs."""
    path = str(tmp_path / "two.sqlite")
    with open_store(path, create=True) as store:
        for run in (RUN, replace(RUN, id="f" * 16)):
            store.add_run(run, [result().case], rounds=1)
            store.add_result(run.id, result())
    return path


@pytest.fixture
def damaged(two_runs: str) -> str:
    """A store with one intact run, and one whose record was changed."""
    with closing(sqlite3.connect(two_runs)) as connection:
        connection.execute("UPDATE runs SET label = 'changed' WHERE id = ?", ["f" * 16])
        connection.commit()
    return two_runs


def without_reader(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with standard output into a pipe whose reader has gone, and nothing to read."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-m", "dctbench", *arguments], env=plain_environment(), stdin=subprocess.DEVNULL,
            stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)


def run_ids(path: str) -> list[str]:
    with open_store(path) as store:
        return [state.run.id for state in store.runs([])]


def test_old_runs_are_removed_although_nobody_reads_which(two_runs: str) -> None:
    done = without_reader("store", "prune", "--keep", "1", "--yes", "--store", two_runs)
    assert (done.returncode, run_ids(two_runs)) == (0, ["f" * 16]), done.stderr


@pytest.mark.parametrize("name", ["check", "merge"])
def test_damage_has_its_exit_code_although_nobody_reads_of_it(damaged: str, tmp_path: Path, name: str) -> None:
    flags = ("--store", damaged) if name == "check" else (damaged, "--into", str(tmp_path / "b.sqlite"))
    done = without_reader("store", name, *flags, "--format", "json")
    assert done.returncode == 5, done.stderr
    assert "1 damaged record found" in done.stderr


def test_a_question_that_nobody_can_answer_removes_nothing_and_names_the_flag(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sqlite")
    with open_store(path, create=True) as store:
        store.add_run(RUN, [result().case], rounds=1)
        store.add_result(RUN.id, result())
    flags = ("store", "prune", "--keep", "0", "--store", path)
    for nobody in (io.StringIO(), None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", nobody)
            done = command(*flags)
        assert done.code == 2, done.err
        assert done.err.endswith("dctbench: nothing was removed: nobody answered the question\n  add --yes\n")
    assert run_ids(path) == [RUN.id]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO("n\n"))
        assert command(*flags).code == 0
        patch.setattr(sys, "stdin", io.StringIO("y\n"))
        assert command(*flags).code == 0
    assert run_ids(path) == []


def test_push_sends_the_outbox_unless_a_store_is_typed_and_its_help_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Sequence[str]] = []
    monkeypatch.setattr(push, "copy_stores", lambda sources, *_, **__: sent.append(sources))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DCTBENCH_STORE", "other.sqlite")
    (tmp_path / "pyproject.toml").write_text('[tool.dctbench]\nstore = "another.sqlite"\n')
    url = "postgresql://bench@db.example.org/results"
    without = command("store", "push", url)
    assert (without.code, without.err) == (0, "no run has left an outbox (.dctbench/outbox.sqlite)\n")
    (tmp_path / ".dctbench").mkdir()
    (tmp_path / ".dctbench" / "outbox.sqlite").touch()
    for flags in ((), ("--store", "laptop.sqlite")):
        done = command("store", "push", url, *flags)
        assert (done.code, done.err.endswith(": rm .dctbench/outbox.sqlite\n")) == (0, not flags)
    assert sent == [[], [".dctbench/outbox.sqlite"], ["laptop.sqlite"]]
    told = command("store", "push", "--help").out
    assert "The store to send (default: the outbox)." in told
    assert "DCTBENCH_STORE" not in told
