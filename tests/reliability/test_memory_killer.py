"""The out-of-memory killer of the kernel, in a memory cgroup with a complete run and another process."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.cgroup import remove_group
from tests.support.command import Done

LIMIT = 1 << 30
NEIGHBOUR = "held = b'x' * (64 << 20); print('ready', flush=True); import time; time.sleep(600)"


@dataclass(frozen=True)
class Controller:
    """The memory controller of a version of cgroups."""

    folder: Path
    """Where groups are made."""
    limits: dict[str, int]
    """Files of a group, and what is written there: memory and swap together may hold LIMIT bytes."""
    events: str
    """The file that counts the processes that were killed in a group."""

    def make(self) -> Path:
        """Make a group with the limit."""
        folder = self.folder / f"dctbench-test-{uuid.uuid4().hex}"
        folder.mkdir()
        for name, value in self.limits.items():
            if (folder / name).exists():  # files about swap are missing where the kernel does not count it
                (folder / name).write_text(str(value))
        return folder

    def killed_in(self, group: Path) -> int:
        """Return how many processes the kernel has killed in the group."""
        words = (group / self.events).read_text().split()
        return int(words[words.index("oom_kill") + 1])


def controller(root: Path = Path("/sys/fs/cgroup")) -> Controller | None:
    """The memory controller that is mounted there; None if there is none that makes groups."""
    if (root / "memory" / "memory.limit_in_bytes").exists():
        limits = {"memory.limit_in_bytes": LIMIT, "memory.memsw.limit_in_bytes": LIMIT}
        return Controller(root / "memory", limits, "memory.oom_control")
    passed_on = root / "cgroup.subtree_control"
    if passed_on.exists() and "memory" in passed_on.read_text().split():
        return Controller(root, {"memory.max": LIMIT, "memory.swap.max": 0}, "memory.events")
    return None


@pytest.fixture
def memory() -> Controller:
    if os.geteuid() != 0:
        pytest.skip("making a memory cgroup takes root")
    found = controller()
    if found is None:
        pytest.skip("no memory controller of cgroup v1 or v2 is mounted in /sys/fs/cgroup")
    return found


@pytest.fixture
def group(memory: Controller) -> Iterator[Path]:
    """A memory cgroup with a limit, which is removed afterwards."""
    try:
        folder = memory.make()
    except OSError as error:
        pytest.skip(f"the memory controller makes no cgroup here: {error}")
    yield folder
    remove_group(folder)


def within(group: Path, *command: str) -> tuple[str, ...]:
    """Return a command that joins the group before it starts."""
    return ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command)


@pytest.mark.parametrize(
    ("files", "limits", "events"),
    [
        (
            {"memory/memory.limit_in_bytes": "9223372036854771712\n"},
            {"memory.limit_in_bytes": "1073741824"},
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
        ),
        (
            {"cgroup.subtree_control": "cpu io memory pids\n"},
            {"memory.max": "1073741824", "memory.swap.max": "0"},
            ("memory.events", "low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n"),
        ),
    ],
    ids=["v1", "v2"],
)
def test_groups_of_both_versions_are_limited_and_their_kills_counted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    limits: dict[str, str],
    events: tuple[str, str],
) -> None:
    """In a folder with the files of the kernel's documentation, since a machine has one version."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(Path, "mkdir", kernel_makes(limits))
    found = controller(tmp_path)
    assert found is not None
    group = found.make()
    assert {name: (group / name).read_text() for name in limits} == limits
    (group / events[0]).write_text(events[1])
    assert found.killed_in(group) == 1


def kernel_makes(limits: dict[str, str]) -> Callable[[Path], None]:
    """A `mkdir` that fills a new folder with files, as the kernel does in a new group."""
    plain = Path.mkdir

    def mkdir(folder: Path) -> None:
        plain(folder)
        for name in limits:
            (folder / name).touch()

    return mkdir


@pytest.mark.parametrize("files", [{}, {"cgroup.subtree_control": "cpu pids\n"}], ids=["none", "v2-without-memory"])
def test_without_a_memory_controller_there_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert controller(tmp_path) is None


def test_only_the_process_that_takes_all_memory_is_killed(
    memory: Controller, group: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    with subprocess.Popen(
        within(group, sys.executable, "-c", NEIGHBOUR), stdout=subprocess.PIPE, text=True
    ) as neighbour:
        try:
            assert neighbour.stdout is not None
            assert neighbour.stdout.readline() == "ready\n"
            done = swept_within(group, tmp_path, environ)
            assert done.code == 0, done.err
            assert memory.killed_in(group) == 1
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
