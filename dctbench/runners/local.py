"""Cases on this machine: one fresh child process each, which nothing it does can outlive."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import IO, Any, Self

from dctbench import environment
from dctbench.errors import DctbenchError, UsageError
from dctbench.model import Case, Result
from dctbench.runners import Facts, result_from_answer

DESCRIBE_TIMEOUT = 120.0
_MAX_ANSWER = 256 << 20  # bytes; a million samples are 20 MB
_OUTPUT_TAIL = 2000
_ENDING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """`case_timeout` in seconds, from start to answer; `env` set on top of this process's environment for every
    child; `sampling` overrides of the latency metric's settings.
    """

    case_timeout: float = 120.0
    env: Mapping[str, str] | None = None
    sampling: Mapping[str, Any] | None = None


class LocalRunner:
    """Runs one case at a time, in the order submitted. Use it as a context manager: leaving it ends its children."""

    def __init__(self, settings: LocalSettings) -> None:
        self.settings = settings
        self.variables = {
            **os.environ,
            "PYTHONFAULTHANDLER": "1",
            "KINETO_LOG_LEVEL": "99",
            **(settings.env or {}),
        }
        self.environment = environment.collect(self.variables)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dctbench-runner")
        self._scratch = tempfile.TemporaryDirectory(prefix="dctbench-", ignore_cleanup_errors=True)
        self._child: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        child = self._child
        if child is not None:
            _kill_group(child)
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._scratch.cleanup()

    def submit(self, case: Case, round: int) -> Future[Result]:
        """Measure `case` in a process of its own; whatever becomes of that process, the future holds a Result."""
        request = {
            "measure": {
                "case": case.to_json(),
                "sampling": dict(self.settings.sampling or {}),
                "scratch": self._scratch.name,
            }
        }

        def run() -> Result:
            answer = self._ask(request, self.settings.case_timeout)
            return result_from_answer(case, round, answer, self.environment)

        return self._thread.submit(run)

    def describe(self, implementations: Sequence[str], cases: Sequence[Case]) -> Facts:
        """Ask the implementations about themselves, in one child.

        Raises:
            UsageError: when one of them cannot be imported.
        """
        names = list(dict.fromkeys([*implementations, *(case.implementation for case in cases)]))
        request = {"describe": {"implementations": names, "cases": [case.to_json() for case in cases]}}
        answer = self._thread.submit(self._ask, request, DESCRIBE_TIMEOUT).result()
        if "implementations" not in answer:
            raise UsageError(f"cannot load {', '.join(names)}: {answer['message']}", hint=answer.get("hint"))
        return Facts(
            {name: facts["uses_ratio"] for name, facts in answer["implementations"].items()},
            dict(zip(cases, answer["flops"], strict=True)),
        )

    def _ask(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Hand `request` to a fresh child and wait for its answer, its end, or the timeout."""
        if self._closing.is_set():
            raise DctbenchError("the runner is closed")
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as output, ours:
            with theirs:
                command = [
                    sys.executable,
                    "-P",
                    "-m",
                    "dctbench.worker",
                    str(theirs.fileno()),
                    str(os.getpid()),
                ]
                self._child = child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                    env=self.variables,
                    start_new_session=True,
                )
            try:
                if self._closing.is_set():  # closed between the check above and the start
                    _kill_group(child)
                line = _converse(ours, child, request, timeout)
                if line == b"":  # it is ending: its own exit code says why, so let it
                    _await_end(child)
            finally:
                _kill_group(child)
                child.wait()
                self._child = None
            if line is None:
                return {"status": "timeout", "message": f"timeout after {timeout:g} s"}
            return _parse(line) or _obituary(child.returncode, output)


def _converse(
    channel: socket.socket, child: subprocess.Popen[bytes], request: Mapping[str, Any], timeout: float
) -> bytes | None:
    """The child's answer; what there was of it when it ended without one; None when time ran out.

    The thread sleeps in the kernel until one of the three happens: a parent that polls would load the machine that is
    being measured.
    """
    deadline = monotonic() + timeout
    received = bytearray()
    with selectors.DefaultSelector() as selector, _Ending(child) as ending:
        try:
            channel.sendall(json.dumps(request).encode() + b"\n")
        except OSError:  # it ended before it read; what it left behind says why
            return b""
        selector.register(channel, selectors.EVENT_READ)
        selector.register(ending, selectors.EVENT_READ)
        while not received.endswith(b"\n"):
            remaining = deadline - monotonic()
            ready = {key.fileobj for key, _ in selector.select(remaining)} if remaining > 0 else set()
            if not ready:
                return None
            if channel in ready:
                try:
                    chunk = channel.recv(1 << 20)
                except ConnectionResetError:
                    chunk = b""
                received += chunk
                if not chunk or len(received) > _MAX_ANSWER:
                    return b""
            elif ending in ready:  # and nothing left to read: a grandchild may still hold the pipe open
                return b""
    return bytes(received)


def _await_end(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(timeout=_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        return


class _Ending:
    """Something a selector can wait on that becomes readable when the child ends."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        if hasattr(os, "pidfd_open"):
            self._fd = os.pidfd_open(child.pid)
            self._thread = None
            return
        self._fd, write = os.pipe()

        def wait() -> None:
            child.wait()
            os.close(write)

        self._thread = threading.Thread(target=wait, daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._fd)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything it started; its group is its own since it leads a session."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _obituary(code: int, output: IO[bytes]) -> dict[str, Any]:
    """The status of a child that ended without an answer, from its exit code and the last it wrote."""
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _OUTPUT_TAIL))
    tail = output.read().decode("utf-8", errors="replace").strip()
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        cause = " (probably out of memory)" if -code == signal.SIGKILL else ""
        message = f"{name}{cause}"
    else:
        message = f"the process ended without a result (exit code {code})"
    return {"status": "error", "message": message, "details": {"output": tail} if tail else {}}
