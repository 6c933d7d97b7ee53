"""How a case gets its process: started afresh, or forked from a zygote. Either way the same few things can be done
with it: talk, notice its end, end it, and learn how it ended.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO, Protocol

from dctbench.errors import DctbenchError

_START_SECONDS = 120.0  # torch from a cold disk
_ENDING_SECONDS = 5.0


class ZygoteError(DctbenchError):
    """The zygote cannot serve: its process ended, or it had threads when it should have forked."""


class Child(Protocol):
    """A process that holds the other end of `channel`; `ending` becomes readable when it has ended."""

    channel: socket.socket
    pid: int
    importer: int
    """The process that imported torch for it: itself, or its zygote."""

    @property
    def ending(self) -> int:
        """A descriptor for a selector."""

    def wait(self) -> int:
        """Its exit code once it has ended by itself or was killed; negative: the signal."""

    def close(self) -> None:
        """End its whole group if any of it is left, and let go of everything."""


class Launcher(Protocol):
    """A way to get children."""

    name: str

    def start(self, output: IO[bytes]) -> Child:
        """A child whose standard output and error go to `output`."""

    def close(self) -> None:
        """No more children."""


def kill_group(pid: int) -> None:
    """End a process that leads a session, and everything it started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


class FreshChild:
    """A new interpreter."""

    def __init__(self, output: IO[bytes], variables: Mapping[str, str], python: str) -> None:
        self.channel, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(python, "dctbench.worker", theirs, output, variables)
        self.pid = self.importer = self._process.pid
        self._ending = _Ending(self._process)

    @property
    def ending(self) -> int:
        """Readable when it has ended."""
        return self._ending.descriptor

    def wait(self) -> int:
        """Its exit code."""
        try:
            return self._process.wait(timeout=_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            kill_group(self.pid)
            return self._process.wait()

    def close(self) -> None:
        """End it and its group."""
        kill_group(self.pid)
        self._process.wait()
        self._ending.close()
        self.channel.close()


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
    """One zygote process and the children it forks, one at a time."""

    name = "zygote"

    def __init__(self, variables: Mapping[str, str], python: str = sys.executable) -> None:
        # NumPy's own thread pool would make the fork unsafe, and nothing here needs it.
        variables = {**variables, "OPENBLAS_NUM_THREADS": "1"}
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(python, "dctbench.zygote", theirs, subprocess.DEVNULL, variables)
        self.pid = self._process.pid
        self._received = b""
        self._control.settimeout(_START_SECONDS)
        word, number = self.read()
        self._control.settimeout(None)
        if word != "ready":
            self.close()
            raise ZygoteError(f"the zygote has {number} threads after its imports, so it cannot fork safely")

    def start(self, output: IO[bytes]) -> ForkedChild:
        """A fork of the zygote.

        Raises:
            ZygoteError: when the zygote is gone.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"fork"], [theirs.fileno(), output.fileno()])
                word, pid = self.read()
            except OSError as error:
                ours.close()
                raise ZygoteError("the zygote process ended") from error
        assert word == "pid"
        return ForkedChild(self, ours, pid)

    def read(self) -> tuple[str, int]:
        """The zygote's next line: a word and a number.

        Raises:
            ZygoteError: when the zygote has ended, or takes longer to start than any import can.
        """
        while b"\n" not in self._received:
            try:
                data = self._control.recv(64)
            except (TimeoutError, ConnectionError):
                data = b""
            if not data:
                raise ZygoteError("the zygote process ended")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        word, _, number = line.decode("ascii").partition(" ")
        return word, int(number)

    def fileno(self) -> int:
        """Readable when the zygote has something to say, which after a fork is that the child has ended."""
        return self._control.fileno()

    def close(self) -> None:
        """End the zygote; a child of it that is left dies with it."""
        self._control.close()
        kill_group(self._process.pid)
        self._process.wait()


class ForkedChild:
    """A fork of the zygote."""

    def __init__(self, zygote: Zygote, channel: socket.socket, pid: int) -> None:
        self.channel = channel
        self.pid = pid
        self.importer = zygote.pid
        self._zygote = zygote
        self._code: int | None = None

    @property
    def ending(self) -> int:
        """Readable when it has ended."""
        return self._zygote.fileno()

    def wait(self) -> int:
        """Its exit code, which the zygote tells."""
        if self._code is None:
            timer = threading.Timer(_ENDING_SECONDS, kill_group, [self.pid])
            timer.start()
            try:
                _, self._code = self._zygote.read()
            finally:
                timer.cancel()
        return self._code

    def close(self) -> None:
        """End it and its group."""
        kill_group(self.pid)
        try:
            self.wait()
        except ZygoteError:
            self._code = -signal.SIGKILL
        self.channel.close()


class _Ending:
    """A descriptor that becomes readable when a process ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if hasattr(os, "pidfd_open"):
            self.descriptor = os.pidfd_open(process.pid)
            return
        self.descriptor, write = os.pipe()

        def wait() -> None:
            process.wait()
            os.close(write)

        threading.Thread(target=wait, daemon=True).start()

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self.descriptor)


def _spawn(
    python: str, module: str, theirs: socket.socket, output: IO[bytes] | int, variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    # -P: the current folder, where a hostile json.py may lie, is not searched.
    return subprocess.Popen(
        [python, "-P", "-m", module, str(theirs.fileno()), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=[theirs.fileno()],
        env=dict(variables),
        start_new_session=True,
    )
