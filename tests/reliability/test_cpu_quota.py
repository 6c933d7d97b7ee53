"""A CPU quota, as containers have one: recorded, part of the fingerprint, and told with each case that it disturbed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cgroup import remove_group
from tests.support.command import TINY

CGROUPS = Path("/sys/fs/cgroup")
QUOTA = {
    1: {"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "10000", "cpu.shares": "262144"},
    2: {"cpu.max": "10000 20000", "cpu.weight": "10000"},
}
"""Half a core, and a weight with which the group gets it even if the machine is busy with other things."""


@pytest.fixture
def group() -> Iterator[Path]:
    """A cgroup with half a core in periods of 20 ms, which is removed afterwards."""
    if os.geteuid() != 0:
        pytest.skip("making a cgroup takes root")
    version, parent = (1, CGROUPS / "cpu") if (CGROUPS / "cpu").is_dir() else (2, CGROUPS)
    folder = parent / f"dctbench-test-{uuid.uuid4().hex}"
    try:
        if version == 2 and "cpu" not in (parent / "cgroup.subtree_control").read_text().split():
            (parent / "cgroup.subtree_control").write_text("+cpu")
        folder.mkdir()
        for name, text in QUOTA[version].items():
            (folder / name).write_text(text)
    except OSError as error:
        pytest.skip(f"no cgroup with a CPU quota can be made here: {error}")
    yield folder
    remove_group(folder)


def within(group: Path, *command: str) -> list[str]:
    """Return a command that joins the group before it starts."""
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command]


def printed(command: list[str], folder: Path, environ: dict[str, str]) -> Any:
    """Return the JSON that a command prints."""
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_quota_is_recorded_and_makes_another_fingerprint(
    group: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    describe = [sys.executable, "-m", "dctbench.machine.environment"]
    free = printed(describe, tmp_path, environ)
    limited = printed(within(group, *describe), tmp_path, environ)
    assert (limited["facts"]["cpu_quota"], limited["facts"]["cores_usable"]) == (0.5, 1)
    assert free["facts"]["cpu_quota"] != 0.5
    assert limited["fingerprint"] != free["fingerprint"]


def test_a_case_that_a_quota_stopped_has_a_warning_with_the_counts(
    group: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    sweep = ["run", "--impl", "none", *TINY[2:], "--seq", "64", "--rounds", "1", "--format", "json"]
    run = printed(within(group, sys.executable, "-m", "dctbench", *sweep), tmp_path, environ)
    [result] = run["results"]
    [values] = [
        warning["values"]
        for warning in result["warnings"]
        if isinstance(warning, dict) and warning["code"] == "cpu_throttled"
    ]
    assert values["quota"] == 0.5
    assert 0 < values["stopped"] <= values["periods"]
    assert values["seconds"] > 0
