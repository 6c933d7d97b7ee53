"""The out-of-memory killer of the kernel, in a memory cgroup with a complete run and another process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command import Done

CONTROLLER = Path("/sys/fs/cgroup/memory")
LIMIT = 1 << 30
NEIGHBOUR = "held = b'x' * (64 << 20); print('ready', flush=True); import time; time.sleep(600)"


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory cgroup with a limit, which is removed afterwards."""
    if os.geteuid() != 0:
        pytest.skip("making a memory cgroup takes root")
    if not (CONTROLLER / "memory.limit_in_bytes").exists():
        pytest.skip(f"no memory controller of cgroup v1 is mounted at {CONTROLLER}")
    folder = CONTROLLER / f"dctbench-test-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"the memory controller makes no cgroup here: {error}")
    yield folder
    deadline = time.monotonic() + 30
    while True:
        try:
            folder.rmdir()
            return
        except OSError:  # a killed process leaves its group a moment after it was waited for
            assert time.monotonic() < deadline, (folder / "cgroup.procs").read_text()
            time.sleep(0.05)


def within(group: Path, *command: str) -> tuple[str, ...]:
    """Return a command that joins the group before it starts."""
    return ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command)


def killed_in(group: Path) -> int:
    """Return how many processes the kernel has killed in the group."""
    words = (group / "memory.oom_control").read_text().split()
    return int(words[words.index("oom_kill") + 1])


def test_only_the_process_that_takes_all_memory_is_killed(group: Path, tmp_path: Path, environ: dict[str, str]) -> None:
    with subprocess.Popen(
        within(group, sys.executable, "-c", NEIGHBOUR), stdout=subprocess.PIPE, text=True
    ) as neighbour:
        try:
            assert neighbour.stdout is not None
            assert neighbour.stdout.readline() == "ready\n"
            done = swept_within(group, tmp_path, environ)
            assert done.code == 0, done.err
            assert killed_in(group) == 1
            assert neighbour.poll() is None
        finally:
            neighbour.kill()
    found = {
        (one["case"]["implementation"], one["case"]["seq_len"]): (one["status"], one["message"])
        for one in done.json()["results"]
    }
    killed = "out of memory: the kernel ended it"
    assert [found.pop(("tests.reliability.layers:TakesAllMemory", n)) for n in (64, 128)] == [
        ("oom", killed),
        ("skipped", f"oom already at n = 64 ({killed})"),
    ]
    assert found == {(name, n): ("ok", None) for name in ("none", "sdpa") for n in (64, 128)}


def swept_within(group: Path, folder: Path, environ: dict[str, str]) -> Done:
    sweep = ("run", "--impl", "sdpa,tests.reliability.layers:TakesAllMemory,none", "--ratio", "2", "--seq", "64,128",
             "--heads", "2", "--head-dim", "8", "--rounds", "1", "--format", "json")  # fmt: skip
    done = subprocess.run(
        within(group, sys.executable, "-m", "dctbench", *sweep),
        cwd=folder,
        env=environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
