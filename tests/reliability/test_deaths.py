"""A case that kills the whole run is not tried forever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dctbench.store import open_store
from tests.reliability.layers import MENDED
from tests.support import ROOT
from tests.support.command import Cli

LAYER = "tests.reliability.layers:KillsTheRunUntilMended"
SHAPE = ("--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "2", "--progress", "none")


def test_a_case_that_ended_its_run_twice_is_an_error_and_the_others_are_measured(
    cli: Cli, tmp_path: Path, environ: dict[str, str]
) -> None:
    own = {"PYTHONPATH": str(ROOT), MENDED: str(tmp_path / "mended")}

    def killed(*arguments: str) -> None:
        command = [sys.executable, "-m", "dctbench", "run", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ | own, start_new_session=True, timeout=300, check=False
        )
        assert done.returncode == -9

    store = str(tmp_path / "a.sqlite")
    killed("--impl", f"{LAYER},none", "--ratio", "2", *SHAPE, "--store", store)
    with open_store(store) as opened:
        [state] = opened.runs()
        [(case_id, number)] = [key for key, attempts in opened.attempts(state.run.id).items() if attempts == 1]
    killed("--resume", "--store", store, "--progress", "none")
    with open_store(store) as opened:
        assert opened.attempts(state.run.id) == {(case_id, number): 2}
    resumed = cli("run", "--resume", "--store", store, "--progress", "none", **own)
    assert resumed.code == 4, resumed.err
    with open_store(store) as opened:
        found = opened.results(state.run.id)
        assert opened.attempts(state.run.id) == {}
        assert len(found) == 4
    errors = [one for one in found if one.status == "error"]
    assert {one.details.ended_runs for one in errors} == {2}
    assert {one.message for one in errors} == {"ended the run twice; --retry-failed tries it again"}
    assert {one.case.implementation for one in errors} == {LAYER}
    assert {one.status for one in found if one.case.implementation == "none"} == {"ok"}
    (tmp_path / "mended").touch()
    again = cli("run", "--resume", "--retry-failed", "--store", store, "--progress", "none", **own)
    assert again.code == 0, again.err
    with open_store(store) as opened:
        assert {one.status for one in opened.results(state.run.id)} == {"ok"}
