"""The workflows of GitHub: pinned, with least rights, and made of steps that a developer can run."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
JOBS = {(file, name): job for file, workflow in WORKFLOWS.items() for name, job in workflow["jobs"].items()}
CI, PUBLISH = WORKFLOWS["ci.yml"]["jobs"], JOBS["release.yml", "publish"]


def commands(job: dict[str, Any]) -> list[str]:
    return [line for step in job["steps"] for line in step.get("run", "").splitlines()]


def test_every_action_is_named_by_the_hash_of_a_commit_and_says_its_version() -> None:
    found = [
        line.strip()
        for path in (*FILES, ROOT / "action.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert len(found) > len(JOBS)
    assert [
        line for line in found if not re.fullmatch(r"(- )?uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
    ] == []


def test_a_version_of_an_action_has_one_hash() -> None:
    hashes: dict[str, set[str]] = {}
    for path in (*FILES, ROOT / "action.yml"):
        for name, commit in re.findall(r"uses: ([^@\s]+)@([0-9a-f]{40})", path.read_text(encoding="utf-8")):
            hashes.setdefault(name, set()).add(commit)
    assert {name: found for name, found in hashes.items() if len(found) > 1} == {}


@pytest.mark.parametrize(("file", "name"), JOBS, ids=[f"{file}-{name}" for file, name in JOBS])
def test_every_job_has_least_rights_and_a_time_limit(file: str, name: str) -> None:
    assert WORKFLOWS[file]["permissions"] == {}
    job = JOBS[file, name]
    assert job["timeout-minutes"] <= 360
    writes = {right for right, access in job["permissions"].items() if access == "write"}
    assert writes == {("release.yml", "publish"): {"id-token"}, ("release.yml", "attach"): {"contents"}}.get(
        (file, name), set()
    )


def test_what_a_job_runs_is_here_to_be_run_by_hand() -> None:
    rules = set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    ran = [line for job in JOBS.values() for line in commands(job)]
    programs = [word for line in ran for word in re.findall(r"(?<!\S)\.ci/\w+", line)]
    assert {".ci/run", ".ci/minimum", ".ci/package", ".ci/cuda"} == set(programs)
    assert [name for name in programs if not os.access(ROOT / name, os.X_OK)] == []
    targets = [match[1] for line in ran if (match := re.match(r"make ([\w-]+)", line))]
    assert {"test", "test-all", "mutation"} <= set(targets) <= rules


def test_every_test_meets_new_examples_at_night() -> None:
    """Not the slow ones alone: most properties are quick."""
    [line] = [
        line for (file, _), job in JOBS.items() if file == "nightly.yml" for line in commands(job) if "test" in line
    ]
    assert line == "make test-all PYTHON=python PYTEST_FLAGS=--hypothesis-profile=development"


def test_one_job_has_a_torch_for_cuda_and_tries_what_needs_no_gpu() -> None:
    """All the others take the CPU build from torch's own index."""
    assert WORKFLOWS["ci.yml"]["env"]["PIP_EXTRA_INDEX_URL"].endswith("/cpu")
    assert {name: job["env"] for name, job in CI.items() if "env" in job} == {"cuda": {"PIP_EXTRA_INDEX_URL": ""}}
    assert ".ci/cuda" in commands(CI["cuda"])
    program = (ROOT / ".ci" / "cuda").read_text(encoding="utf-8")
    tried = re.findall(r"(?<=\s)tests/[\w/.]+", program)
    assert {"tests/worker/devices", "tests/transforms", "tests/benchmarks/test_first_gpu.py"} <= set(tried)
    assert [path for path in tried if not (ROOT / path).exists()] == []
    assert "assert torch.version.cuda" in program


def test_everything_is_run_on_the_oldest_and_the_newest_python_and_the_rest_in_between() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = [match[1] for one in project["classifiers"] if (match := re.fullmatch(r".* :: Python :: (3\.\d+)", one))]
    assert project["requires-python"] == f">={stated[0]}"
    assert CI["all"]["strategy"]["matrix"]["python"] == [stated[0], stated[-1]]
    matrix = CI["test"]["strategy"]["matrix"]
    assert matrix["python"] == stated[1:-1]
    assert {(one["os"].partition("-")[0], one["python"]) for one in matrix["include"]} == {
        ("macos", stated[0]),
        ("macos", stated[-1]),
    }


def test_only_what_was_built_and_tried_is_published_and_without_a_stored_secret() -> None:
    """The job that builds runs nothing of what the tests install, and keeps what it built before they begin."""
    build, tried = JOBS["release.yml", "build"], JOBS["release.yml", "try"]
    assert (".ci/package build" in commands(build), ".ci/package try" in commands(tried)) == (True, True)
    kept, used = ([step["with"] for step in job["steps"] if "path" in step.get("with", {})] for job in (build, tried))
    assert [(one["name"], one["path"]) for one in kept] == [("dist", "dist")]
    assert [(one["name"], one["path"]) for one in used] == [("dist", "dist"), ("sbom", "build/sbom")]
    assert tried["needs"] == "build"
    assert PUBLISH["needs"] == ["build", "try"]
    assert [step["with"] for step in PUBLISH["steps"] if "with" in step] == [{"name": "dist", "path": "dist"}]
    assert "secrets." not in Path(ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
