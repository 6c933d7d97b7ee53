"""Nothing that lies in the folder, in a result file or in a store has code loaded: only the command line has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from dctbench import __version__
from dctbench.cli import cli as command_line
from dctbench.cli.options.configuration import defaults
from dctbench.exporters.json_document import document, dumps
from dctbench.model import Environment, Run, RunSettings
from tests.support import ROOT
from tests.support.command import Cli
from tests.support.made import RUN, result

SHAPE = ("--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1")
EVIL = "evilmod:Layer"
SETTINGS = {"rounds": 1, "case_timeout": 60.0, "env": {}, "prune": True, "isolation": "auto", "cache": None}
SUITE = "[axes]\nimpl = {impl}\nseq = 64\nheads = 2\nhead_dim = 8\n[settings]\nrounds = 1\n"


@pytest.fixture
def loaded(tmp_path: Path) -> Path:
    """What lies there once the module or the program of a stranger has run."""
    (tmp_path / "evilmod.py").write_text("from pathlib import Path\nPath(__file__).with_name('loaded').touch()\n")
    program = tmp_path / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/loaded'\n")
    program.chmod(0o755)
    return tmp_path / "loaded"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[tool.dctbench.check]\nbase-python = "./evil.sh"', "check.base-python cannot be set there"),
        ('[tool.dctbench]\nbase_python = "./evil.sh"', "base_python cannot be set there"),
        (f'[tool.dctbench.check]\nbase-impl = "{EVIL}"', "check.base-impl must not name module:Class"),
        (f'[tool.dctbench.check]\nreference = "{EVIL}"\nbase-impl = "sdpa"', "check.reference must not name module:Cl"),
    ],
)
def test_a_configuration_names_no_program_and_no_module(
    cli: Cli, tmp_path: Path, loaded: Path, table: str, words: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(table)
    done = cli("check", *SHAPE[:-2], PYTHONPATH=str(tmp_path))
    assert done.code == 2, done.err
    assert f"pyproject.toml, [tool.dctbench]: {words}" in done.err
    assert "code is loaded only when the command line asks for it" in done.err
    assert not loaded.exists()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (f'task = "{EVIL}"', "run.task must not name module:Class"),
        (f'task = ["recall", "{EVIL}/scrambled"]', "run.task must not name module:Class"),
        ('model = "evilmod:model"', "run.model must not name module:function"),
        ('model = "hf:./weights, evilmod:model"', "run.model must not name module:function"),
        ('impl = "hf:Layer"', "run.impl must not name module:Class"),
    ],
)
def test_a_configuration_names_no_task_and_no_model_that_is_code(
    cli: Cli, tmp_path: Path, loaded: Path, table: str, words: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.dctbench.run]\n{table}\n")
    done = cli("run", "--dry-run", "--seq", "64", PYTHONPATH=str(tmp_path))
    assert done.code == 2, done.err
    assert f"pyproject.toml, [tool.dctbench]: {words}" in done.err
    assert "code is loaded only when the command line asks for it" in done.err
    assert not loaded.exists()


@pytest.mark.parametrize("key", ['task = "recall"', 'model = "minilm"', 'model = "hf:./weights"'])
def test_a_configuration_names_shipped_tasks_and_models_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.dctbench.run]\n{key}\n")
    monkeypatch.chdir(tmp_path)
    name, value = key.replace('"', "").split(" = ")
    assert defaults(command_line, click.Context(command_line))["run"] == {name: [value]}


@pytest.mark.parametrize(
    ("impl", "more", "words"),
    [
        (f'["none", "{EVIL}"]', "", EVIL),
        ('"none"', '[settings.env]\nPYTHONPATH = "."', "PYTHONPATH"),
        ('"none"', '[settings.env]\nLD_PRELOAD = "./evil.so"', "LD_PRELOAD"),
        ('"none"', '[settings.env]\nMALLOC_ARENA_MAX = "1"\nCXX = "./evil.sh"', "CXX"),
        ('"none"', f'[gate]\nreference = "{EVIL}"', EVIL),
        (f'"none"\ntask = "{EVIL}"', "", EVIL),
        (f'"none"\nmodel = "{EVIL}"\nscope = "model"', "", EVIL),
    ],
)
def test_a_suite_that_only_a_configuration_names_loads_no_code(
    cli: Cli, tmp_path: Path, loaded: Path, impl: str, more: str, words: str
) -> None:
    (tmp_path / "s.toml").write_text(SUITE.format(impl=impl) + more)
    (tmp_path / "pyproject.toml").write_text('[tool.dctbench]\nsuite = "./s.toml"\n')
    for command in (("run",), ("check", "--base-impl", "sdpa")):
        done = cli(*command)
        assert done.code == 2, done.err
        assert f"suite ./s.toml, which pyproject.toml names, sets {words}: code is loaded only when" in done.err
        assert "--suite ./s.toml" in done.err
        assert len(done.err.splitlines()) == 2
    assert not loaded.exists()
    assert not (tmp_path / ".dctbench").exists()


def test_a_configured_suite_without_code_is_measured_and_a_typed_one_may_load_some(
    cli: Cli, tmp_path: Path, loaded: Path
) -> None:
    tuned = SUITE.format(impl='"none"') + '[settings.env]\nMALLOC_TRIM_THRESHOLD_ = "1000000000"\n'
    (tmp_path / "tuned.toml").write_text(tuned)
    (tmp_path / "pyproject.toml").write_text('[tool.dctbench.run]\nsuite = "./tuned.toml"\n')
    assert cli("run", "-q").code == 0
    (tmp_path / "pyproject.toml").write_text('[tool.dctbench.run]\nsuite = "./own.toml"\n')
    (tmp_path / "own.toml").write_text(SUITE.format(impl=f'"{EVIL}"'))
    assert cli("run", "--impl", "none", "--dry-run").code == 0  # what the file names is not measured
    assert not loaded.exists()
    cli("run", "--suite", "./own.toml", PYTHONPATH=str(tmp_path))
    assert loaded.exists()


def imported(cli: Cli, folder: Path, settings: Mapping[str, Any], implementation: str = EVIL, **case: Any) -> Run:
    """A failed run from a result file that claims to have been measured here."""
    here = cli("run", "--impl", "none", *SHAPE, "--format", "json", "--store", "other.sqlite").json()
    [(fingerprint, facts)] = here["environments"].items()
    run = replace(RUN, dctbench_version=__version__, settings=RunSettings.from_json(settings))
    failed = result(implementation, 64, None, status="error", message="no", heads=2, head_dim=8, **case)
    written = dumps(
        document(run, {fingerprint: Environment(facts, fingerprint)}, [replace(failed, fingerprint=fingerprint)])
    )
    (folder / "given.json").write_text(written)
    assert cli("import", "given.json").code == 0
    return run


def test_an_imported_run_sets_no_variable_that_loads_code(cli: Cli, tmp_path: Path, loaded: Path) -> None:
    run = imported(cli, tmp_path, {**SETTINGS, "env": {"PYTHONPATH": str(tmp_path)}})
    done = cli("run", "--resume", run.id, "--retry-failed")
    assert (done.code, loaded.exists()) == (2, False), done.err
    assert f"run {run.short_id} sets PYTHONPATH, with which a process may load code" in done.err
    assert f"PYTHONPATH={tmp_path}" in done.err
    cli("run", "--resume", run.id, "--retry-failed", PYTHONPATH=str(tmp_path))
    assert loaded.exists()


@pytest.mark.parametrize("baseline", ["given.json", "stored"])
@pytest.mark.parametrize(
    ("env", "implementation", "words"),
    [
        ({}, EVIL, f"the baseline measured {EVIL}: code is loaded only when the command line asks for it"),
        ({"PYTHONPATH": "."}, "none", "sets PYTHONPATH, with which a process may load code"),
    ],
)
def test_a_baseline_has_no_code_loaded(
    cli: Cli, tmp_path: Path, loaded: Path, baseline: str, env: dict[str, str], implementation: str, words: str
) -> None:
    run = imported(cli, tmp_path, {**SETTINGS, "env": env}, implementation)
    variables = {} if env else {"PYTHONPATH": str(tmp_path)}  # where the module would be found
    done = cli("check", "--baseline", run.id if baseline == "stored" else baseline, **variables)
    assert (done.code, loaded.exists()) == (2, False), done.err
    assert words in done.err
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize(
    "case", [{"task": EVIL, "scope": "encoder", "mode": "train"}, {"model": EVIL, "scope": "model"}]
)
def test_a_baseline_has_no_task_and_no_model_loaded(
    cli: Cli, tmp_path: Path, loaded: Path, case: dict[str, str]
) -> None:
    run = imported(cli, tmp_path, SETTINGS, "none", **case)
    done = cli("check", "--baseline", run.id, PYTHONPATH=str(tmp_path))
    assert (done.code, loaded.exists()) == (2, False), done.err
    assert f"the baseline measured {EVIL}: code is loaded only when the command line asks for it" in done.err
    assert f"--{'task' if 'task' in case else 'model'} {EVIL}" in done.err
    assert len(done.err.splitlines()) == 2


def test_without_such_a_variable_a_strangers_module_is_not_found(cli: Cli, tmp_path: Path, loaded: Path) -> None:
    run = imported(cli, tmp_path, {**SETTINGS, "env": {}})
    done = cli("run", "--resume", run.id, "--retry-failed")
    assert done.code == 2, done.err
    assert "No module named 'evilmod'" in done.err
    assert not loaded.exists()


def test_a_run_of_ones_own_code_is_gone_on_with_by_resume_alone(cli: Cli, interrupted: Cli) -> None:
    own = {"PYTHONPATH": str(ROOT)}
    ended = interrupted("run", "--impl", "tests.support.hostile:Good,none", "--ratio", "2", *SHAPE[:-1], "3", **own)
    assert ended.code == 130, ended.err
    done = cli("run", "--resume", "--format", "json", **own)
    assert done.code == 0, done.err
    assert {one["status"] for one in json.loads(done.out)["results"]} == {"ok"}


@pytest.mark.parametrize("left_out", [None, "isolation"])
def test_an_imported_run_whose_settings_say_too_little_is_not_gone_on_with(
    cli: Cli, tmp_path: Path, left_out: str | None
) -> None:
    settings = {key: value for key, value in SETTINGS.items() if left_out not in (None, key)}
    run = imported(cli, tmp_path, settings, "none")
    done = cli("run", "--resume", run.id, "--retry-failed")
    assert done.code == 2, done.err
    assert f"run {run.short_id} cannot be resumed: settings.{left_out or 'rounds'} is missing" in done.err
    assert len(done.err.splitlines()) == 2
