"""SIGKILL at random moments: acknowledged results stay, at most one is unacknowledged, no process is left behind.

`test_crash_points` ends a sweep at every point at which it writes. Here a whole command with its workers is killed.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.command import FIGURES, MARK, TINY, Cli, start
from tests.support.warm import Process

KILLS, SLOWLY = 10, 3
"""How many kills there are, and how many of them, the first, hit commands that start and import as in a shell."""
LONGEST, LONGEST_FORKED = 3.0, 0.8
"""The longest time before a kill, in seconds: alternately after the start and after the first acknowledged result."""
ROUNDS = 4
SWEEP = ("run", "--impl", "sdpa,dct-x", "--ratio", "8", *TINY[:-1], str(ROUNDS))
PLANNED = 4 * ROUNDS
ACKNOWLEDGED = re.compile(r"^\[ *\d+/\d+\].*\n", re.MULTILINE)

Stored = dict[tuple[str, str, int], str]


@pytest.mark.slow
def test_random_kills_lose_nothing_and_leave_no_process(
    cli: Cli, tmp_path: Path, environ: dict[str, str], record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(20)
    store = tmp_path / "results.sqlite"
    environ |= {"DCTBENCH_STORE": str(store)}
    began = time.monotonic()
    before: Stored = {}
    kills = acknowledged = lost = untold = orphans = 0
    while True:
        command = ("run", "--resume") if unfinished(store) else SWEEP
        with (tmp_path / "told").open("w+") as told:
            slowly = kills < SLOWLY
            process = start(
                *command, "--progress", "plain",
                folder=tmp_path, environ=environ, stdout=subprocess.DEVNULL, stderr=told, new_interpreter=slowly,
            )  # fmt: skip
            try:
                if kills % 2:
                    wait_for_a_result(process, tmp_path / "told")
                longest = LONGEST if slowly else LONGEST_FORKED
                process.wait(timeout=chance.uniform(0, longest) if kills < KILLS else 300)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += kills < KILLS
            told.seek(0)
            text = told.read()
        assert process.returncode in ((0, -9) if not failed(store) else (4, -9)), text
        orphans += len(left_in(tmp_path))
        if store.exists():
            checked = cli("store", "check")
            assert checked.code == 0, checked.err + checked.out
        after = stored(store)
        shown = len(ACKNOWLEDGED.findall(text))
        acknowledged += shown
        gained = len(after.keys() - before.keys())
        lost += max(0, shown - gained) + sum(after.get(key) != digest for key, digest in before.items())
        untold += max(0, gained - shown - 1)  # one may be committed and not yet acknowledged
        before = after
        if kills == KILLS and process.returncode == 0:
            break
    took = time.monotonic() - began
    counted = f"{kills} kills, {acknowledged} results acknowledged, {lost} lost, {untold} untold, {orphans} orphans"
    record_property(FIGURES, f"{counted}, {took:.0f} s")
    assert (lost, untold, orphans) == (0, 0, 0)
    assert acknowledged > 0
    assert not unfinished(store)
    for run in {run for run, _, _ in after}:
        document = json.loads(cli("export", "json", run).out)
        rounds = [[one["round"] for one in case["rounds"]] for case in document["results"]]
        assert rounds == [list(range(1, ROUNDS + 1))] * 4


def wait_for_a_result(process: Process | subprocess.Popen[str], told: Path) -> None:
    """Wait until a result is acknowledged, the command has ended or a minute is over."""
    deadline = time.monotonic() + 60
    while process.poll() is None and not ACKNOWLEDGED.search(told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)


def stored(store: Path) -> Stored:
    """Return the checksum of every result in the store, and check that none is stored twice."""
    rows = query(store, "SELECT run_id, case_id, round, sha256 FROM results")
    found = {(run, case, round): digest for run, case, round, digest in rows}
    assert len(found) == len(rows)
    return found


def unfinished(store: Path) -> bool:
    """Return whether a run in the store lacks results of its plan."""
    [(runs,)] = query(store, "SELECT count(*) FROM runs") or [(0,)]
    return len(stored(store)) < int(runs) * PLANNED


def failed(store: Path) -> bool:
    """Return whether the latest run has a case that ended its run, as one that two kills hit counts; no other fails."""
    rows = query(store, "SELECT run_id, record FROM results WHERE status = 'error'")
    assert all("ended_runs" in json.loads(record)["details"] for _, record in rows)
    [(latest,)] = query(store, "SELECT run_id FROM results ORDER BY stored_at DESC LIMIT 1") or [(None,)]
    return latest in {run for run, _ in rows}


def query(store: Path, words: str) -> list[tuple[Any, ...]]:
    if not store.exists():
        return []
    connection = sqlite3.connect(store)
    try:
        return connection.execute(words).fetchall()
    finally:
        connection.close()


def left_in(folder: Path) -> list[int]:
    """Return the processes that still have this current folder after enough time to end."""
    return _left(lambda process: process.cwd() == str(folder))


def left_behind(mark: str) -> list[int]:
    """Return the processes of the run with this mark that still exist after enough time to end."""
    return _left(lambda process: process.environ().get(MARK) == mark)


def _left(belongs: Callable[[psutil.Process], bool]) -> list[int]:
    deadline = time.monotonic() + 30
    while alive := [one.pid for one in psutil.process_iter() if _lives(one, belongs)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return alive


def carries(process: psutil.Process, mark: str) -> bool:
    return _lives(process, lambda one: one.environ().get(MARK) == mark)


def _lives(process: psutil.Process, belongs: Callable[[psutil.Process], bool]) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and belongs(process)
    except (psutil.Error, OSError):
        return False
