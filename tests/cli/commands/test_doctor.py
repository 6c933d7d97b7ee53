"""`dctbench doctor` as people and programs meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dctbench.machine.calibration import Calibration
from dctbench.store import open_store
from tests.support.command import Cli
from tests.support.made import CALIBRATION

STATES = ("ok", "warning", "failure")
CHECKS = {"timer", "processor", "governor", "other load", "affinity", "container", "memory", "allocator", "lock",
          "torch", "threads", "attention", "GPU", "disk", "store", "terminal", "ceilings"}  # fmt: skip


@pytest.mark.parametrize("columns", [80, 120])
def test_every_line_fits_and_says_its_state(cli: Cli, columns: int) -> None:
    done = cli("doctor", COLUMNS=str(columns))
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert max(len(line) for line in lines) <= columns
    assert done.err == ""
    told = [line for line in lines if line.startswith("  ") and line.split()[0] in STATES]
    assert len(told) >= len(CHECKS)
    assert all(any(f" {check} " in line for line in told) for check in CHECKS)
    assert "\x1b" not in done.out


def test_as_json_it_is_a_list_of_findings_and_leaves_nothing_behind(cli: Cli, tmp_path: Path) -> None:
    found = cli("doctor", "--format", "json").json()
    assert {"check", "state", "found", "remedy"} <= set(found[0])
    assert {one["state"] for one in found} <= set(STATES)
    assert {one["check"] for one in found} >= CHECKS
    assert all(one["remedy"] for one in found if one["state"] != "ok")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_used_is_a_failure_and_exits_5(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_text("not a database " * 99)
    done = cli("doctor", "--store", "s.sqlite", "--format", "json")
    assert done.code == 5
    [store] = [one for one in done.json() if one["check"] == "store"]
    assert store["state"] == "failure"
    assert store["remedy"]


def test_a_torch_that_cannot_be_imported_is_a_failure_and_exits_6(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "broken" / "torch").mkdir(parents=True)
    (tmp_path / "broken" / "torch" / "__init__.py").write_text("raise ImportError('libtorch.so: no such file')")
    done = cli("doctor", new_interpreter=True, PYTHONPATH=str(tmp_path / "broken"))
    assert done.code == 6
    assert "libtorch.so: no such file" in done.out
    assert "1 failure" in done.out


def fingerprint(cli: Cli, *arguments: str) -> str:
    return cli("doctor", *arguments).out.splitlines()[0].rpartition("fingerprint ")[2]


def test_the_ceilings_of_a_suite_are_those_that_its_runs_look_for(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        "[axes]\nimpl = ['none']\nseq = [64]\nheads = [2]\nhead_dim = [8]\n[settings]\nrounds = 1\n"
        "[settings.env]\nMALLOC_TRIM_THRESHOLD_ = '1073741824'\n"
    )
    done = cli("run", "--suite", "s.toml", "--store", "s.sqlite")
    assert done.code == 0, done.err
    usual, of_suite = fingerprint(cli), fingerprint(cli, "--suite", "s.toml")
    with open_store(str(tmp_path / "s.sqlite")) as store:
        [state] = store.runs()
        assert list(store.environments(state.run.id)) == [of_suite] != [usual]
        store.add_calibration(of_suite, CALIBRATION)
    ceilings = []
    for flags in ((), ("--suite", "s.toml")):
        found = cli("doctor", *flags, "--store", "s.sqlite", "--format", "json").json()
        ceilings += [one for one in found if one["check"] == "ceilings"]
    assert ["not measured" in one["found"] for one in ceilings] == [True, False]


def test_a_suite_that_does_not_exist_is_a_usage_error(cli: Cli) -> None:
    done = cli("doctor", "--suite", "nowhere")
    assert done.code == 2
    assert "nowhere" in done.err


def test_a_suite_that_the_folder_names_loads_no_code(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("[axes]\nimpl = ['none']\nseq = [64]\n[settings.env]\nLD_PRELOAD = './x.so'\n")
    (tmp_path / "pyproject.toml").write_text("[tool.dctbench.doctor]\nsuite = 's.toml'\n")
    done = cli("doctor")
    assert done.code == 2
    assert "LD_PRELOAD" in done.err


@pytest.mark.slow
def test_calibrating_stores_the_ceilings_by_fingerprint(cli: Cli, tmp_path: Path) -> None:
    done = cli("doctor", "--calibrate", "--format", "json")
    assert done.code == 0, done.err
    assert "measuring the ceilings of cpu" in done.err
    [told] = [one for one in done.json() if one["check"] == "ceilings"]
    again = cli("doctor", "--format", "json").json()
    assert told in again
    assert {one["check"] for one in json.loads(done.out)} - {one["check"] for one in again} == {"planner"}
    with open_store(str(tmp_path / ".dctbench" / "results.sqlite")) as store:
        found = store.runs()
    assert found == []
    calibration = Calibration.from_json(told["values"])
    assert calibration.device == "cpu"
    assert min(calibration.gemm.values()) > 0
    assert set(calibration.cost_models) == set(calibration.gemm)
