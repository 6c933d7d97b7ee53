"""Going on with a run that was stopped: with other planner rates it is refused, at another commit it is told."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from dctbench.machine.calibration import Calibration
from dctbench.store import open_store
from tests.support.command import Cli

STORE = ".dctbench/results.sqlite"
RUN = ("run", "--impl", "dct-x", "--seq", "512", "--ratio", "4", "--threads", "1", "--rounds", "2", "-q")
RATES = {"call": 1e-9, "gemm": 1.0, "small_gemm": 1.0, "fft": 1e18, "bandwidth": 1e18}
OTHER = Calibration(
    "cpu", 1, {"float32": 1e15}, 1e15, None, cost_models={"float32": RATES}, measured_at="2026-01-02T03:04:05+00:00"
)


def forget_last_round(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("DELETE FROM results WHERE round = 2").rowcount == 1
        connection.commit()


def commit(folder: Path, message: str) -> str:
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", message], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout[:10]


def test_a_run_is_not_continued_with_other_planner_rates(cli: Cli, tmp_path: Path) -> None:
    assert cli(*RUN).code == 0
    path = tmp_path / STORE
    forget_last_round(path)
    with open_store(str(path)) as store:
        [state] = store.runs()
        [fingerprint] = store.environments(state.run.id)
        store.add_calibration(fingerprint, OTHER)
    refused = cli("run", "--resume")
    assert refused.code == 3
    assert (
        f"run {state.run.short_id} was started with planner rates for cpu that differ from those stored now"
        in refused.err
    )
    with open_store(str(path)) as store:
        assert len(store.results(state.run.id)) == 1
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM calibrations")
        connection.commit()
    assert cli("run", "--resume", "-q").code == 0
    with open_store(str(path)) as store:
        assert len({result.details.plan for result in store.results(state.run.id)}) == 1


def test_a_run_that_goes_on_at_another_commit_says_so(cli: Cli, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    first = commit(tmp_path, "one")
    assert cli(*RUN).code == 0
    forget_last_round(tmp_path / STORE)
    second = commit(tmp_path, "two")
    assert f"was started at commit {first}, and the current folder is at commit {second}" in cli("run", "--resume").err
    forget_last_round(tmp_path / STORE)
    subprocess.run(["git", "-C", str(tmp_path), "reset", "-q", "--soft", first], check=True)
    again = cli("run", "--resume")
    assert again.code == 0
    assert "was started at" not in again.err
