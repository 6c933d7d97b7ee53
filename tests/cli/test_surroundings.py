"""The command where its surroundings are bad: locale, streams, labels, terminals, stores and places to write."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

ONE = ("run", "--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1")
DOCUMENTS = ("export json", "export csv", "export markdown", "list impls --format json")
TEXTS = ("list impls", "list suites", "list runs", "report")
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
DCTBENCH = shlex.join([sys.executable, "-m", "dctbench"])


class Shell:
    """Lines for a shell, run in one folder; `dctbench` in them is the command under test."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ

    def __call__(self, line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
        """Run a line with bash, whose exit code is that of the first command of a pipe."""
        text = f'dctbench() {{ {DCTBENCH} "$@"; }}\n{line}; exit ${{PIPESTATUS[0]}}'
        return subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder, env=self.environ | variables, capture_output=True, timeout=300, check=False,
        )  # fmt: skip


@pytest.fixture
def shell(tmp_path: Path, environ: dict[str, str]) -> Shell:
    """A shell in the folder that `cli` runs in."""
    return Shell(tmp_path, environ)


def test_a_terminal_that_knows_only_ascii_gets_ascii_and_a_program_gets_utf_8(shell: Shell, tmp_path: Path) -> None:
    label = "café ▲"
    sweep = shell(shlex.join(["dctbench", *ONE, "--impl", "sdpa,dct-x", "--ratio", "8", "--label", label]), **C_LOCALE)
    assert sweep.returncode == 0, sweep.stderr
    assert b"p50 +-CI" in sweep.stdout
    assert b" us +-" in sweep.stdout
    for line in TEXTS:
        done = shell(f"dctbench {line}", **C_LOCALE)
        assert (done.returncode, done.stderr) == (0, b""), line
        assert done.stdout.isascii(), line
    for line in DOCUMENTS:
        plain, rich = shell(f"dctbench {line}", **C_LOCALE), shell(f"dctbench {line}", PYTHONUTF8="1")
        assert (plain.returncode, plain.stdout) == (0, rich.stdout), line
    run = json.loads(shell("dctbench export json", **C_LOCALE).stdout)["run"]
    assert run["label"] == run["argv"][-1] == label
    assert shell(f"dctbench report --title '{label}' -o page.html", **C_LOCALE).returncode == 0
    assert f"<title>{label}" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_nobody_reading_on_is_no_failure(shell: Shell, tmp_path: Path) -> None:
    assert shell(shlex.join(["dctbench", *ONE, "--impl", "none"])).returncode == 0
    os.mkfifo(tmp_path / "gone")
    for line in (*TEXTS, *DOCUMENTS, "--help", "run --help"):
        # the command starts when the fifo tells that the reader has closed its end: no race to win or lose
        done = shell(f"(read -r < gone; dctbench {line}) | (exec <&-; echo > gone)")
        assert (done.returncode, done.stderr) == (0, b""), (line, done.stderr)


def test_closed_streams_are_like_dev_null(shell: Shell) -> None:
    assert shell(shlex.join(["dctbench", *ONE, "--impl", "none"]) + " <&- >&- 2>&-").returncode == 0
    for line in ("list runs", "export json", "report"):
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            done = shell(f"dctbench {line} {closed}")
            assert (done.returncode, done.stderr) == (0, b""), (line, closed)
            assert bool(done.stdout) is (">&-" not in closed.split()), (line, closed)


def test_a_full_standard_output_is_told_in_a_sentence_and_loses_no_result(shell: Shell, cli: Cli) -> None:
    full = ("run", *ONE[1:], "--impl", "none")
    for line in (shlex.join(full), "list impls", "list runs", "export csv", "report", "--help"):
        done = shell(f"dctbench {line} > /dev/full")
        assert done.returncode == 2, line
        assert b"dctbench: the output could not be written: no space left on device" in done.stderr, line
        assert b"Traceback" not in done.stderr, line
    assert shell("dctbench nonsense 2> /dev/full").returncode == 2
    [run] = cli("list", "runs", "--format", "json").json()
    assert run["results"] == "1 of 1"
