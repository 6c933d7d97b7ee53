"""Ctrl-C and SIGTERM wherever a command waits: it ends soon, loses nothing, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from dctbench.runners.lock_files import VARIABLE as LOCKS
from dctbench.runners.locks import Lock
from dctbench.store import open_store, schema
from tests.support.command import FIGURES, MARK, TINY
from tests.support.postgresql import Server

SOON = 20.0
"""Seconds. An idle machine needs one or two. A wait that is not interruptible takes 40 s and more, but for a frozen
server."""
PATIENCE = 120.0
AT_WORK = 0.05
"""Seconds of processor time that a forked case has used only once it works."""
STORE = "results.sqlite"
SWEEP = ("run", "--impl", "sdpa,none", "--store", STORE, "--progress", "plain", *TINY[2:-1], "1", "--seq", "64..512")
LIST = ("list", "runs", "--store", STORE)


@dataclass
class Scene:
    """A command, and what makes it wait."""

    folder: Path
    environ: dict[str, str]
    server: Server
    stack: ExitStack
    told: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    reader: threading.Thread | None = None

    def start(self, *command: str, **variables: str) -> int:
        """Start a command and return its process id."""
        self.process = self.stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "dctbench", *command],
                cwd=self.folder,
                env=self.environ | variables,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        self.stack.callback(self.process.kill)
        self.reader = threading.Thread(target=self._read, args=[self.process.stderr])
        self.reader.start()
        return self.process.pid

    def _read(self, lines: Iterator[str]) -> None:
        self.told += lines

    def end(self) -> int:
        """Wait until the command has ended and all that it told was read, and return its exit code."""
        assert self.process is not None
        assert self.reader is not None
        code = self.process.wait(timeout=PATIENCE)
        self.reader.join(PATIENCE)
        return code

    def until(self, reached: Callable[[], object]) -> None:
        """Wait until the command waits."""
        assert self.process is not None
        deadline = time.monotonic() + PATIENCE
        while not reached():
            assert self.process.poll() is None, self.told
            assert time.monotonic() < deadline, self.told
            time.sleep(0.02)

    def has_told(self, words: str) -> bool:
        """Whether a line with these words was printed to standard error."""
        return any(words in line for line in list(self.told))


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """A store that another process has locked for writing."""
    connection = sqlite3.connect(store, timeout=60, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


def has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    return any(Path(file.path) == path for file in psutil.Process(pid).open_files())


def a_locked_store(scene: Scene) -> None:
    with open_store(str(scene.folder / STORE), create=True):
        pass
    scene.stack.enter_context(locked(scene.folder / STORE))
    pid = scene.start(*LIST)
    scene.until(lambda: has_open(pid, scene.folder / STORE))


def a_store_that_is_locked_during_a_run(scene: Scene) -> None:
    pid = scene.start(*SWEEP)
    scene.until(lambda: scene.has_told("[1/"))
    scene.stack.enter_context(locked(scene.folder / STORE))
    scene.until(lambda: has_open(pid, scene.folder / STORE))


def modules(scene: Scene, name: str, code: str) -> str:
    """Return a folder for PYTHONPATH with one module; `reached()` in its code tells that it runs."""
    folder = scene.folder / "modules"
    folder.mkdir()
    tell = f"import os, signal, sys, time\ndef reached():\n    open({str(scene.folder / 'reached')!r}, 'w').close()\n"
    (folder / f"{name}.py").write_text(tell + code)
    return str(folder)


def a_worker_that_imports_slowly(scene: Scene) -> None:
    scene.start(*SWEEP, PYTHONPATH=modules(scene, "torch", "reached(); time.sleep(600)"))
    scene.until((scene.folder / "reached").exists)


def an_interpreter_that_starts_slowly(scene: Scene) -> None:
    code = "if 'dctbench.worker.supervisor' in sys.orig_argv:\n    reached()\n    time.sleep(600)"
    scene.start(*SWEEP, PYTHONPATH=modules(scene, "sitecustomize", code))
    scene.until((scene.folder / "reached").exists)


def a_zygote_that_is_stopped_while_it_starts(scene: Scene) -> None:
    code = "reached(); os.kill(os.getpid(), signal.SIGSTOP)"
    scene.start(*SWEEP, PYTHONPATH=modules(scene, "torch", code))
    scene.until((scene.folder / "reached").exists)


def a_zygote_that_is_stopped_between_cases(scene: Scene) -> None:
    pid = scene.start(*SWEEP)
    scene.until(lambda: scene.has_told("[1/"))
    [supervisor] = [each for each in psutil.Process(pid).children() if "dctbench.worker.zygote" in each.cmdline()]
    [zygote] = supervisor.children()
    # A zygote reports the process of a case after it has forked it. Once the case measures, it has.
    scene.until(lambda: any(seconds_of_work(each) > AT_WORK for each in zygote.children()))
    zygote.suspend()
    scene.until(lambda: all(each.status() == psutil.STATUS_ZOMBIE for each in zygote.children()))


def seconds_of_work(process: psutil.Process) -> float:
    """The processor time of a process, or 0 if it has ended."""
    try:
        return float(sum(process.cpu_times()[:2]))
    except psutil.Error:
        return 0.0


def a_device_that_is_busy(scene: Scene) -> None:
    lock = Lock("cpu")
    assert lock.take()
    scene.stack.callback(lock.release)
    scene.start(*SWEEP)
    scene.until(lambda: scene.has_told("waiting for cpu: process"))


def a_case(scene: Scene) -> None:
    code = """from torch import nn

class Layer(nn.Module):
    def __init__(self, seq_len, dim, heads):
        super().__init__()

    def forward(self, x, key_padding_mask=None):
        reached()
        time.sleep(600)
"""
    scene.start(*SWEEP, "--impl", "none,slow:Layer", PYTHONPATH=modules(scene, "slow", code))
    scene.until((scene.folder / "reached").exists)


def another_interpreter(scene: Scene) -> None:
    python = scene.folder / "python"
    python.write_text(f"#!/bin/sh\ntouch {scene.folder / 'reached'}\nexec sleep 600\n")
    python.chmod(0o755)
    scene.start("check", "--base-python", str(python), "--impl", "none", "--store", STORE)
    scene.until((scene.folder / "reached").exists)


def a_server_that_accepts_and_says_nothing(scene: Scene) -> None:
    silent = scene.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    scene.start("list", "runs", "--store", f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/bench")
    connection, _ = silent.accept()
    scene.stack.enter_context(connection)
    assert connection.recv(1)


def a_server_that_freezes_during_a_query(scene: Scene) -> None:
    import psycopg

    with open_store(scene.server.url, create=True):
        pass
    holder = scene.stack.enter_context(psycopg.connect(scene.server.url.replace("+psycopg", "")))
    holder.execute(f"LOCK TABLE {schema.migrations.name} IN ACCESS EXCLUSIVE MODE")
    scene.start("list", "runs", "--store", scene.server.url)
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    scene.until(lambda: scene.server.query(waiting, database="postgres"))
    scene.server.freeze()
    scene.stack.callback(scene.server.thaw)


PHASES = [
    (a_locked_store, signal.SIGINT, False),
    (a_locked_store, signal.SIGTERM, False),
    (a_store_that_is_locked_during_a_run, signal.SIGINT, True),
    (a_worker_that_imports_slowly, signal.SIGINT, False),
    (an_interpreter_that_starts_slowly, signal.SIGTERM, False),
    (a_zygote_that_is_stopped_while_it_starts, signal.SIGINT, False),
    (a_zygote_that_is_stopped_between_cases, signal.SIGTERM, True),
    (a_device_that_is_busy, signal.SIGINT, True),
    (a_case, signal.SIGTERM, True),
    (another_interpreter, signal.SIGINT, False),
    (a_server_that_accepts_and_says_nothing, signal.SIGINT, False),
    (a_server_that_freezes_during_a_query, signal.SIGINT, False),
]


@pytest.mark.skipif(sys.platform != "linux", reason="that a process waits is seen in /proc, and zygotes are for Linux")
@pytest.mark.parametrize(
    ("waiting_for", "number", "begun"), PHASES, ids=[f"{phase.__name__}-{number.name}" for phase, number, _ in PHASES]
)
def test_a_command_that_waits_is_interrupted_soon(
    waiting_for: Callable[[Scene], None],
    number: signal.Signals,
    begun: bool,
    tmp_path: Path,
    environ: dict[str, str],
    postgresql: Server,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv(LOCKS, str(tmp_path))
    marked = environ | {MARK: uuid.uuid4().hex, LOCKS: str(tmp_path)}
    with ExitStack() as stack:
        scene = Scene(tmp_path, marked, postgresql, stack)
        waiting_for(scene)
        assert scene.process is not None
        began = time.monotonic()
        scene.process.send_signal(number)
        assert scene.end() == 130, scene.told
        seconds = time.monotonic() - began
        record_property(FIGURES, f"{seconds:.2f} s")
        assert no_process_is_left(marked[MARK])
    assert seconds < SOON
    told = "".join(scene.told)
    assert "dctbench: interrupted" in told
    assert "Traceback" not in told
    assert ("resume it with: dctbench run --resume" in told) is begun
    if begun:
        with open_store(str(tmp_path / STORE)) as store:
            [state] = store.runs()
        assert state.stored == sum(line.startswith("[") for line in scene.told)


def no_process_is_left(mark: str) -> bool:
    deadline = time.monotonic() + PATIENCE
    while any(has_mark(process, mark) for process in psutil.process_iter()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == mark
    except psutil.Error:
        return False
