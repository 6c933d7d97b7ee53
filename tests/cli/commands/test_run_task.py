"""`dctbench run --task`, as typed: trainings are stored one by one, and a killed run ends with the same numbers."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.command import Cli, start

OWN = "tests.support.own_tasks"
SUITE = f"""
[axes]
impl = "linear"
task = "{OWN}:Slow"
heads = 2
head_dim = 8
[settings]
rounds = 2
jobs = 2
"""


def accuracies(cli: Cli, store: Path) -> dict[tuple[Any, ...], list[Any]]:
    entries = cli("export", "json", "--store", str(store)).json()["results"]
    found: dict[tuple[Any, ...], list[Any]] = {}
    for entry in entries:
        if entry["case"]["task"] is not None:
            own = [entry["metrics"].get(name, {}).get("value") for name in ("accuracy", "loss")]
            rounds = [each.get("metrics", {}).get("accuracy") for each in entry["rounds"]]
            found[entry["case"]["implementation"], entry["case"]["task"]] = [*own, rounds, entry["status"]]
    return found


def test_a_killed_run_ends_with_the_numbers_of_one_that_was_left_alone(
    cli: Cli, tmp_path: Path, environ: dict[str, str]
) -> None:
    environ["PYTHONPATH"] = str(ROOT)
    (tmp_path / "own.toml").write_text(SUITE, encoding="utf-8")
    words = ("run", "--suite", "own.toml", "--progress", "plain")
    whole, killed = tmp_path / "whole.sqlite", tmp_path / "killed.sqlite"
    done = cli(*words, "--store", str(whole))
    assert done.code == 0, done.err
    told = tmp_path / "told"
    with told.open("w") as file:
        process = start(
            *words, "--store", str(killed), folder=tmp_path, environ=environ, stdout=subprocess.DEVNULL, stderr=file
        )
        deadline = time.monotonic() + 120
        while "[3/" not in told.read_text().replace(" ", "") and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    stored = cli("list", "runs", "--store", str(killed), "--format", "json").json()[0]["results"]
    assert int(stored.split()[0]) >= 3
    resumed = cli("run", "--resume", "--store", str(killed), "--progress", "plain")
    assert resumed.code == 0, resumed.err
    assert f"resuming, {stored.split()[0]} of" in resumed.err
    assert accuracies(cli, killed) == accuracies(cli, whole)
    found = accuracies(cli, whole)
    assert {name for name, _ in found} == {"linear", "sdpa", "none"}
    assert all(len(rounds) == 2 and status == "ok" for _, _, rounds, status in found.values())


def test_layers_that_fail_in_different_ways_are_told_apart(cli: Cli, environ: dict[str, str]) -> None:
    environ["PYTHONPATH"] = str(ROOT)
    layers = ",".join(f"{OWN}:{name}" for name in ("Zero", "Crash", "ReadsAnswers", "Diverges"))
    done = cli("run", "--impl", layers, "--task", f"{OWN}:First", "--kept", "default", "--rounds", "1", "--heads", "2",
               "--head-dim", "8", "--format", "json")  # fmt: skip
    assert done.code == 4, done.err
    told = {
        entry["case"]["implementation"].partition(":")[2]: (entry["status"], str(entry["message"]))
        for entry in done.json()["results"]
        if entry["case"]["task"] is not None and ":" in entry["case"]["implementation"]
    }
    assert told["Zero"] == ("ok", "None")
    assert told["Crash"][0] == told["ReadsAnswers"][0] == told["Diverges"][0] == "error"
    assert "at step 3" in told["Crash"][1]
    assert "more than its input" in told["ReadsAnswers"][1]
    assert "not finite" in told["Diverges"][1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "acuty"), "did you mean 'acuity'"),
        (("--task", "acuity", "--scope", "layer"), "a task trains an encoder"),
        (("--task", "absent.module:Task"), "importing absent.module failed"),
        (("--task", "pathfinder"), "give --device cuda:0, or leave out pathfinder"),
    ],
)
def test_a_task_that_cannot_be_is_a_usage_error(cli: Cli, words: tuple[str, ...], said: str) -> None:
    done = cli("run", "--dry-run", *words)
    assert done.code == 2
    assert said in done.err


def test_a_length_that_a_task_cannot_have_is_unsupported_and_stored(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text('[axes]\nimpl = "sdpa"\ntask = "recall"\nseq = 16\n[settings]\nrounds = 1\n')
    done = cli("run", "--suite", "short.toml", "--format", "json")
    assert done.code == 0, done.err
    found = {(one["case"]["implementation"], one["case"]["task"]): one for one in done.json()["results"]}
    assert {key: one["status"] for key, one in found.items()} == {
        (name, task): "unsupported" if task else "ok" for name in ("sdpa", "none") for task in ("recall", None)
    }
    assert found["sdpa", "recall"]["message"] == "recall needs a length of at least 32; got 16"


def test_the_plan_names_tasks_and_the_list_explains_them(cli: Cli) -> None:
    planned = cli("run", "--dry-run", "--suite", "accuracy", "--format", "json").json()
    tasks = [case["task"] for case in planned["cases"]]
    assert tasks.count("recall") == 12
    assert tasks.count(None) == 24  # each layer at both shapes
    assert 600 < planned["estimate"]["seconds"] < 3 * 3600
    listed = {each["name"]: each for each in cli("list", "tasks", "--format", "json").json()}
    assert listed["recall"]["guess"] == pytest.approx(1 / 16)
    assert listed["acuity"]["variants"] == ["shift"]
