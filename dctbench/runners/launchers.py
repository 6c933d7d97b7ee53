"""Launchers: they start the process of a case, as a new interpreter or as a fork of a zygote.

Either kind of process offers the same operations: exchange messages, notice its end, end it, and learn how it ended.
Every wait for another process has a time limit.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import IO, Protocol

from dctbench.errors import UnavailableError
from dctbench.runners.closing import Closing
from dctbench.runners.variables import padded

_START_SECONDS = 120.0  # importing torch from a cold disk
_ENDING_SECONDS = 4.0
"""Longer than a supervisor takes to end the processes that a case left behind."""
_KILLED_SECONDS = 10.0
"""How long the kernel may take to free the memory of a killed process, which can be a hundred gigabytes."""
_FORK_SECONDS = 20.0


class GoneError(UnavailableError):
    """A process of dctbench ended unexpectedly, did not respond in time, or could not be started."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            hint="check the limits on processes, open files and memory (ulimit -a, and those of the container); "
            "results measured so far are stored",
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        code: the exit code; negative for the signal that ended the process.
        left: how many processes it left behind. They have been ended, too.
        killed: whether the runner ended it.
    """

    code: int
    left: int
    killed: bool


class Launcher(Protocol):
    """A way to start the process of a case."""

    name: str

    def start(self, output: IO[bytes]) -> Child:
        """Start a process whose standard output and error go to `output`."""

    def close(self) -> None:
        """End what the launcher keeps running between cases."""


def kill_session(pid: int) -> None:
    """Kill a process that leads a session, or is about to, and every process in its session."""
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)


class _Lines:
    """Reads what a supervisor or a zygote reports: lines of one word followed by numbers."""

    def __init__(self, end: socket.socket, closing: Closing) -> None:
        self.end = end
        self._closing = closing
        self._received = b""

    def read(self, word: str, seconds: float) -> list[int]:
        """Return the numbers of the next line, which must begin with `word`.

        Raises:
            GoneError: when the line does not come within `seconds` or before the runner is closed, or begins with
                another word.
        """
        deadline = monotonic() + seconds
        with self._closing.ending(self.end):
            while b"\n" not in self._received:
                self.end.settimeout(max(0.001, deadline - monotonic()))
                try:
                    data = self.end.recv(64)
                except TimeoutError:
                    raise GoneError(f"it did not respond within {seconds:g} s") from None
                except ConnectionError:
                    data = b""
                if not data:
                    raise GoneError("it ended")
                self._received += data
        line, _, self._received = self._received.partition(b"\n")
        first, *numbers = line.decode("ascii").split()
        if first != word:
            raise GoneError(f"it sent {first} {' '.join(numbers)} instead of {word}")
        return [int(number) for number in numbers]


@contextmanager
def start_errors() -> Iterator[None]:
    """Turn a failure to start a process, such as a reached limit or a missing interpreter, into a GoneError."""
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise GoneError(f"no process could be started: {error.strerror or error}{place}") from error


class SupervisedProcess:
    """A process that runs a module of dctbench, with a supervisor process as its parent."""

    def __init__(
        self,
        module: str,
        output: IO[bytes] | int,
        variables: Mapping[str, str],
        python: str,
        closing: Closing,
        *words: str,
    ) -> None:
        with start_errors():
            self.channel, remote_channel = socket.socketpair()
            lifeline, remote_lifeline = socket.socketpair()
        with remote_channel, remote_lifeline:
            descriptors = (remote_channel.fileno(), remote_lifeline.fileno())
            # -P: do not search the current folder, which may contain a hostile json.py.
            command = [python, "-P", "-m", "dctbench.worker.supervisor", module]
            command += [*map(str, descriptors), str(os.getpid()), *words]
            try:
                with start_errors():
                    self._supervisor = subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        pass_fds=descriptors,
                        env=padded(variables),
                        start_new_session=True,
                    )
            except GoneError:
                self.channel.close()
                lifeline.close()
                raise
        self.lines = _Lines(lifeline, closing)
        try:
            [self.pid] = self.lines.read("pid", _START_SECONDS)
        except GoneError as gone:
            self._supervisor.kill()  # it may still be importing, and its child dies with it
            self.close()
            raise GoneError(f"no process could be started: {gone.message}") from None

    def close(self) -> None:
        """End the process and all of its descendants."""
        self.channel.close()
        self.lines.end.close()
        self._supervisor.send_signal(signal.SIGCONT)  # a stopped supervisor would not notice
        try:
            self._supervisor.wait(_KILLED_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()


class Child:
    """A process of a case, which holds the other end of `channel`.

    Attributes:
        pid: its process id.
        importer: the id of the process that imported torch for it: its own, or that of its zygote.
    """

    def __init__(self, channel: socket.socket, pid: int, importer: int, lines: _Lines) -> None:
        self.channel = channel
        self.pid = pid
        self.importer = importer
        self._lines = lines

    @property
    def ending(self) -> socket.socket:
        """A socket that becomes readable when the process has ended."""
        return self._lines.end

    def kill(self) -> None:
        """Kill the process and its session."""
        kill_session(self.pid)

    def wait(self) -> Ended:
        """Wait for the process to end by itself, kill it if it does not, and return how it ended.

        Raises:
            GoneError: when the supervisor or zygote, which reports the end, is gone or does not respond.
        """
        try:
            return self._ended(_ENDING_SECONDS, killed=False)
        except GoneError:
            return self.end()

    def end(self) -> Ended:
        """Kill the process and return how it ended. Raises what `wait` raises."""
        self.kill()
        return self._ended(_KILLED_SECONDS, killed=True)

    def _ended(self, seconds: float, *, killed: bool) -> Ended:
        code, left = self._lines.read("exit", seconds)
        return Ended(code, left, killed)

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()


class FreshChild(Child):
    """A process with an interpreter of its own."""

    def __init__(self, output: IO[bytes], variables: Mapping[str, str], python: str, closing: Closing) -> None:
        self._process = SupervisedProcess("dctbench.worker.serve", output, variables, python, closing)
        super().__init__(self._process.channel, self._process.pid, self._process.pid, self._process.lines)

    def close(self) -> None:
        """End the process and all of its descendants."""
        self._process.close()


class Fresh:
    """Starts a new interpreter for every case, which imports torch for itself.

    Args:
        variables: the environment variables of the process.
        python: its interpreter.
        closing: ends every wait for the process.
    """

    name = "fresh"

    def __init__(self, variables: Mapping[str, str], python: str, closing: Closing) -> None:
        self.variables = variables
        self.python = python
        self._closing = closing

    def start(self, output: IO[bytes]) -> FreshChild:
        """Start a new interpreter."""
        return FreshChild(output, self.variables, self.python, self._closing)

    def close(self) -> None:
        """Do nothing: nothing is kept between cases."""


class Zygote:
    """Forks the process of every case from one zygote process, one at a time.

    Args:
        variables: the environment variables of the zygote.
        python: its interpreter.
        closing: ends every wait for the zygote.
        words: its further arguments.

    Raises:
        GoneError: when the zygote cannot serve: it ended, or it has threads and must not fork.
    """

    name = "zygote"

    def __init__(self, variables: Mapping[str, str], python: str, closing: Closing, *words: str) -> None:
        # The thread pool of NumPy would make the fork unsafe, and nothing needs it here.
        variables = {**variables, "OPENBLAS_NUM_THREADS": "1"}
        self._process = SupervisedProcess(
            "dctbench.worker.zygote", subprocess.DEVNULL, variables, python, closing, *words
        )
        self.pid = self._process.pid
        self._lines = _Lines(self._process.channel, closing)
        try:
            self._lines.read("ready", _START_SECONDS)
        except GoneError:
            self.close()
            raise

    def start(self, output: IO[bytes]) -> Child:
        """Fork a process from the zygote.

        Raises:
            GoneError: when the zygote is gone or does not respond.
        """
        with start_errors():
            channel, remote = socket.socketpair()
        with remote:
            try:
                self._lines.end.settimeout(_FORK_SECONDS)
                socket.send_fds(self._lines.end, [b"fork"], [remote.fileno(), output.fileno()])
                [pid] = self._lines.read("pid", _FORK_SECONDS)
            except OSError as error:
                channel.close()
                raise GoneError("it ended") from error
            except GoneError:
                channel.close()
                raise
        return Child(channel, pid, self.pid, self._lines)

    def close(self) -> None:
        """End the zygote and a process that it has forked."""
        self._process.close()
