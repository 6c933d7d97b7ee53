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
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import IO, Any, Literal, Self

from dctbench import catalog, environment
from dctbench.bounds import Bad
from dctbench.calibration import Calibration
from dctbench.errors import DctbenchError, UsageError
from dctbench.model import TURN, Case, Result
from dctbench.runners import Facts, Turn, answers, result_from_answer
from dctbench.runners.children import Child, Ended, Fresh, GoneError, Launcher, Zygote
from dctbench.runners.interpreters import interpreter, other_variables
from dctbench.runners.turns import TURNS
from dctbench.texts import harmless

Isolation = Literal["auto", "zygote", "fresh"]
DESCRIBE_TIMEOUT = 120.0
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
            child.kill()
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._zygote is not None:
            self._zygote.close()
        self._scratch.cleanup()

    def submit(self, case: Case, round: int, turn: Turn | None = None) -> Future[Result]:
        """Measure `case` in a process of its own; whatever becomes of that process, the future holds a Result.

        In the first round everything is measured, in later ones only what differs between processes: the latency.
        With a `turn` the process runs only when it is its turn, on a device that the caller holds.
        """
        sampling = {**self.settings.sampling, **self.sampling_of.get(case.id, {})}
        if turn is not None:
            sampling["turns"] = TURNS
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

        def ask() -> dict[str, Any]:
            launcher = self._launcher(case.device, round)
            return self._ask(request, self.settings.case_timeout, launcher, answers.case_answer, turn)

        def run() -> Result:
            if turn is None:
                with self.device(case.device):
                    answer = ask()
            else:
                try:
                    turn.wait(self._closing)
                    answer = ask()
                finally:
                    turn.leave()
            return result_from_answer(case, round, answer, self.environment)

        return self._thread.submit(run)

    def describe(self, implementations: Sequence[str], cases: Sequence[Case]) -> Facts:
        """Ask the implementations about themselves: ours together in one child, each of others' in a child of its own.

        One that breaks when it is asked is left out of the answer: measuring it will show what is wrong with it.

        Raises:
            UsageError: when one of them cannot be imported.
        """
        names = dict.fromkeys([*implementations, *(case.implementation for case in cases)])
        ours = [name for name in names if name in catalog.IMPLEMENTATIONS]
        uses_ratio: dict[str, bool] = {}
        flops: dict[Case, int | None] = dict.fromkeys(cases)
        for group in [ours, *([name] for name in names if name not in ours)]:
            theirs = [case for case in cases if case.implementation in group]
            answer = self._thread.submit(self._describe, group, theirs).result() if group else {}
            if answer.get("refused"):
                raise UsageError(answer["message"], hint=answer["hint"])
            uses_ratio |= {name: facts["uses_ratio"] for name, facts in answer.get("implementations", {}).items()}
            flops |= dict(zip(theirs, answer.get("flops", ()), strict=False))
        return Facts(uses_ratio, flops)

    def _describe(self, names: Sequence[str], cases: Sequence[Case]) -> dict[str, Any]:
        request = {"describe": {"implementations": names, "cases": [case.to_json() for case in cases]}}
        timeout = min(DESCRIBE_TIMEOUT, self.settings.case_timeout)
        return self._ask(
            request, timeout, self._launcher("cpu", 1), lambda line: answers.description(line, names, len(cases))
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
            with self.device(holding) if holding else nullcontext():
                return self._ask(
                    {question: arguments}, timeout, Fresh(self.variables, self.python), answers.free_answer
                )

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
        except GoneError:
            self._zygotes_work = False
            return Fresh(self.variables, self.python)
        return self._zygote

    def _ask(
        self,
        request: Mapping[str, Any],
        timeout: float,
        launcher: Launcher,
        read: Callable[[bytes], dict[str, Any]],
        turn: Turn | None = None,
    ) -> dict[str, Any]:
        """Hand `request` to a child and wait for its answer, its end, or the timeout; `read` makes sense of it."""
        if self._closing.is_set():
            raise DctbenchError("the runner is closed")
        with tempfile.TemporaryFile() as output:
            try:
                child = launcher.start(output)
            except GoneError:  # it died between two cases; nothing of this one has run yet
                self._forget_zygote()
                launcher = Fresh(self.variables, self.python)
                child = launcher.start(output)
            self._child = child
            try:
                if self._closing.is_set():  # closed between the check above and the start
                    child.kill()
                line = _converse(child, request, timeout, None if turn is None else lambda: turn.next(self._closing))
                answer, ending = _read(line, timeout, read)
                ended = self._ended(child, by_itself=ending)
            finally:
                child.close()
                self._child = None
            if answer is None:
                answer = _obituary(ended, output)
            if line is not None and ended is not None and ended.left:
                answer.setdefault("warnings", []).append(_left_behind(ended.left))
        answer.setdefault("details", {}).update(isolation=launcher.name, torch_imported_by=child.importer)
        return answer

    def _ended(self, child: Child, *, by_itself: bool) -> Ended | None:
        """How the child ended, or None when its zygote cannot tell: then the next case gets another one."""
        try:
            return child.wait() if by_itself else child.end()
        except GoneError:
            self._forget_zygote()
            return None

    def _forget_zygote(self) -> None:
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    @contextmanager
    def device(self, device: str) -> Iterator[None]:
        """The device for this run alone: others on this machine wait."""
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


def _converse(
    child: Child, request: Mapping[str, Any], timeout: float, next_turn: Callable[[], None] | None
) -> bytes | None:
    """The child's answer, b"" when it ended or hung up before that was whole; None when time ran out.

    The thread sleeps in the kernel until one of the three happens: a parent that polls would load the machine that is
    being measured. A child that takes turns with another asks before each, and the time that it waits is not its own.
    """
    deadline = monotonic() + timeout
    left = 0 if next_turn is None else TURNS + 1
    with selectors.DefaultSelector() as selector:
        try:
            child.channel.sendall(json.dumps(request).encode() + b"\n")
            selector.register(child.channel, selectors.EVENT_READ)
            selector.register(child.ending, selectors.EVENT_READ)
            while True:
                line = _next_line(selector, child, deadline)
                if line != TURN.encode() or next_turn is None or not left:
                    return line
                left -= 1
                asked = monotonic()
                next_turn()
                deadline += monotonic() - asked
                child.channel.sendall(b"\n")
        except OSError:  # it ended before it read; what it left behind says why
            return b""


def _next_line(selector: selectors.BaseSelector, child: Child, deadline: float) -> bytes | None:
    """The next line of a child, or as of `_converse`."""
    received = bytearray()
    while not received.endswith(b"\n") and len(received) <= answers.MAX_BYTES:
        remaining = deadline - monotonic()
        ready = {key.fileobj for key, _ in selector.select(remaining)} if remaining > 0 else set()
        if not ready:
            return None
        chunk = b""  # it ended, and nothing is left to read: a grandchild may still hold the channel open
        if child.channel in ready:
            with suppress(ConnectionResetError):
                chunk = child.channel.recv(1 << 20)
        received += chunk
        if not chunk:
            return b""
    return bytes(received)


def _read(
    line: bytes | None, timeout: float, read: Callable[[bytes], dict[str, Any]]
) -> tuple[dict[str, Any] | None, bool]:
    """What the answer says, an error that says what is wrong with it, or None; and whether its child is at its end."""
    if line is None:
        return {"status": "timeout", "message": f"timeout after {timeout:g} s"}, False
    if not line:
        return None, True
    try:
        return read(line), True
    except Bad as bad:
        return {"status": "error", "message": f"the answer of its process is not valid: {bad}"}, False


def _left_behind(count: int) -> str:
    return (
        f"it left {count} {'process' if count == 1 else 'processes'} behind, which took time from what was measured "
        "and had to be ended: let it end what it starts"
    )


def _obituary(ended: Ended | None, output: IO[bytes]) -> dict[str, Any]:
    """The status of a child that ended without an answer, from its exit code and the last it wrote."""
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _OUTPUT_TAIL))
    tail = harmless(output.read().decode("utf-8", errors="replace")).strip()
    if ended is None:
        message = "its parent process ended or hung while it ran"
    elif ended.killed:
        message = "it gave up its channel without a result, and did not end"
    elif ended.code < 0:
        number = -ended.code
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        message = f"{name} (probably out of memory)" if number == signal.SIGKILL else name
    else:
        message = f"the process ended without a result (exit code {ended.code})"
    return {"status": "error", "message": message, "details": {"output": tail} if tail else {}}
