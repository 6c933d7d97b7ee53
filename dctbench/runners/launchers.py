"""How a case gets its process: started afresh, or forked from a zygote. Either way the same few things can be done
with it: talk, notice its end, end it, and learn how it ended. Nothing here waits for another process without a limit.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import IO, Protocol

from dctbench.errors import UnavailableError

_START_SECONDS = 120.0  # torch from a cold disk
_ENDING_SECONDS = 4.0
"""Longer than a guard takes to end what is left of a case."""
_KILLED_SECONDS = 10.0
"""In which the kernel takes back what a killed process held, be it a hundred gigabytes."""
_FORK_SECONDS = 20.0


class GoneError(UnavailableError):
    """A process of ours that should have answered has ended, did not answer in time, or could not be started."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            hint="look at the limits here on processes, open files and memory (ulimit -a, the container's); what was "
            "measured is stored",
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit code (negative: by that signal), and how many processes it left, ended with it.

    `killed` when it was ended from here.
    """

    code: int
    left: int
    killed: bool


class Launcher(Protocol):
    """A way to get children."""

    name: str

    def start(self, output: IO[bytes]) -> Child:
        """A child whose standard output and error go to `output`."""

    def close(self) -> None:
        """No more children."""


def kill_session(pid: int) -> None:
    """End a process that leads a session, or is about to, and everything in it."""
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)


class _Lines:
    """What a guard or a zygote tells: lines of a word and numbers."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._received = b""

    def read(self, word: str, seconds: float) -> list[int]:
        """The numbers of the next line, which begins with `word`.

        Raises:
            GoneError: when it does not come within `seconds`, or says something else.
        """
        until = monotonic() + seconds
        while b"\n" not in self._received:
            self.end.settimeout(max(0.001, until - monotonic()))
            try:
                data = self.end.recv(64)
            except TimeoutError:
                raise GoneError(f"it did not answer within {seconds:g} s") from None
            except ConnectionError:
                data = b""
            if not data:
                raise GoneError("it ended")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        said, *numbers = line.decode("ascii").split()
        if said != word:
            raise GoneError(f"it said {said} {' '.join(numbers)}")
        return [int(number) for number in numbers]


@contextmanager
def _startable() -> Iterator[None]:
    """What a machine refuses when it is full, or without the interpreter that was there a moment ago, in a sentence."""
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise GoneError(f"no process could be started: {error.strerror or error}{place}") from error


class Guarded:
    """A module of dctbench that runs in a process of its own, with a guard above it."""

    def __init__(
        self, module: str, output: IO[bytes] | int, variables: Mapping[str, str], python: str, *words: str
    ) -> None:
        with _startable():
            self.channel, theirs = socket.socketpair()
            lifeline, guards = socket.socketpair()
        with theirs, guards:
            numbers = (theirs.fileno(), guards.fileno())
            # -P: the current folder, where a hostile json.py may lie, is not searched.
            with _startable():
                self._guard = subprocess.Popen(
                    [
                        python,
                        "-P",
                        "-m",
                        "dctbench.worker.supervisor",
                        module,
                        *map(str, numbers),
                        str(os.getpid()),
                        *words,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=numbers,
                    env=dict(variables),
                    start_new_session=True,
                )
        self.lines = _Lines(lifeline)
        try:
            [self.pid] = self.lines.read("pid", _START_SECONDS)
        except GoneError as gone:
            self.close()
            raise GoneError(f"no process could be started: {gone.message}") from None

    def close(self) -> None:
        """End it and everything below it."""
        self.channel.close()
        self.lines.end.close()
        self._guard.send_signal(signal.SIGCONT)  # one that was stopped would not notice
        try:
            self._guard.wait(_KILLED_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()


class Child:
    """A process that holds the other end of `channel`.

    `importer` is the process that imported torch for it: itself, or its zygote.
    """

    def __init__(self, channel: socket.socket, pid: int, importer: int, lines: _Lines) -> None:
        self.channel = channel
        self.pid = pid
        self.importer = importer
        self._lines = lines

    @property
    def ending(self) -> socket.socket:
        """Readable when it has ended."""
        return self._lines.end

    def kill(self) -> None:
        """End it and its session."""
        kill_session(self.pid)

    def wait(self) -> Ended:
        """How it ended; one that does not end by itself is ended.

        Raises:
            GoneError: when the process that should tell is gone, or does not answer.
        """
        try:
            return self._ended(_ENDING_SECONDS, killed=False)
        except GoneError:
            return self.end()

    def end(self) -> Ended:
        """End it, and say how that went. Raises as `wait`."""
        self.kill()
        return self._ended(_KILLED_SECONDS, killed=True)

    def _ended(self, seconds: float, *, killed: bool) -> Ended:
        code, left = self._lines.read("exit", seconds)
        return Ended(code, left, killed)

    def close(self) -> None:
        """Let go of it."""
        self.channel.close()


class FreshChild(Child):
    """A new interpreter."""

    def __init__(self, output: IO[bytes], variables: Mapping[str, str], python: str) -> None:
        self._process = Guarded("dctbench.worker.serve", output, variables, python)
        super().__init__(self._process.channel, self._process.pid, self._process.pid, self._process.lines)

    def close(self) -> None:
        """End it and everything below it."""
        self._process.close()


class Fresh:
    """Every case in an interpreter of its own, torch's import included."""

    name = "fresh"

    def __init__(self, variables: Mapping[str, str], python: str = sys.executable) -> None:
        self.variables = variables
        self.python = python

    def start(self, output: IO[bytes]) -> FreshChild:
        """A new interpreter."""
        return FreshChild(output, self.variables, self.python)

    def close(self) -> None:
        """Nothing is kept between children."""


class Zygote:
    """One zygote process and the children it forks, one at a time; `words` are for it.

    Raises:
        GoneError: when it cannot serve: its process ended, or it had threads when it should have forked.
    """

    name = "zygote"

    def __init__(self, variables: Mapping[str, str], python: str, *words: str) -> None:
        # NumPy's own thread pool would make the fork unsafe, and nothing here needs it.
        variables = {**variables, "OPENBLAS_NUM_THREADS": "1"}
        self._process = Guarded("dctbench.worker.zygote", subprocess.DEVNULL, variables, python, *words)
        self.pid = self._process.pid
        self._lines = _Lines(self._process.channel)
        try:
            self._lines.read("ready", _START_SECONDS)
        except GoneError:
            self.close()
            raise

    def start(self, output: IO[bytes]) -> Child:
        """A fork of the zygote.

        Raises:
            GoneError: when the zygote is gone, or does not answer.
        """
        with _startable():
            ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._lines.end.settimeout(_FORK_SECONDS)
                socket.send_fds(self._lines.end, [b"fork"], [theirs.fileno(), output.fileno()])
                [pid] = self._lines.read("pid", _FORK_SECONDS)
            except OSError as error:
                ours.close()
                raise GoneError("it ended") from error
            except GoneError:
                ours.close()
                raise
        return Child(ours, pid, self.pid, self._lines)

    def close(self) -> None:
        """End the zygote; a child of it that is left ends with it."""
        self._process.close()
