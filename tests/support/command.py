"""The result of a command, and a small run for tests that need one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


def cli_in(folder: Path, environ: dict[str, str]) -> Cli:
    """Return what runs the real command in a folder."""

    def run(*arguments: str, timeout: float = 300, **variables: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "dctbench", *arguments],
            cwd=folder,
            env=environ | variables,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


TINY = ("--seq", "64,128", "--heads", "2", "--head-dim", "8", "--rounds", "2")
"""A run whose cases take milliseconds."""
FIGURES = "figures"
"""The property in which a test records its counts, which are printed at the end of the log."""
