"""Cases on this machine: one child process each, which nothing it does can outlive."""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import IO, Any, Literal, Self

from dctbench import environment
from dctbench.calibration import Calibration
from dctbench.errors import DctbenchError, UsageError
from dctbench.model import Case, Result
from dctbench.runners import Facts, result_from_answer
from dctbench.runners.children import Child, Fresh, Launcher, Zygote, ZygoteError, kill_group
from dctbench.runners.interpreters import interpreter, other_variables

Isolation = Literal["auto", "zygote", "fresh"]
DESCRIBE_TIMEOUT = 120.0
_MAX_ANSWER = 256 << 20  # bytes; a million samples are 20 MB
_OUTPUT_TAIL = 2000
_LOCK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How children are run.

    `case_timeout` in seconds, from start to answer; `env` set on top of this process's environment for every child;
    `sampling` overrides of the latency metric's settings; `isolation` how a case gets its process (`auto`: forked on
    Linux for the CPU, fresh elsewhere); `cache` what the last-level cache holds when a timed call begins, `warm` or
    `cold`, None for what is usual on the device.
    """

    case_timeout: float = 120.0
    env: Mapping[str, str] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    isolation: Isolation = "auto"
    cache: str | None = None


class LocalRunner:
    """Runs one case at a time, in the order submitted. Use it as a context manager: leaving it ends its children.

    Args:
        settings: how.
        on_wait: told, in a sentence, when a device is busy with another run's case.
        python: the interpreter of the children, by default this one; what is installed for it is what is measured.

    Raises:
        UsageError: for an interpreter without a dctbench that this one can talk to.
    """

    def __init__(
        self,
        settings: LocalSettings,
        on_wait: Callable[[str], None] = lambda text: None,
        python: str | None = None,
    ) -> None:
        self.settings = settings
        self.variables = {**os.environ, "PYTHONFAULTHANDLER": "1", "KINETO_LOG_LEVEL": "99", **settings.env}
        self.variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as NVML counts GPUs
        self.python = sys.executable
        self.version = environment.package_version("dctbench")
        self.package = str(Path(environment.__file__).resolve().parent)
        if python is None:
            self.environment = environment.collect(self.variables)
        else:
            self.python = python
            self.variables = other_variables(self.variables)
            self.environment, self.version, self.package = interpreter(python, self.variables)
        self.sampling_of: Mapping[str, Mapping[str, Any]] = {}  # sampling settings by case id, over those of all
        self.calibrations: Mapping[str, Calibration] = {}  # by device, where this machine has been calibrated
        self._on_wait = on_wait
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dctbench-runner")
        self._scratch = tempfile.TemporaryDirectory(prefix="dctbench-", ignore_cleanup_errors=True)
        self._zygote: Zygote | None = None
        self._zygote_round: int | None = None
        self._zygotes_work = sys.platform == "linux"
        self._child: Child | None = None
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        child = self._child
        if child is not None:
            kill_group(child.pid)
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._zygote is not None:
            self._zygote.close()
        self._scratch.cleanup()

    def submit(self, case: Case, round: int) -> Future[Result]:
        """Measure `case` in a process of its own; whatever becomes of that process, the future holds a Result.

        In the first round everything is measured, in later ones only what differs between processes: the latency.
        """
        sampling = {**self.settings.sampling, **self.sampling_of.get(case.id, {})}
        request = {
            "measure": {
                "case": case.to_json(),
                "sampling": sampling,
                "scratch": self._scratch.name,
                "cache": self.settings.cache,
                "rates": self._rates(case),
                "timing_only": round > 1,
            }
        }

        def run() -> Result:
            with self._device(case.device):
                answer = self._ask(request, self.settings.case_timeout, self._launcher(case.device, round))
            return result_from_answer(case, round, answer, self.environment)

        return self._thread.submit(run)

    def describe(self, implementations: Sequence[str], cases: Sequence[Case]) -> Facts:
        """Ask the implementations about themselves, in one child.

        Raises:
            UsageError: when one of them cannot be imported.
        """
        names = list(dict.fromkeys([*implementations, *(case.implementation for case in cases)]))
        request = {"describe": {"implementations": names, "cases": [case.to_json() for case in cases]}}

        def run() -> dict[str, Any]:
            return self._ask(request, DESCRIBE_TIMEOUT, self._launcher("cpu", 1))

        answer = self._thread.submit(run).result()
        if "implementations" not in answer:
            raise UsageError(f"cannot load {', '.join(names)}: {answer['message']}", hint=answer.get("hint"))
        return Facts(
            {name: facts["uses_ratio"] for name, facts in answer["implementations"].items()},
            dict(zip(cases, answer["flops"], strict=True)),
        )

    def ask(self, question: str, timeout: float, holding: str | None = None, **arguments: Any) -> dict[str, Any]:
        """A worker's answer to what is not a case, such as `inspect`, from a fresh process.

        Args:
            question: the kind of request.
            timeout: seconds until it is given up.
            holding: the device that no other run may use meanwhile, for a question that measures something.
            arguments: of the question.
        """

        def run() -> dict[str, Any]:
            with self._device(holding) if holding else nullcontext():
                return self._ask({question: arguments}, timeout, Fresh(self.variables, self.python))

        return self._thread.submit(run).result()

    def _rates(self, case: Case) -> Mapping[str, float] | None:
        """The planner's rates on this machine, so that the same machine always plans the same transforms."""
        calibration = self.calibrations.get(case.device)
        return None if calibration is None else calibration.rates(case.dtype)

    def _launcher(self, device: str, round: int) -> Launcher:
        """The zygote of this round, or fresh processes where forking is not wanted or not safe."""
        wanted = self.settings.isolation == "zygote" or (self.settings.isolation == "auto" and device == "cpu")
        if not wanted or not self._zygotes_work:
            return Fresh(self.variables, self.python)
        if self._zygote is not None and self._zygote_round == round:
            return self._zygote
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None
        try:
            self._zygote, self._zygote_round = Zygote(self.variables, self.python), round
        except ZygoteError:
            self._zygotes_work = False
            return Fresh(self.variables, self.python)
        return self._zygote

    def _ask(self, request: Mapping[str, Any], timeout: float, launcher: Launcher) -> dict[str, Any]:
        """Hand `request` to a child and wait for its answer, its end, or the timeout."""
        if self._closing.is_set():
            raise DctbenchError("the runner is closed")
        with tempfile.TemporaryFile() as output:
            try:
                child = launcher.start(output)
            except ZygoteError:  # it died between two cases; nothing of this one has run yet
                self._forget_zygote()
                launcher = Fresh(self.variables, self.python)
                child = launcher.start(output)
            self._child = child
            try:
                if self._closing.is_set():  # closed between the check above and the start
                    kill_group(child.pid)
                line = _converse(child, request, timeout)
                if line is None:
                    return {"status": "timeout", "message": f"timeout after {timeout:g} s"}
                answer = _parse(line) or _obituary(child.wait(), output)
            except ZygoteError as gone:
                self._forget_zygote()
                answer = {"status": "error", "message": f"{gone.message} while the case ran"}
            finally:
                child.close()
                self._child = None
        answer.setdefault("details", {}).update(isolation=launcher.name, torch_imported_by=child.importer)
        return answer

    def _forget_zygote(self) -> None:
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    @contextmanager
    def _device(self, device: str) -> Iterator[None]:
        """The device for this case alone: other runs on this machine wait their turn."""
        path = Path(tempfile.gettempdir()) / f"dctbench-{device.replace(':', '-')}.lock"
        with _open_lock(path) as file:
            told = False
            while not _locked(file):
                if not told:
                    self._on_wait(
                        f"waiting for {device}: {file.read().strip() or 'another process'} is measuring on it"
                    )
                    told = True
                if self._closing.wait(_LOCK_SECONDS):
                    raise DctbenchError("the runner is closed")
            if file.writable():
                file.seek(0)
                file.truncate()
                file.write(f"process {os.getpid()}")
                file.flush()
            yield  # closing the file gives the lock back


def _open_lock(path: Path) -> IO[str]:
    """The lock file, shared by all users of this machine."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except PermissionError:  # another user's, and protected: reading is enough to lock
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return os.fdopen(descriptor, "r", encoding="utf-8")
    return os.fdopen(descriptor, "r+", encoding="utf-8")


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _converse(child: Child, request: Mapping[str, Any], timeout: float) -> bytes | None:
    """The child's answer; b"" when it ended without one; None when time ran out.

    The thread sleeps in the kernel until one of the three happens: a parent that polls would load the machine that is
    being measured.
    """
    deadline = monotonic() + timeout
    received = bytearray()
    channel = child.channel
    with selectors.DefaultSelector() as selector:
        try:
            channel.sendall(json.dumps(request).encode() + b"\n")
        except OSError:  # it ended before it read; what it left behind says why
            return b""
        selector.register(channel, selectors.EVENT_READ)
        selector.register(child.ending, selectors.EVENT_READ)
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
            else:  # it ended, and nothing is left to read: a grandchild may still hold the channel open
                return b""
    return bytes(received)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


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
