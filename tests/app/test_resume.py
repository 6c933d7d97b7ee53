"""`run --resume --retry-failed` after a retry that was ended midway: nothing that was left out is forgotten."""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from dctbench.model import Environment
from dctbench.store import open_store
from tests.reliability.layers import MENDED
from tests.support import ROOT
from tests.support.command import Cli
from tests.support.made import FACTS, RUN, result

STORE = ".dctbench/results.sqlite"
LAYER = "tests.reliability.layers:FailsUntilMended"
SWEEP = ("run", "--impl", LAYER, "--ratio", "2", "--heads", "2", "--head-dim", "8", "--progress", "plain")
RETRY = ("run", "--resume", "--retry-failed")


def test_what_an_earlier_failure_kept_from_running_is_found_when_the_retry_was_killed(cli: Cli, tmp_path: Path) -> None:
    own = {"PYTHONPATH": str(ROOT), MENDED: str(tmp_path / "mended")}
    assert cli(*SWEEP, "--seq", "64", "--rounds", "3", **own).code == 4
    (tmp_path / "mended").touch()
    with open_store(str(tmp_path / STORE)) as store:  # as a kill -9 leaves it after the first round was tried again
        [state] = store.runs()
        first, *rest = store.results(state.run.id)
        assert [first.status, *(one.status for one in rest)] == ["error", "skipped", "skipped"]
        store.add_result(state.run.id, replace(first, status="ok", message=None), retried=True)
    done = cli(*RETRY, "--format", "json", **own)
    assert done.code == 0, done.err
    [one] = done.json()["results"]
    assert [taken["status"] for taken in one["rounds"]] == ["ok"] * 3
    again = cli(*RETRY, **own)
    assert again.code == 2
    assert "nothing to resume" in again.err


def test_what_did_not_fit_accounts_for_what_was_left_out_and_nothing_is_tried_again(cli: Cli) -> None:
    cli("run", "--impl", "full", "--seq", "256k,512k", "--heads", "8", "--rounds", "2", "-q")
    statuses = [one["status"] for one in cli("list", "cases", "--format", "json").json()]
    assert statuses == ["oom", "skipped"]
    done = cli("run", "--resume", "--retry-failed")
    assert done.code == 2, done.err
    assert "nothing to resume" in done.err


def test_an_interrupted_retry_is_gone_on_with_as_its_hint_says(cli: Cli, interrupted: Cli, tmp_path: Path) -> None:
    own = {"PYTHONPATH": str(ROOT), MENDED: str(tmp_path / "mended")}
    place = ("--store", "my results.sqlite")
    assert cli(*SWEEP, "--seq", "64..512", "--rounds", "2", *place, **own).code == 4
    (tmp_path / "mended").touch()
    ended = interrupted(*RETRY, *place, **own)
    assert ended.code == 130, ended.err
    [run] = cli("list", "runs", *place, "--format", "json").json()
    command = f"run --resume {run['run']} --retry-failed --store 'my results.sqlite'"
    assert f"resume it with: dctbench {command}\n" in ended.err
    done = cli(*shlex.split(command), "--format", "json", **own)
    assert done.code == 0, done.err
    assert {taken["status"] for one in done.json()["results"] for taken in one["rounds"]} == {"ok"}


def test_a_retry_leaves_what_failed_in_another_environment(cli: Cli, tmp_path: Path) -> None:
    own = {"PYTHONPATH": str(ROOT), MENDED: str(tmp_path / "mended")}
    assert cli(*SWEEP, "--seq", "64,128", "--rounds", "1", "--no-prune", **own).code == 4
    (tmp_path / "mended").touch()
    elsewhere = Environment({**FACTS, "cpu": "Other CPU"}, "f" * 16)
    with open_store(str(tmp_path / STORE)) as store:  # as a merge leaves the shard of another machine
        [state] = store.runs()
        store.add_environment(state.run.id, elsewhere)
        failed = next(one for one in store.results(state.run.id) if one.case.seq_len == 128)
        assert failed.status == "error"
        store.add_result(state.run.id, replace(failed, fingerprint=elsewhere.fingerprint, host="other"), retried=True)
    done = cli(*RETRY, "--format", "json", **own)
    assert done.code == 4, done.err
    assert {one["case"]["seq_len"]: one["status"] for one in done.json()["results"]} == {64: "ok", 128: "error"}
    again = cli(*RETRY, **own)
    assert again.code == 2
    assert "was measured in another environment (ffffffffffffffff)" in again.err


def test_a_damaged_run_that_may_be_the_one_to_resume_is_named(cli: Cli, tmp_path: Path) -> None:
    store = tmp_path / "results.sqlite"
    with open_store(str(store), create=True) as opened:
        opened.add_run(RUN, [result().case], rounds=1)
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE runs SET label = 'changed'")
        connection.commit()
    done = cli("run", "--resume", "--store", str(store))
    assert done.code == 5
    assert f"no other stored run is to be resumed, and the record of run {RUN.id}" in done.err
