"""The further ranks of a case: child processes of its worker, which never outlive it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import TypeVar

from dctbench.errors import DctbenchError, UnavailableError, UnsupportedError
from dctbench.protocol import MeasureRequest, encode_request
from dctbench.worker.ranks.failure import RankFailure, decode

READY = b"ready\n"
_START_SECONDS = 120.0  # importing torch from a cold disk
_LISTEN_SECONDS = 0.5
_LOOK_SECONDS = 0.02
_ENDING_SECONDS = 2.0
_SAID_SECONDS = 2.0
"""How long a rank that failed may take to say why, once another one has lost its connection to it."""

_T = TypeVar("_T")


class RankError(DctbenchError):
    """A rank failed; the message is what it said, or how it ended."""


class RankOutOfMemoryError(RankError):
    """A rank had not enough memory. How much it needed is not known."""

    needed: int | None = None


@dataclass(slots=True)
class _Child:
    """One rank: its process, the pipe on which it speaks (None once it is closed), and what it has said."""

    process: subprocess.Popen[bytes]
    pipe: int | None
    said: bytes = b""

    @property
    def failure(self) -> RankFailure | None:
        """Why it failed, if it has said so."""
        return decode(self.said.removeprefix(READY))

    def read(self) -> None:
        """Read from the pipe, which is ready, and close it at its end."""
        assert self.pipe is not None
        data = os.read(self.pipe, 4096)
        self.said += data
        if not data:
            self.close()

    def close(self) -> None:
        """Close the pipe."""
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None


class Children:
    """Starts the ranks from 1 on, and listens to them.

    Args:
        request: what they measure; its case has `ranks`.
        folder: in which the ranks find each other.
        seconds: after which their collectives give up.
        waiting: called about twice a second until all of them are ready.

    Raises:
        UnavailableError: when no process could be started.
        UnsupportedError, RankError: for a rank that ended before it was ready.
    """

    def __init__(
        self, request: MeasureRequest, folder: Path, seconds: float, waiting: Callable[[], None] = lambda: None
    ) -> None:
        assert request.case.ranks is not None
        self._children: dict[int, _Child] = {}
        try:
            for rank in range(1, request.case.ranks):
                self._children[rank] = _started(rank, request, folder, seconds)
            self._await_ready(waiting)
        except BaseException:
            self.end(grace=0.0)
            raise

    def meet(self, join: Callable[[], _T]) -> _T:
        """Return what `join` returns, which waits for the ranks to join it.

        torch would wait until its time limit for a rank that ended before it joined, and nothing interrupts that. So
        it waits in a thread, which is left behind if a rank ends.

        Raises:
            UnsupportedError, RankError: as soon as a rank has failed, and whatever `join` raises.
        """
        joined: futures.Future[_T] = futures.Future()

        def run() -> None:
            try:
                joined.set_result(join())
            except BaseException as error:
                joined.set_exception(error)

        Thread(target=run, name="join the ranks", daemon=True).start()
        while not futures.wait([joined], _LOOK_SECONDS).done:
            self._listen(0.0)
            ended = any(child.pipe is None for child in self._children.values())
            if ended and (failure := self.failure()) is not None:
                raise failure
        return joined.result()

    def failure(self) -> DctbenchError | None:
        """Return why another rank failed, once this one has lost its connection; None if all others are well."""
        until = monotonic() + _SAID_SECONDS
        while any(child.pipe is not None for child in self._children.values()) and self._listen(until - monotonic()):
            pass
        # A rank that says nothing was killed. One that only lost its connection is not the one that failed.
        ended = {rank: child.failure for rank, child in self._children.items() if child.pipe is None}
        failed = [rank for rank, said in ended.items() if said is None or said.kind != "lost"]
        return self._error_of(min(failed, key=lambda rank: ended[rank] is None)) if failed else None

    def end(self, grace: float = _ENDING_SECONDS) -> None:
        """End the processes, which may end by themselves within `grace` seconds."""
        until = monotonic() + grace
        for child in self._children.values():
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, until - monotonic()))
            child.process.kill()
            child.process.wait()
            child.close()

    def _await_ready(self, waiting: Callable[[], None]) -> None:
        until = monotonic() + _START_SECONDS
        while absent := [rank for rank, child in self._children.items() if not child.said.startswith(READY)]:
            for rank in absent:
                if self._children[rank].pipe is None:
                    raise self._error_of(rank)
            if monotonic() > until:
                raise RankError(f"rank {absent[0]} did not start within {_START_SECONDS:g} s")
            self._listen(_LISTEN_SECONDS)
            waiting()

    def _listen(self, seconds: float) -> bool:
        """Read what ranks say within so many seconds, and return whether one of them spoke or closed its pipe."""
        listened = {child.pipe: child for child in self._children.values() if child.pipe is not None}
        ready, _, _ = select.select(list(listened), [], [], max(0.0, seconds))
        for pipe in ready:
            listened[pipe].read()
        return bool(ready)

    def _error_of(self, rank: int) -> DctbenchError:
        """Return the error that stands for the failure of a rank, whose pipe is closed."""
        failure = self._children[rank].failure
        if failure is None:
            return RankError(f"rank {rank}: {self._end_of(rank)}")
        error = {"oom": RankOutOfMemoryError, "unsupported": UnsupportedError}.get(failure.kind, RankError)
        return error(f"rank {rank}: {failure.message}")

    def _end_of(self, rank: int) -> str:
        """Return how a process ended that has closed its pipe."""
        process = self._children[rank].process
        try:
            code = process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its connections"
        if code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"its process was ended by {name}{' (probably out of memory)' if name == 'SIGKILL' else ''}"


def _started(rank: int, request: MeasureRequest, folder: Path, seconds: float) -> _Child:
    """Start the process of a rank, and send it the request."""
    reading, writing = os.pipe()
    # -P as for every worker: the current folder is not searched for modules.
    command = [sys.executable, "-P", "-m", "dctbench.worker.ranks.follow"]
    command += [str(rank), str(folder), str(seconds), str(writing), str(os.getpid())]
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(writing,))
    except OSError as error:
        os.close(reading)
        raise UnavailableError(f"no process could be started for rank {rank}: {error.strerror}") from None
    finally:
        os.close(writing)
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(encode_request(request))
    return _Child(process, reading)
