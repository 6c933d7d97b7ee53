"""Implementations that act beyond their own process: the sweep continues, and no process is left behind."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.test_kill_loop import left_behind
from tests.support import SUPPORT
from tests.support.command import MARK, Cli

SHAPE = ("--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1", "--ratio", "2")
OWN = {"PYTHONPATH": str(SUPPORT)}

Sweep = Callable[..., dict[str, Any]]


@pytest.fixture
def sweep(cli: Cli) -> Sweep:
    """Measure hostile implementations and `none`. The latter must be ok, and no process may be left behind."""

    def run(*names: str, code: int, timeout: str = "60s") -> dict[str, Any]:
        mark = uuid.uuid4().hex
        impl = ",".join([*(f"hostile:{name}" for name in names), "none"])
        done = cli("run", "--impl", impl, *SHAPE, "--case-timeout", timeout, "--format", "json", **OWN, **{MARK: mark})
        assert done.code == code, done.err
        assert "Traceback" not in done.err
        results = {one["case"]["implementation"]: one for one in done.json()["results"]}
        assert results.pop("none")["status"] == "ok"
        assert len(results) == len(names)
        assert not left_behind(mark)
        return results

    return run


def test_orphans_in_sessions_of_their_own_are_ended_and_reported(sweep: Sweep) -> None:
    [result] = sweep("LeavesOrphans", code=0).values()
    assert result["status"] == "ok"
    assert {"processes": 2} in [warning["values"] for warning in result["warnings"] if warning["code"] == "left_behind"]


def test_a_case_that_stops_or_kills_its_parent_does_not_delay_the_sweep(sweep: Sweep) -> None:
    results = sweep("StopsItsParentAndHangs", "KillsItsParent", code=4, timeout="8s")
    said = {name.removeprefix("hostile:"): (one["status"], one["message"]) for name, one in results.items()}
    assert said == {
        "StopsItsParentAndHangs": ("timeout", "timeout after 8 s"),
        "KillsItsParent": ("error", "its parent process ended or hung while it ran"),
    }


NOT_VALID = "the answer of its process is not valid: "
ERRORS = {
    "AnswersNaN": NOT_VALID + "JSON is malformed",
    "AnswersDeeply": NOT_VALID + "expected object, got array",
    "AnswersOkAlone": NOT_VALID + "the status ok without a latency",
    "AnswersNoise": NOT_VALID + "JSON is malformed",
    "DiesWhenDescribed": "SIGSEGV",
    "VanishesWhenBuilt": "the process ended without a result (exit code 9)",
    "ExitsWhenBuilt": "the implementation called sys.exit(3)",
    "RaisesTheUnspeakable": "UnspeakableError: no text available: __str__ raised RuntimeError",
    "RaisesBaseException": "Beyond: every except clause (hostile.py:",
}


def test_invalid_responses_crashes_and_exceptions_are_errors_of_their_case(sweep: Sweep) -> None:
    results = sweep(*ERRORS, code=4)
    for name, words in ERRORS.items():
        result = results[f"hostile:{name}"]
        assert (result["status"], result["message"][: len(words)], result["metrics"]) == ("error", words, {})


def test_changes_by_one_case_do_not_affect_another(sweep: Sweep) -> None:
    alone = sweep("Surroundings", code=4)["hostile:Surroundings"]["message"]
    beside = sweep("ChangesItsSurroundings", "Surroundings", code=4)["hostile:Surroundings"]["message"]
    assert "torch.float32, 1, False" in alone
    assert beside == alone


def test_only_the_implementation_that_cannot_be_imported_is_named(cli: Cli) -> None:
    done = cli("run", "--impl", "hostile:Good,hostile:Absent,sdpa", *SHAPE, **OWN)
    assert done.code == 2
    assert done.err == "dctbench: hostile:Absent: hostile has no 'Absent'\n"


@pytest.mark.parametrize("name", ["LeavesOrphansAndHangs", "StopsItsParentAndHangs"])
def test_kill_9_of_the_run_leaves_no_process_of_a_hostile_case(
    tmp_path: Path, environ: dict[str, str], name: str
) -> None:
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "dctbench", "run", "--impl", f"hostile:{name}", *SHAPE, "--progress", "none"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environ | OWN | {MARK: mark})
    try:
        wait_until((tmp_path / "reached").exists)
    finally:
        process.kill()
        process.wait()
    assert not left_behind(mark)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
