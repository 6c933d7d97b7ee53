"""Run the real command line inside this process, thousands of times, and check its output, exit code and files."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from dctbench.cli import cli
from dctbench.cli.entry import run_and_exit
from tests.support.command import Done

_MEMORY = Path("/dev/shm")
"""A folder in memory, on systems that have one: creating a thousand stores does not wait for a disk."""


@contextmanager
def folder() -> Iterator[Path]:
    """Change to an empty folder, without a store from the environment."""
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as made, chdir(made), pytest.MonkeyPatch.context() as patch:
        patch.delenv("DCTBENCH_STORE", raising=False)
        yield Path(made)


def command(*arguments: str) -> Done:
    """Run `dctbench` with these arguments and capture its output."""
    out, err = (io.TextIOWrapper(tempfile.TemporaryFile(), encoding="utf-8") for _ in range(2))  # noqa: SIM115
    # A command ignores signals when it ends. The process that runs these tests must not.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
            run_and_exit(cli, arguments)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    texts = []
    for stream in (out, err):
        with stream:
            stream.flush()
            stream.buffer.seek(0)
            texts.append(stream.buffer.read().decode("utf-8"))
    assert isinstance(end.value.code, int)
    return Done(end.value.code, *texts)


def assert_refused(done: Done) -> None:
    """Check for a user error: exit 2, a printable sentence and hint, and nothing on standard output."""
    assert done.code == 2, done.err
    assert done.out == ""
    lines = done.err.split("\n")
    assert len(lines) == 3, done.err
    assert lines[0].startswith("dctbench: ")
    assert lines[1].startswith("  ")
    assert lines[2] == ""
    assert all(line.isprintable() for line in lines)
    assert len(done.err) < 5000


def left_in(place: Path) -> list[str]:
    """Return every file below a folder."""
    return sorted(os.path.relpath(Path(root) / name, place) for root, _, names in os.walk(place) for name in names)
