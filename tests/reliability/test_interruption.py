"""Signals, closed pipes, full disks, second processes: a run continues, or it ends and can be resumed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

import psutil
import pytest

from dctbench.runners.lock_files import VARIABLE
from dctbench.runners.locks import Lock
from tests.reliability.conftest import Mount
from tests.support.command import TINY, Cli, start
from tests.support.warm import UNHURRIED, Process

SWEEP = ("run", "--impl", "sdpa,none", "--progress", "plain", *TINY[2:-1], "1", "--seq", "64..512")


@pytest.mark.parametrize(
    ("first", "second", "gap"),
    [
        (signal.SIGINT, signal.SIGINT, 0.0),
        (signal.SIGINT, signal.SIGINT, 0.05),
        (signal.SIGTERM, signal.SIGINT, 0.0),
        (signal.SIGHUP, signal.SIGTERM, 0.01),
    ],
)
def test_a_second_signal_changes_nothing_about_how_a_run_ends(
    tmp_path: Path, environ: dict[str, str], first: signal.Signals, second: signal.Signals, gap: float
) -> None:
    process, lines = started(tmp_path, environ | {UNHURRIED: "1"})
    wait_for("[", lines)
    process.send_signal(first)
    time.sleep(gap)
    process.send_signal(second)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "results are stored in .dctbench/results.sqlite" in told
    assert "resume it with: dctbench run --resume" in told
    assert "Traceback" not in told


def test_a_signal_before_anything_is_stored_is_reported_as_such(tmp_path: Path, environ: dict[str, str]) -> None:
    hang = "import time; time.sleep(600)"
    (tmp_path / "sleeps.py").write_text(f"open('reached', 'w').close(); {hang}")
    process, _ = started(tmp_path, environ | {"PYTHONPATH": str(tmp_path)}, "--impl", "sleeps:Layer")
    deadline = time.monotonic() + 60
    while not (tmp_path / "reached").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "dctbench: interrupted before anything was measured\n")
    assert not (tmp_path / ".dctbench").exists()


def test_a_run_whose_reader_has_gone_is_measured_to_the_end(cli: Cli, tmp_path: Path, environ: dict[str, str]) -> None:
    process, lines = started(tmp_path, environ, stdout=subprocess.PIPE)
    wait_for("dctbench run", lines)
    assert process.stdout is not None
    lines.close()
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    [run] = cli("list", "runs", "--format", "json").json()
    assert run["results"] == "8 of 8"


def test_a_run_that_another_process_is_measuring_is_not_resumed(
    cli: Cli, tmp_path: Path, environ: dict[str, str]
) -> None:
    process, lines = started(tmp_path, environ | {UNHURRIED: "1"})
    wait_for("[", lines)
    stop_between_writes(process, tmp_path / ".dctbench" / "results.sqlite")
    try:
        refused = cli("run", "--resume")
    finally:
        process.send_signal(signal.SIGCONT)
    assert refused.code == 2, refused.err
    [run] = cli("list", "runs", "--format", "json").json()
    assert f"run {run['run']} is being measured by process {process.pid} (" in refused.err
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert cli("run", "--resume", "latest").code == 0


def test_a_full_folder_for_temporary_files_does_not_crash_a_run(cli: Cli, disk: tuple[Path, Mount]) -> None:
    folder, _ = disk
    fill(folder)
    done = cli("run", "--impl", "none", *TINY, TMPDIR=str(folder), **{VARIABLE: str(folder)})
    assert done.code == 0, done.err
    assert "Traceback" not in done.err


def test_a_lock_works_without_space_for_the_name_of_its_holder(
    disk: tuple[Path, Mount], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = disk
    monkeypatch.setenv(VARIABLE, str(folder))
    first, second = Lock("thing"), Lock("thing")
    fill(folder)
    assert first.take()
    assert not second.take()
    assert second.holder == "another process"
    first.release()
    assert second.take()
    second.release(remove=True)
    third = Lock("thing")
    assert third.take()
    third.release()


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 10)):
            pass


def started(
    folder: Path,
    environ: dict[str, str],
    *more: str,
    stdout: int = subprocess.DEVNULL,
    new_interpreter: bool = False,
) -> tuple[Process | subprocess.Popen[str], IO[str]]:
    process = start(*SWEEP, *more, folder=folder, environ=environ, stdout=stdout, new_interpreter=new_interpreter)
    assert process.stderr is not None
    return process, process.stderr


def stop_between_writes(process: Process | subprocess.Popen[str], store: Path) -> None:
    """Stop a run while it is alive and holds no lock on its store: one that holds it would lock out everybody else."""
    for _ in range(200):
        process.send_signal(signal.SIGSTOP)
        wait_until_stopped(process.pid)
        if not is_locked(store):
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.01)
    raise AssertionError("the run holds its store at every look")


def wait_until_stopped(pid: int) -> None:
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.001)


def is_locked(store: Path) -> bool:
    with closing(sqlite3.connect(store, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


def wait_for(beginning: str, lines: IO[str]) -> None:
    assert any(line.startswith(beginning) for line in iter(lines.readline, ""))
