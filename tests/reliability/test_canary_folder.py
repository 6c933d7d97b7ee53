"""Every command in a folder that someone else prepared: no program runs that a file in it names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from dctbench.cli import cli as command_line
from tests.support.canary import git, plant, repository
from tests.support.command import NEW_INTERPRETERS, start
from tests.support.process import OwnProcess
from tests.support.warm import Process

TINY = ("--seq", "64", "--heads", "2", "--head-dim", "8")
OK = (0,)
EXPECTED = {"noise": (130,), "store push": (5,), "doctor": (0, 3)}
"""Exit codes of commands that are interrupted, have no server, or judge the machine, which may be unfit."""
IN_NEW_INTERPRETERS = ("run", "check", "noise", "bundle", "doctor", "report")
"""Commands that start other processes or import much. The others import some of the same, and are forked."""
COMMANDS = (
    ("run", *TINY, "--impl", "sdpa,none", "--rounds", "1", "--label", "one"),
    ("run", *TINY, "--impl", "sdpa,none", "--rounds", "1", "--save-baseline", "main"),
    ("check", *TINY, "--base-impl", "none", "--impl", "none", "--tolerance", "900%", "--pairs", "2",
     "--max-pairs", "2"),
    ("noise", "--progress", "plain"),
    ("choose", "--seq", "64"),
    ("compare", "one", "main"),
    ("report", "main"),
    ("export", "json", "main", "-o", "run.json"),
    ("import", "run.json"),
    ("atlas", "run.json", "-o", "atlas.html"),
    ("bundle", *TINY, "--impl", "sdpa", "-o", "bundle"),
    ("doctor",),
    ("list", "impls"), ("list", "tasks"), ("list", "suites"),
    ("list", "devices"), ("list", "metrics"), ("list", "runs"),
    ("list", "cases"),
    ("store", "info"), ("store", "check"), ("store", "prune", "--keep", "50"), ("store", "forget", "main"),
    ("store", "merge", ".dctbench/results.sqlite", "--into", "other.sqlite"),
    ("store", "push", "postgresql+psycopg://nobody@127.0.0.1:1/none", "--store", "other.sqlite"),
)  # fmt: skip


def _names(group: click.Group, context: click.Context, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _names(command, context, (*above, name))
        else:
            yield (*above, name)


def _started(folder: Path, environ: dict[str, str], words: tuple[str, ...]) -> Process | OwnProcess:
    """Start a command. One that has a new interpreter does not search its folder for modules, as the installed one."""
    if words[0] not in IN_NEW_INTERPRETERS and NEW_INTERPRETERS not in os.environ:
        return start(*words, folder=folder, environ=environ, stdout=subprocess.DEVNULL)
    command = [sys.executable, "-P", "-m", "dctbench", *words]
    return OwnProcess(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _run(folder: Path, environ: dict[str, str], words: tuple[str, ...]) -> tuple[int, str]:
    """Run a command and return its exit code and standard error. `noise` takes minutes, so Ctrl-C ends it early."""
    with _started(folder, environ, words) as process:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if words[0] == "noise" and "] pair " in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode is not None
    return process.returncode, "".join(told)


def test_no_command_runs_a_program_that_the_folder_names(tmp_path: Path, environ: dict[str, str]) -> None:
    folder, trace = tmp_path / "clone", tmp_path / "ran"
    repository(folder)
    for name in ("sitecustomize.py", "json.py", "torch.py"):
        (folder / name).write_text(f"open({str(trace)!r}, 'w').close()\n")
    plant(folder, trace)
    for words in COMMANDS:
        code, told = _run(folder, environ, words)
        assert code in EXPECTED.get(words[0] if words[0] != "store" else " ".join(words[:2]), OK), (words, told)
        assert not trace.exists(), (words, trace.read_text())
    every = set(_names(command_line, click.Context(command_line)))
    assert {words[: 2 if words[:2] in every else 1] for words in COMMANDS} == every
    git(folder, "status")
    assert trace.exists(), "the plants do not work"
