"""`--save-baseline`: a name is given to a run in which all went well, and kept by everything that lists or forgets."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.app.baselines import save_baseline
from dctbench.cli.options.baselines import print_saved
from dctbench.store import open_store
from tests.support import SUPPORT
from tests.support.command import Cli
from tests.support.made import RUN

ONE = ("run", "--impl", "none", "--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1", "-q")


def test_a_run_is_named_listed_counted_and_never_pruned_while_the_name_points_to_it(cli: Cli) -> None:
    first = cli(*ONE, "--save-baseline", "main")
    assert first.code == 0, first.err
    cli(*ONE)
    old, new = cli("list", "runs", "--format", "json").json()
    assert f"baseline 'main' points to run {old['run']}\n" in first.err
    assert (old["baselines"], new["baselines"]) == (["main"], [])
    assert "main" in cli("list", "runs").out
    assert cli("store", "info", "--format", "json").json()[0]["baselines"] == 1
    assert cli("list", "cases", "main").code == 0

    kept = cli("store", "prune", "--keep", "1", "-y")
    assert kept.code == 0
    assert "1 run kept, since a baseline points there" in kept.err
    assert len(cli("list", "runs", "--format", "json").json()) == 2

    moved = cli("run", "--resume", "latest", "--save-baseline", "main", "-q")  # complete: only the name is new
    assert moved.code == 0, moved.err
    assert "removed 1 run, 1 left" in cli("store", "prune", "--keep", "1", "-y").err
    [left] = cli("list", "runs", "--format", "json").json()
    assert (left["run"], left["baselines"]) == (new["run"], ["main"])


def test_a_name_is_forgotten_and_its_run_stays_until_it_is_pruned(cli: Cli, tmp_path: Path) -> None:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        store.add_run(RUN, [], rounds=1)
        for name in ("main", "old"):
            store.save_baseline(name, RUN.id)
    wrong = cli("store", "forget", "mian", "--store", "s.sqlite")
    assert (wrong.code, "did you mean 'main'" in wrong.err) == (2, True)
    assert cli("store", "forget", "--store", "s.sqlite").code == 2
    for name in ("main", "old"):
        prune = ("store", "prune", "--keep", "0", "-y", "--unfinished", "--store", "s.sqlite")
        assert "dctbench store forget NAME" in cli(*prune).err
        done = cli("store", "forget", name, "--store", "s.sqlite")
        assert (done.code, done.out) == (0, "")
        assert f"baseline '{name}' is forgotten; run {RUN.short_id} stays" in done.err
    [run] = cli("list", "runs", "--store", "s.sqlite", "--format", "json").json()
    assert run["baselines"] == []
    assert "removed 1 run, 0 left" in cli(*prune).err


@pytest.mark.parametrize("name", ["compare", "export", "report", "choose", "list.cases"])
def test_every_command_that_takes_a_run_says_that_a_baselines_name_serves(name: str) -> None:
    told = importlib.import_module(f"dctbench.cli.commands.{name}").command.help
    assert re.search(r"baselines?'s? name", told)


def test_a_name_that_means_another_run_already_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelled = replace(RUN, id="fedcba9876543210", label="main")
    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        for run in (RUN, labelled):
            store.add_run(run, [], rounds=1)
        print_saved(save_baseline(store, labelled, "main"))
        assert "warning" not in capsys.readouterr().err
        print_saved(save_baseline(store, RUN, "main"))
    assert "warning: 'main' is also the id or label of run fedcba98, and means that run" in capsys.readouterr().err


def test_a_run_with_failed_cases_gets_no_name(cli: Cli) -> None:
    own = str(SUPPORT)
    done = cli(*ONE, "--impl", "hostile:Raises", "--ratio", "2", "--save-baseline", "main", PYTHONPATH=own)
    assert done.code == 4
    assert "baseline 'main' was not saved: some cases failed" in done.err
    assert cli("store", "info", "--format", "json").json()[0]["baselines"] == 0


def test_an_interrupted_run_gets_its_name_when_it_is_resumed_as_it_says(cli: Cli, interrupted: Cli) -> None:
    sweep = ("run", "--impl", "none", "--seq", "64..512", "--heads", "2", "--head-dim", "8", "--rounds", "1")
    ended = interrupted(*sweep, "--save-baseline", "release 1")
    assert ended.code == 130, ended.err
    assert "baseline 'release 1' was not saved" in ended.err
    [run] = cli("list", "runs", "--format", "json").json()
    assert run["baselines"] == []
    assert f"resume it with: dctbench run --resume {run['run']} --save-baseline 'release 1'\n" in ended.err
    resumed = cli("run", "--resume", run["run"], "--save-baseline", "release 1", "-q")
    assert resumed.code == 0, resumed.err
    assert cli("list", "runs", "--format", "json").json()[0]["baselines"] == ["release 1"]


@pytest.mark.parametrize("name", ["", "latest", "latest~1", "a\x1b[31mb", "two\nlines", " main", "x" * 201])
def test_what_no_baseline_may_be_called_is_refused_before_anything_is_measured(
    cli: Cli, tmp_path: Path, name: str
) -> None:
    done = cli(*ONE, "--save-baseline", name)
    assert done.code == 2
    assert done.err.startswith("dctbench: the baseline's name ")
    assert len(done.err.splitlines()) == 2
    assert "\x1b" not in done.err
    assert not (tmp_path / ".dctbench").exists()
