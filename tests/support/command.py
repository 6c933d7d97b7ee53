"""The result of a command, and a small run for tests that need one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.process import OwnProcess
from tests.support.warm import Process, Stream, warm

NEW_INTERPRETERS = "DCTBENCH_TESTS_NEW_INTERPRETERS"
"""A variable that is set when every command gets an interpreter of its own."""
MARK = "DCTBENCH_TEST_MARK"
"""A variable by which a test finds the processes of its command in `/proc`, which shows those of the start alone."""
_AT_START = re.compile(rf"PYTHON(?!PATH$)|LC_|LANG|OMP_|MKL_|OPENBLAS_|GOMP_|KMP_|MALLOC_|{MARK}$")
"""Variables that matter only while an interpreter starts or loads a library."""
_LAST_SECONDS = 60.0
"""How long a killed command may take to end."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


Cli = Callable[..., Done]
"""Runs the real command in a folder of its own, as the fixture `cli`."""


def plain_environment() -> dict[str, str]:
    """Return an environment without anything of ours, with one thread per process: tests run beside each other."""
    left_out = ("DCTBENCH_STORE", "CI", "GITHUB_STEP_SUMMARY", "FORCE_COLOR", "NO_COLOR", "PYTHONPATH")
    return {k: v for k, v in os.environ.items() if k not in left_out} | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}


_started: list[Process | OwnProcess] = []


def end_all() -> None:
    """Kill every command of `start` that still runs, and close its streams: a failed test leaves them behind.

    Unless they are waited for, Python warns of them whenever it collects them, which fails whatever test then runs.
    """
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
            process.wait(_LAST_SECONDS)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def start(
    *arguments: str,
    folder: Path,
    environ: Mapping[str, str],
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.PIPE,
    stderr: Stream = subprocess.PIPE,
    new_session: bool = False,
    new_interpreter: bool = False,
) -> Process | OwnProcess:
    """Start the real command in a folder; its pipes are streams of text. It is ended after the test (`end_all`).

    It is forked from a process that has imported everything (`tests.support.warm`), unless a new interpreter is asked
    for by the caller, by `--new-interpreters`, or by a variable that matters only while an interpreter starts.
    """
    usual = plain_environment()
    at_start = any(_AT_START.match(name) and value != usual.get(name) for name, value in environ.items())
    process: Process | OwnProcess
    if at_start or new_interpreter or NEW_INTERPRETERS in os.environ:
        process = OwnProcess(
            [sys.executable, "-m", "dctbench", *arguments], cwd=folder, env=environ,
            stdin=stdin, stdout=stdout, stderr=stderr, text=True, start_new_session=new_session,
        )  # fmt: skip
    else:
        process = warm().start(arguments, folder, environ, (stdin, stdout, stderr), new_session)
    _started.append(process)
    return process


def cli_in(folder: Path, environ: dict[str, str]) -> Cli:
    """Return what runs the real command in a folder."""

    def run(*arguments: str, timeout: float = 300, new_interpreter: bool = False, **variables: str) -> Done:
        variables = environ | variables
        with start(*arguments, folder=folder, environ=variables, new_interpreter=new_interpreter) as process:
            out, err = process.communicate(timeout=timeout)
        assert process.returncode is not None
        return Done(process.returncode, out, err)

    return run


TINY = ("--seq", "64,128", "--heads", "2", "--head-dim", "8", "--rounds", "2")
"""A run whose cases take milliseconds."""
FIGURES = "figures"
"""The property in which a test records its counts, which are printed at the end of the log."""
