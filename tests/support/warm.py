"""Commands that need no second of imports each: they are forked from one process that has imported everything.

A command started here is the real one: a process of its own with its own folder, environment, arguments and streams,
which runs `dctbench.__main__.main` and starts real supervisors, zygotes and workers. Only three things differ from a
command of a shell. The interpreter does not start and import anew, and neither does that of its workers: both are
forked. Variables that are read while libraries are loaded, such as OMP_NUM_THREADS, are those of the first process.
And a case warms up and samples in a tenth of the time: the least samples stay, and the time is that of other tests.
So does a calibration, with smaller products and copies.
A run that a test interrupts takes the usual time (`UNHURRIED`).

Tests of what happens while an interpreter starts or imports use a new interpreter.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn, Self

import dctbench
from dctbench import catalog
from dctbench.__main__ import main as run_command
from dctbench.runners import launchers
from dctbench.worker import supervisor
from dctbench.worker.metrics import ceilings, latency
from tests.support import ROOT

_REQUEST = 1 << 20
_START_SECONDS = 120.0
_SETTLED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "KINETO_LOG_LEVEL": "99"}
"""Variables that libraries read while they are loaded."""
_MOST_SECONDS = {"warmup_least": 0.02, "warmup_most": 0.1, "budget": 0.2}
"""What a case spends at most to warm up and to sample, unless its calls are long."""
_BRIEF_CEILINGS = {
    "ROUNDS": 2, "GEMM_SIZES": (512, 1024), "GEMM_SECONDS": 0.02, "COPY_SECONDS": 0.02, "RATE_SECONDS": 0.003,
    "LEAST_BUFFER": 16 << 20, "MOST_BUFFER": 16 << 20,
}  # fmt: skip
"""What the ceilings of the machine are measured with. Those that a test stores are positive, and need not be right."""
UNHURRIED = "DCTBENCH_TESTS_UNHURRIED"
"""A variable that is set when a case shall take as long as that of a shell: a signal must arrive before a run ends."""
_PATH = [path for path in sys.path if path not in {"", str(ROOT)}]
"""Where a new interpreter searches for modules, without its own folder and PYTHONPATH."""


Stream = int | IO[Any]


class Process:
    """A command that was forked, with the operations of `subprocess.Popen` that tests use.

    `stdout` and `stderr` are streams of text if a pipe was asked for, and None otherwise.
    """

    def __init__(self, pid: int, report: socket.socket, stdout: IO[str] | None, stderr: IO[str] | None) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._report = report

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is not None:  # nobody tells a command to end whose test has failed
            self.kill()
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def poll(self) -> int | None:
        """The exit code, negative for a signal, or None while the command runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: when it does not end in time.
        """
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("dctbench", timeout or 0)
            text = self._report.recv(64)
            assert text, "the process that commands are forked from has ended"
            self.returncode = int(text)
            self._report.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the command, and not to its workers."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the command with SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both streams to their ends and close them, wait for the end of the command, and return what was read.

        Raises:
            subprocess.TimeoutExpired: when it takes longer. It is not ended by that.
        """
        until = None if timeout is None else time.monotonic() + timeout
        texts: dict[IO[str], str] = {}

        def read(stream: IO[str]) -> None:
            texts[stream] = stream.read()

        readers = [threading.Thread(target=read, args=(s,), daemon=True) for s in (self.stdout, self.stderr) if s]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(None if until is None else max(0.0, until - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired("dctbench", timeout or 0)
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        out, err = ("" if stream is None else texts[stream] for stream in (self.stdout, self.stderr))
        for stream in texts:
            stream.close()
        return out, err


class Warm:
    """The process that has imported everything, seen from the tests. It ends when they end."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())],
                cwd=ROOT, env=os.environ | _SETTLED, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._control.settimeout(_START_SECONDS)
        assert self._control.recv(16) == b"ready"

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        streams: Sequence[Stream],
        new_session: bool = False,
    ) -> Process:
        """Start `dctbench` with these arguments in a folder.

        Args:
            arguments: the arguments of the command.
            folder: where it runs.
            environ: all of its environment variables.
            streams: its standard input, output and error: a file or descriptor, or a constant of `subprocess`.
            new_session: whether it leads a session and a process group of its own.
        """
        request = {"arguments": list(arguments), "folder": str(folder), "environ": dict(environ), "new": new_session}
        data = json.dumps(request).encode()
        assert len(data) < _REQUEST
        report, remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        opened: list[int] = []
        pipes: list[IO[str] | None] = []
        given = []
        for stream in streams:
            end = None
            if stream == subprocess.PIPE:
                reading, writing = os.pipe()
                opened.append(writing)
                end = open(reading, encoding="utf-8", newline=None)  # noqa: SIM115
                given.append(writing)
            elif stream == subprocess.DEVNULL:
                opened.append(os.open(os.devnull, os.O_RDWR))
                given.append(opened[-1])
            else:
                given.append(stream if isinstance(stream, int) else stream.fileno())
            pipes.append(end)
        with remote:
            socket.send_fds(self._control, [data], [*given, remote.fileno()])
        for descriptor in opened:
            os.close(descriptor)
        return Process(int(self._control.recv(16)), report, *pipes[1:])


@cache
def warm() -> Warm:
    """The one of this process, started by the first test that needs it."""
    return Warm()


def main(control: int) -> NoReturn:
    """Import everything, then fork a command for each request until the socket closes."""
    _import_everything()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the tests end, and this process with them
    wake, waker = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    with socket.socket(fileno=control) as requests, selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        requests.sendall(b"ready")
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if wake in ready:
                os.read(wake, 1 << 10)
                _report_ends(running)
            if requests.fileno() in ready:
                data, descriptors, _, _ = socket.recv_fds(requests, _REQUEST, 4)
                if not data:
                    os._exit(0)
                pid = os.fork()
                if pid == 0:
                    _finish(_become_command, json.loads(data), descriptors)
                running[pid] = socket.socket(fileno=descriptors.pop())
                for descriptor in descriptors:
                    os.close(descriptor)
                requests.sendall(str(pid).encode())


def _import_everything() -> None:
    for module in pkgutil.walk_packages(dctbench.__path__, "dctbench."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as missing:  # of an extra that is not installed
            if missing.name is None or missing.name.partition(".")[0] == "dctbench":
                raise
    for entry in catalog.IMPLEMENTATIONS.values():
        entry.load()
    for name in ("torch._dynamo", "sqlalchemy.dialects.sqlite", "pandas", "plotly.offline"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _report_ends(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as report, suppress(OSError):  # the test may not wait for it
            report.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _finish(run: Callable[..., object], *arguments: object) -> NoReturn:
    """Run what the process is for and end it as an interpreter would, with the exit code of a SystemExit."""
    code: Any = 1
    try:
        run(*arguments)
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(code if isinstance(code, int) else 1)


def _become_command(request: dict[str, Any], descriptors: Sequence[int]) -> None:
    signal.set_wakeup_fd(-1)
    if request["new"]:
        os.setsid()
    os.chdir(request["folder"])
    _take_over(descriptors[:3], request["environ"], [os.getcwd()])
    sys.argv = ["dctbench", *request["arguments"]]
    vars(launchers)["subprocess"] = _Forking
    run_command()


def _take_over(
    streams: Sequence[int], environ: Mapping[str, str], searched: Sequence[str], keep: Sequence[int] = ()
) -> None:
    """Give this process streams, variables, signals and a search path, as the start of an interpreter does.

    Every other descriptor is closed, except for those to keep.
    """
    for usual in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(usual, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    moved = [os.dup(descriptor) for descriptor in streams]
    kept = sorted({*range(3), *keep})
    for number, descriptor in enumerate(moved):
        os.dup2(descriptor, number)
    for first, last in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(first + 1, last)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _text_stream(number)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)  # keeps the file open when the command replaces the stream
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    tempfile.tempdir = None
    more = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*searched, *more, *_PATH]
    importlib.invalidate_caches()
    if environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable()


def _text_stream(number: int) -> io.TextIOWrapper:
    if number == 0:
        return io.TextIOWrapper(open(0, "rb", closefd=False), encoding="utf-8")
    terminal = os.isatty(number)
    errors = "backslashreplace" if number == 2 else "strict"
    raw = open(number, "wb", closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(raw, encoding="utf-8", errors=errors, line_buffering=terminal or number == 2)


class _Forked:
    """A supervisor that was forked, with the operations of `subprocess.Popen` that its launcher uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = False

    def send_signal(self, number: int) -> None:
        if not self._ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        while not self._ended:
            self._ended = os.waitpid(self.pid, os.WNOHANG if until else 0)[0] == self.pid
            if until and not self._ended:
                if time.monotonic() > until:
                    raise subprocess.TimeoutExpired("supervisor", timeout or 0)
                time.sleep(0.002)


class _Forking:
    """Stands for the module `subprocess` in the module that starts supervisors."""

    DEVNULL = subprocess.DEVNULL
    TimeoutExpired = subprocess.TimeoutExpired

    @staticmethod
    def Popen(command: Sequence[str], **how: Any) -> Any:
        """Fork a supervisor, or start it as usual if it has another interpreter."""
        python, *_, module = command[:4]
        if python != sys.executable:
            return subprocess.Popen(command, **how)
        assert module == "dctbench.worker.supervisor"
        null = os.open(os.devnull, os.O_RDWR)
        output = null if how["stdout"] == subprocess.DEVNULL else how["stdout"].fileno()
        pid = os.fork()
        if pid == 0:
            _finish(_become_supervisor, command[4:], (null, output, output), how)
        os.close(null)
        return _Forked(pid)


def _become_supervisor(arguments: Sequence[str], streams: Sequence[int], how: Mapping[str, Any]) -> None:
    os.setsid()
    _take_over(streams, how["env"], [], keep=how["pass_fds"])
    if UNHURRIED not in how["env"]:
        vars(latency)["Sampling"] = _brief
        vars(ceilings).update(_BRIEF_CEILINGS)
    supervisor.main(list(arguments))


_Sampling = latency.Sampling


def _brief(**settings: Any) -> latency.Sampling:
    """The rules that end warm-up and sampling, with less time for both."""
    asked = _Sampling(**settings)
    return replace(asked, **{name: min(getattr(asked, name), most) for name, most in _MOST_SECONDS.items()})


if __name__ == "__main__":
    main(int(sys.argv[1]))
