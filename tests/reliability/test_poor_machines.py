"""Machines that hide /proc or /sys, have no memory left, or folders with numbers and tables beyond all measure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.machine import contention, environment, host
from dctbench.machine.contention import Neighbours
from dctbench.model import Case
from dctbench.store import open_store
from tests.support.command import TINY, Cli, Done
from tests.support.made import ENVIRONMENT, RUN, result

SUITE = "[axes]\nimpl = ['none']\nseq = [64]\n"
FLAGS = ("--seq", "--rounds", "--budget", "--case-timeout", "--head-dim", "--ratio")


def without(place: str, folder: Path, environ: dict[str, str], *arguments: str) -> Done:
    """Run the command where nothing covers a folder or a file; skip where no such namespace can be made."""
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("hiding a file system takes root and unshare")
    how = "-t tmpfs tmpfs" if Path(place).is_dir() else "--bind /dev/null"
    inside = [unshare, "-m", "sh", "-c", f'mount {how} "$0" || exit 99; exec "$@"', place]
    done = subprocess.run(
        [*inside, sys.executable, "-m", "dctbench", *arguments],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode == 99:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    return Done(done.returncode, done.stdout, done.stderr)


def test_without_proc_nothing_is_measured_and_the_remedy_is_told(tmp_path: Path, environ: dict[str, str]) -> None:
    done = without("/proc", tmp_path, environ, "run", "--impl", "none", *TINY)
    assert done.code == 6, done.err
    assert done.err.startswith("dctbench: /proc is not mounted, and without it")
    assert "mount -t proc proc /proc" in done.err
    assert list(tmp_path.iterdir()) == []


def test_without_sys_a_run_is_measured(tmp_path: Path, environ: dict[str, str]) -> None:
    done = without("/sys", tmp_path, environ, "run", "--impl", "none", *TINY)
    assert done.code == 0, done.err


def test_without_the_load_average_a_run_is_measured(tmp_path: Path, environ: dict[str, str]) -> None:
    done = without("/proc/loadavg", tmp_path, environ, "run", "--impl", "none", *TINY)
    assert done.code == 0, done.err


def test_hidden_files_of_proc_are_facts_that_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/proc/meminfo")

    monkeypatch.setattr("psutil.virtual_memory", hidden)
    monkeypatch.setattr("psutil.cpu_times", hidden)
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 2 if logical else hidden())
    monkeypatch.setattr("os.getloadavg", hidden)
    monkeypatch.setattr(contention, "SHORTEST", 0.0)
    assert host.memory() is None
    assert Neighbours().usage() is None
    facts = environment.collect({}).facts
    assert (facts["load_average"], facts["cores_physical"]) == (None, None)


REPORT_WITH_LITTLE_MEMORY = """
import os, resource, sys
from dctbench.__main__ import main
sys.argv = ["dctbench", "report", "--store", "s.sqlite", "--output", "page.html"]
try:
    main()  # once with enough memory: libraries cannot be loaded later
except SystemExit as ended:
    assert not ended.code
os.remove("page.html")
print("with little memory:", file=sys.stderr)
with open("/proc/self/statm") as sizes:
    size = int(sizes.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 20), size + (1 << 20)))
main()
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of the process is read from /proc")
def test_a_report_for_which_the_memory_does_not_suffice_is_a_sentence_and_leaves_no_file(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    cases = [Case("none", n, heads=2, head_dim=8) for n in range(64, 464)]
    with open_store(str(tmp_path / "s.sqlite"), create=True) as store:
        store.add_run(RUN, cases, rounds=1)
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_results(RUN.id, [replace(result("none", 64), case=case) for case in cases])
    done = subprocess.run(
        [sys.executable, "-c", REPORT_WITH_LITTLE_MEMORY],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    told = done.stderr.partition("with little memory:\n")[2]
    assert told.startswith("dctbench: not enough memory for this command\n")
    assert len(told.splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["s.sqlite"]


@pytest.mark.parametrize("value", ["0x" + "f" * 5000, "9" * 5000, "9" * 400, "[" * 3000 + "]" * 3000])
def test_values_of_a_folder_beyond_all_measure_are_one_sentence(cli: Cli, tmp_path: Path, value: str) -> None:
    (tmp_path / "s.toml").write_text(SUITE + f"[settings]\nrounds = {value}\n")
    suite = cli("run", "--suite", "s.toml", "--dry-run")
    (tmp_path / "pyproject.toml").write_text(f"[tool.dctbench.run]\nrounds = {value}\n")
    table = cli("run", "--suite", "s.toml", "--dry-run")
    for done, name in ((suite, "suite s.toml: "), (table, "pyproject.toml cannot be read: ")):
        assert done.code == 2, done.err
        assert done.err.startswith(f"dctbench: {name}")
        assert len(done.err.splitlines()) == 2
        assert len(done.err) < 300
        assert "set_int_max_str_digits" not in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"s.toml", "pyproject.toml"}


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_of_5000_digits_is_a_usage_error(cli: Cli, flag: str) -> None:
    done = cli("run", "--impl", "none", flag, "9" * 5000, "--dry-run")
    assert done.code == 2, done.err
    assert done.err.startswith("dctbench: ")
    assert len(done.err.splitlines()) == 2
