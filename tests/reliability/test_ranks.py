"""A rank that dies or hangs ends its case with a sentence, and leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.command import MARK, start

LONG = ("--impl", "sdpa", "--seq", "2048", "--ranks", "2", "--rounds", "1", "--samples", "1000", "--format", "json")
"""A case whose samples take minutes."""
PATIENCE = 60.0
KILLED_ONCE_READY = """
import os, signal, sys

if "dctbench.worker.ranks.follow" in sys.orig_argv:
    write = os.write

    def write_and_die(descriptor, data):
        write(descriptor, data)
        os.kill(os.getpid(), signal.SIGKILL)

    os.write = write_and_die
"""
"""Rank 1 dies after it has told that it is ready, and before it joins the group."""


@pytest.fixture
def marked(environ: dict[str, str]) -> dict[str, str]:
    """Variables by which the processes of the command are found."""
    return environ | {MARK: uuid.uuid4().hex}


def processes(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                yield process
        except (psutil.Error, OSError):
            continue


def wait_for_the_rank(mark: str, *, joined: bool) -> psutil.Process:
    """Return the process of rank 1 once it exists and, with `joined`, has both of its connections to rank 0."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for process in processes(mark):
            try:
                if "dctbench.worker.ranks.follow" in process.cmdline() and (not joined or has_joined(process)):
                    return process
            except psutil.Error:
                continue
        time.sleep(0.02)
    raise AssertionError("no rank was started")


def has_joined(process: psutil.Process) -> bool:
    return [one.status for one in process.net_connections()].count(psutil.CONN_ESTABLISHED) >= 2


def no_process_is_left(mark: str) -> bool:
    until = time.monotonic() + PATIENCE
    while any(processes(mark)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("joined", [False, True], ids=["while it starts", "while it measures"])
def test_a_killed_rank_is_an_error_that_names_it(tmp_path: Path, marked: dict[str, str], joined: bool) -> None:
    with start("run", *LONG, folder=tmp_path, environ=marked, new_interpreter=True) as command:
        wait_for_the_rank(marked[MARK], joined=joined).kill()
        out, _ = command.communicate(timeout=120)
    [result] = json.loads(out)["results"]
    assert command.returncode == 4
    assert result["status"] == "error"
    assert result["message"] == "rank 1: its process was ended by SIGKILL (probably out of memory)"
    assert no_process_is_left(marked[MARK])


def test_a_rank_that_is_killed_before_it_joins_the_others_is_named(tmp_path: Path, marked: dict[str, str]) -> None:
    (tmp_path / "sitecustomize.py").write_text(KILLED_ONCE_READY)
    command = [sys.executable, "-m", "dctbench", "run", *LONG, "--case-timeout", "300s"]
    variables = marked | {"PYTHONPATH": str(tmp_path)}
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True, timeout=400, check=False
    )
    [result] = json.loads(done.stdout)["results"]
    assert (done.returncode, result["status"]) == (4, "error")
    assert result["message"] == "rank 1: its process was ended by SIGKILL (probably out of memory)"
    assert time.monotonic() - began < 250, "rank 0 waited for its time limit"
    assert no_process_is_left(marked[MARK])


def test_a_rank_that_hangs_is_a_timeout(tmp_path: Path, marked: dict[str, str]) -> None:
    limited = (*LONG, "--case-timeout", "15s")  # rank 1 imports torch within it, before it can be stopped
    with start("run", *limited, folder=tmp_path, environ=marked, new_interpreter=True) as command:
        os.kill(wait_for_the_rank(marked[MARK], joined=True).pid, signal.SIGSTOP)
        out, _ = command.communicate(timeout=120)
    [result] = json.loads(out)["results"]
    assert command.returncode == 4
    assert result["status"] == "timeout"
    assert no_process_is_left(marked[MARK])
