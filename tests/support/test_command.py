"""Commands that tests start: none outlives its test, whatever became of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dctbench.runners.locks import Lock
from tests.support.command import TINY, end_all, start

WAITS = ("run", "--impl", "none", *TINY)
KINDS = pytest.mark.parametrize("new_interpreter", [False, True], ids=["forked", "in a new interpreter"])


@pytest.fixture(autouse=True)
def device() -> Iterator[None]:
    """A device that is busy until the end of the test: the commands wait for it."""
    lock = Lock("cpu")
    assert lock.take()
    yield
    lock.release()


@KINDS
def test_a_command_that_a_test_leaves_behind_is_killed_and_its_streams_are_closed(
    tmp_path: Path, environ: dict[str, str], new_interpreter: bool
) -> None:
    left = [start(*WAITS, folder=tmp_path, environ=environ, new_interpreter=new_interpreter) for _ in range(2)]
    end_all()
    assert [process.returncode for process in left] == [-signal.SIGKILL] * 2
    assert all(stream is not None and stream.closed for process in left for stream in (process.stdout, process.stderr))


@KINDS
def test_an_exception_kills_the_command_of_its_block(
    tmp_path: Path, environ: dict[str, str], new_interpreter: bool
) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        start(*WAITS, folder=tmp_path, environ=environ, new_interpreter=new_interpreter) as process,
    ):
        raise ZeroDivisionError
    assert process.returncode == -signal.SIGKILL
