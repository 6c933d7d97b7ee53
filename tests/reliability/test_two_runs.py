"""Two commands at once, on one device and with one store: both finish, and they never measure at the same time."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import IO

from dctbench.runners.locks import Lock
from tests.reliability.layers import RECORD
from tests.support import ROOT
from tests.support.command import Cli, start

LAYER = "tests.reliability.layers:LeavesARecord"
SWEEP = ("run", "--impl", LAYER, "--ratio", "2", "--seq", "16..96:+16", "--heads", "2", "--head-dim", "8",
         "--rounds", "1", "--progress", "plain")  # fmt: skip
CASES = 6


def test_two_commands_at_once_take_turns_on_the_device_and_both_runs_are_stored(
    cli: Cli, tmp_path: Path, environ: dict[str, str]
) -> None:
    lock = Lock("cpu")
    assert lock.take()
    try:
        started = [
            start(
                *SWEEP, "--label", label,
                folder=tmp_path, environ=environ | {"PYTHONPATH": str(ROOT), RECORD: str(tmp_path / label)},
            )
            for label in ("one", "two")
        ]  # fmt: skip
        waiting = [said_that_it_waits(process.stderr) for process in started]
    finally:
        lock.release()  # both want the device now, whichever of them started sooner
    assert all(f"waiting for cpu: process {os.getpid()} (" in line for line in waiting), waiting
    told = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], told

    # Each case has a process of its own. No call of another process may fall between its first and its last call.
    spans = sorted(span for label in ("one", "two") for span in calls(tmp_path / label))
    assert len(spans) == 2 * CASES
    assert all(last < begin for (_, last), (begin, _) in pairwise(spans))

    listed = cli("list", "runs", "--format", "json").json()
    assert {(run["label"], run["results"]) for run in listed} == {
        (label, f"{CASES} of {CASES}") for label in ("one", "two")
    }
    for label in ("one", "two"):
        results = cli("export", "json", label).json()["results"]
        assert [one["case"]["seq_len"] for one in results if one["status"] == "ok"] == list(range(16, 97, 16))


def said_that_it_waits(lines: IO[str] | None) -> str:
    assert lines is not None
    return next((line for line in iter(lines.readline, "") if "waiting for cpu" in line), "it ended without waiting")


def calls(record: Path) -> list[tuple[float, float]]:
    """Return the times of the first and the last call of each process, by the monotonic clock of the machine."""
    found: dict[str, list[float]] = {}
    for line in record.read_text().splitlines():
        pid, moment = line.split()
        found.setdefault(pid, []).append(float(moment))
    return [(min(moments), max(moments)) for moments in found.values()]
