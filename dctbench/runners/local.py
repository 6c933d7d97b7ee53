"""Run cases on this machine: each in a child process of its own, and nothing that it starts outlives it."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Self, TypeVar

from msgspec import Struct, structs

from dctbench import catalog
from dctbench.errors import AbsentError, DctbenchError, UnavailableError, UsageError
from dctbench.machine import environment, host, nvml, periodic
from dctbench.machine.temporary import OwnedFolder
from dctbench.model import (
    CacheState,
    Case,
    CaseWarning,
    Environment,
    Isolation,
    MeasuringProtocol,
    Result,
    ResultDetails,
    TaskFacts,
    WarningCode,
)
from dctbench.protocol import (
    CaseReply,
    DescribeRequest,
    Description,
    Failure,
    ImplementationFacts,
    MeasureRequest,
    ModelFacts,
    ModelRequest,
    ProbeReply,
    ProbeRequest,
    Request,
    decode_reply,
)
from dctbench.runners import Facts, MeasureSpec, Place, by_protocol, responses, result_from_reply
from dctbench.runners.closing import Closing
from dctbench.runners.exchange import MOST_TIMEOUTS, Exchange
from dctbench.runners.interleave import TURNS_PER_PROCESS, Turn
from dctbench.runners.interpreters import interpreter, other_variables
from dctbench.runners.lane import Lane
from dctbench.runners.launchers import Fresh, GoneError
from dctbench.runners.locks import Lock, temporary_folder
from dctbench.runners.notices import Notices
from dctbench.runners.trainers import TRAINING, Trainers, most_at_a_time
from dctbench.runners.variables import inherited
from dctbench.text.format import format_duration

DESCRIBE_TIMEOUT = 120.0
PROBE_TIMEOUT = 120.0
_LOCK_SECONDS = 0.25
_T = TypeVar("_T", bound=Struct)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How children are run.

    Attributes:
        case_timeout: seconds, beside those of the case's schedule, after which a child begins no further call, and
            after which one that showed no progress is ended.
        env: variables set for every child, on top of those that it inherits (`runners.variables`).
        sampling: settings of the sampling (`worker.metrics.latency.Sampling`) in place of its defaults.
        isolation: how a case gets its process. `auto` forks on Linux for the CPU, and starts afresh elsewhere.
        cache: what the last-level cache holds when a timed call begins; None for the default of the device.
        jobs: trainings at a time on the processor; None for as many as there are cores, and as memory allows.
        energy: whether the energy of a call is measured.
        protocol: by which protocol each case is also measured, in a process of its own; None for ours alone.
        free_within: seconds after which a device on which another run measures is given up.
    """

    case_timeout: float = 120.0
    env: Mapping[str, str] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    isolation: Isolation = "auto"
    cache: CacheState | None = None
    jobs: int | None = None
    energy: bool = True
    protocol: MeasuringProtocol | None = None
    free_within: float = math.inf


class LocalRunner:
    """Runs one case at a time, in the order submitted, and trainings side by side: this machine is its only place.

    Use it as a context manager: leaving it ends its children.

    Args:
        settings: how.
        on_wait: called with a message when a device is busy with another run's case, or its lock is not where others
            look for it. It is called in the thread that made the runner, at the latest when that waits for a result.
        python: the interpreter of the children, by default this one; the dctbench installed for it is measured.

    Raises:
        UsageError: for an interpreter without a dctbench that this one can talk to.
        UnavailableError: on a machine that allows no more threads or processes, or hides /proc.
    """

    several = False

    def __init__(
        self,
        settings: LocalSettings,
        on_wait: Callable[[str], None] = lambda text: None,
        python: str | None = None,
    ) -> None:
        host.require_proc()
        self.settings = settings
        self.variables = {**inherited(os.environ), "PYTHONFAULTHANDLER": "1", "KINETO_LOG_LEVEL": "99", **settings.env}
        self.variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as NVML counts GPUs
        self.python = sys.executable
        self._elsewhere = python is not None
        self.version = environment.package_version("dctbench")
        self.package = str(Path(environment.__file__).resolve().parents[1])
        if python is None:
            self.environment = environment.collect(self.variables)
        else:
            self.python = python
            self.variables = other_variables(self.variables)
            self.environment, self.version, self.package = interpreter(python, self.variables)
        self._place = Place("", self.environment)
        self._notices = Notices(on_wait)
        self._on_wait = self._notices.put
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dctbench-runner")
        try:
            self._thread.submit(int)  # at once, so that a machine that allows no more threads says so here
        except RuntimeError as error:
            raise GoneError(f"no thread could be started: {error}") from None
        with temporary_folder():
            self._scratch = OwnedFolder("dctbench-scratch-")
        self._closing = Closing()
        self._lane = self._new_lane()
        most, self._few_jobs = (settings.jobs, None) if settings.jobs else most_at_a_time()
        self._trainers = Trainers(most, self._new_lane)
        self._asking = threading.Lock()
        self._saying = threading.Lock()
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._lane.kill()
        self._trainers.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._lane.close()
        self._scratch.remove()

    def _new_lane(self) -> Lane:
        return Lane(self.variables, self.python, self.settings.isolation, self._closing, self._say_once)

    @property
    def environments(self) -> Sequence[Environment]:
        """That of the children, alone."""
        return (self.environment,)

    def require(self, devices: Sequence[str]) -> None:
        """Refuse devices none of which is there.

        Raises:
            UnavailableError: naming why.
        """
        nvml.require(devices, self.variables, self.unusable)

    def places(self) -> Sequence[Place]:
        """This machine."""
        return (self._place,)

    def returning(self) -> bool:
        """No: this machine is never lost."""
        return False

    def submit(
        self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
    ) -> Future[Result]:
        """Measure `case` in a process of its own. Whatever becomes of that process, the future holds a Result.

        With a `turn`, the process runs only while it has the turn, on a device that the caller holds. Trainings on the
        processor run beside one another, a thread each, and never beside a timed case.
        """
        sampling = {"limit": self.settings.case_timeout, **self.settings.sampling, **spec.sampling}
        if turn is not None:
            sampling["turns"] = TURNS_PER_PROCESS
        request = MeasureRequest(
            case=case,
            sampling=sampling,
            scratch=str(self._scratch.path),
            cache=self.settings.cache,
            rates=spec.rates,
            timing_only=spec.timing_only,
            seed=spec.round,
            energy=self.settings.energy,
        )

        timeout = self.settings.case_timeout + _scheduled_seconds(case, sampling)
        read = partial(responses.case_reply, case, drop_unknown=self._elsewhere)

        def ask(asked: MeasureRequest, read: Callable[[bytes], CaseReply]) -> Exchange[CaseReply]:
            launcher = self._lane.launcher(case.device, spec.round)
            # The evaluation and the training of a model take their time, and each call of the model is a sign of life.
            most = MOST_TIMEOUTS if case.model is None else math.inf
            return self._lane.exchange(asked, timeout, launcher, read, turn, most)

        def ask_beside(done: Exchange[CaseReply]) -> Exchange[CaseReply]:
            ok = isinstance(done.reply, CaseReply) and done.reply.status == "ok"
            if self.settings.protocol is None or spec.timing_only or not ok:
                return done
            other = structs.replace(request, protocol=self.settings.protocol)
            return by_protocol.joined(done, ask(other, partial(read, latency=by_protocol.AUTHORS_LATENCY)))

        def train(lane: Lane) -> Result:
            with self.hold([case.device] if turn is None else [], shared=True):
                done = lane.exchange(request, timeout, lane.launcher(case.device, TRAINING), read)
            return self._result(case, spec.round, done)

        if _beside_others(case):
            return self._trainers.submit(train)

        def run() -> Result:
            if turn is None:
                with self.hold(case.devices):
                    done = ask_beside(ask(request, read))
            else:
                try:
                    turn.wait(self._closing)
                    done = ask(request, read)
                finally:
                    turn.leave()
            return self._result(case, spec.round, done)

        return self._thread.submit(run)

    def wait(self, futures: Iterable[Future[Result]], timeout: float | None = None) -> set[Future[Result]]:
        """Wait for the first of the futures; see `Runner`."""
        return self._notices.wait(futures, timeout)

    def jobs(self, case: Case) -> int:
        """How many cases like this one run at a time: trainings on the processor side by side, all others alone.

        If memory allows fewer trainings than there are cores, that is said.
        """
        if not _beside_others(case):
            return 1
        if self._few_jobs is not None:
            self._say_once(self._few_jobs)
        return self._trainers.most

    def _result(self, case: Case, round: int, done: Exchange[CaseReply]) -> Result:
        reply = done.reply
        if isinstance(reply, Failure):
            output = ResultDetails(output=reply.output or None)
            reply = CaseReply(status=reply.status, message=reply.message, details=output.to_json())
        result = result_from_reply(case, round, reply, self.environment)
        process = ResultDetails(isolation=done.isolation, torch_imported_by=done.torch_imported_by)
        left = [CaseWarning(WarningCode.LEFT_BEHIND, {"processes": done.left})] if done.left else []
        return replace(result, details=result.details | process, warnings=(*result.warnings, *left))

    def ready(self, device: str, round: int) -> Future[None]:
        """Start the zygote of the round; see `Runner`."""

        def start() -> None:
            self._lane.launcher(device, round)

        return self._thread.submit(start)

    def describe(
        self,
        implementations: Sequence[str],
        cases: Sequence[Case],
        tasks: Sequence[str] = (),
        inputs: Sequence[str] = (),
    ) -> Facts:
        """Return facts from the code of implementations: those of dctbench in one child, others one by one.

        Tasks, by the base of their names, are asked one by one too.

        An implementation that fails here is left out. Measuring it shows the error.

        Raises:
            AbsentError: when a name does not exist.
            UsageError: when one of them cannot be imported for another reason.
            UnavailableError: when a package that makes an input is missing.
        """
        names = dict.fromkeys([*implementations, *(case.implementation for case in cases)])
        built_in = [name for name in names if name in catalog.IMPLEMENTATIONS]
        unanswered: str | None = None
        methods: dict[str, ImplementationFacts] = {}
        flops: dict[Case, int | None] = dict.fromkeys(cases)
        for group in [built_in, *([name] for name in names if name not in built_in)]:
            group_cases = [case for case in cases if case.implementation in group]
            if not group:
                continue
            reply = self._thread.submit(self._describe, group, group_cases).result()
            if isinstance(reply, Failure):
                if reply.refused:
                    raise (AbsentError if reply.absent else UsageError)(reply.message, hint=reply.hint)
                unanswered = unanswered or f"{group[0] if group != built_in else 'dctbench'}: {reply.message}"
                continue
            methods |= reply.implementations
            flops |= {case: None if n is None else int(n) for case, n in zip(group_cases, reply.flops, strict=True)}
        facts: dict[str, TaskFacts] = {}
        for task in dict.fromkeys(tasks):
            reply = self._thread.submit(self._describe, [], [], [task]).result()
            if isinstance(reply, Failure):
                raise (AbsentError if reply.absent else UsageError)(reply.message, hint=reply.hint)
            facts |= reply.tasks
        if inputs:
            reply = self._thread.submit(self._describe, [], [], [], inputs).result()
            if isinstance(reply, Failure):
                kind = UnavailableError if reply.unavailable else DctbenchError
                raise kind(reply.message, hint=reply.hint)
        return Facts(methods, flops, facts, unanswered)

    def _describe(
        self, names: list[str], cases: list[Case], tasks: Sequence[str] = (), inputs: Sequence[str] = ()
    ) -> Description | Failure:
        asked = DescribeRequest(names, cases, list(tasks), list(inputs))

        def read(line: bytes) -> Description | Failure:
            return responses.description(line, asked)

        return self._lane.exchange(asked, DESCRIBE_TIMEOUT, self._lane.launcher("cpu", 1), read).reply

    def unusable(self, devices: Sequence[str]) -> dict[str, str]:
        """Ask a worker which of the devices its torch cannot use, and why. A worker that fails can use none."""
        reply = self.ask(ProbeRequest(list(devices)), ProbeReply, PROBE_TIMEOUT)
        return dict.fromkeys(devices, reply.message) if isinstance(reply, Failure) else reply.unusable

    def model_facts(self, target: str, seq_len: int, batch: int) -> ModelFacts:
        """Return the shape of a model's attention, asked in a process of its own.

        Raises:
            UsageError: when the target names no model, or one whose attention cannot be replaced.
            UnavailableError: when the model, or a package that it needs, is not on this machine.
        """
        reply = self.ask(ModelRequest(target, seq_len, batch), ModelFacts, DESCRIBE_TIMEOUT)
        if isinstance(reply, Failure):
            raise (UnavailableError if reply.unavailable else UsageError)(
                reply.message if reply.refused else f"--model {target}: {reply.message}", hint=reply.hint
            )
        return reply

    def ask(self, request: Request, kind: type[_T], timeout: float, holding: str | None = None) -> _T | Failure:
        """Return the reply of a fresh process to a request that measures no case.

        Args:
            request: what to ask.
            kind: the type of the reply.
            timeout: seconds after which the process is ended.
            holding: the device that no other run may use meanwhile, for a request that measures something.
        """

        def run() -> _T | Failure:
            with self.hold([holding] if holding else []):
                launcher = Fresh(self.variables, self.python, self._closing)
                return self._lane.exchange(request, timeout, launcher, lambda line: decode_reply(line, kind)).reply

        future = self._thread.submit(run)
        self._notices.wait([future])
        return future.result()

    def _say_once(self, text: str) -> None:
        """Have a message delivered, unless it was before."""
        with self._saying:
            if text in self._said:
                return
            self._said.add(text)
        self._on_wait(text)

    def busy(self, devices: Sequence[str]) -> str | None:
        """Return which other run measures on one of the devices at the moment, None if all are free."""
        for device in devices:
            lock = _lock_of(nvml.physical(device, self.variables))
            try:
                if not lock.take():
                    return f"{lock.holder} is measuring on {device}"
            finally:
                lock.release()
        return None

    @contextmanager
    def hold(self, devices: Sequence[str], *, shared: bool = False) -> Iterator[None]:
        """Hold the devices for this run alone; other runs on this machine wait.

        With `shared`, hold them beside others that share them too, while those that want them alone wait.

        Raises:
            UnavailableError: when another run holds one for too long.
        """
        names = {nvml.physical(device, self.variables): device for device in devices}
        with ExitStack() as stack:
            for name in sorted(names):  # one order for all runs, so that no two of them wait for each other
                stack.enter_context(self._lock(name, names[name], shared))
            yield

    @contextmanager
    def _lock(self, name: str, device: str, shared: bool) -> Iterator[None]:
        lock = _lock_of(name)
        try:
            with self._asking:  # of trainings that wait side by side, one says so
                self._take(lock, device, shared)
            yield
        finally:
            lock.release()

    def _take(self, lock: Lock, device: str, shared: bool) -> None:
        if lock.remark:
            self._say_once(f"warning: {lock.remark}")
        announced = False
        deadline = monotonic() + self.settings.free_within
        while not lock.take(shared=shared):
            if self._closing.is_set():
                raise DctbenchError("the runner is closed")
            if monotonic() >= deadline:
                limit = format_duration(self.settings.free_within)
                raise UnavailableError(f"{device} was not free within {limit}: {lock.holder} is measuring on it")
            if not announced:
                self._on_wait(f"waiting for {device}: {lock.holder} is measuring on it; press Ctrl-C to stop this run")
                announced = True
            self._closing.wait(_LOCK_SECONDS)


def _lock_of(name: str) -> Lock:
    """Return the lock of the device of that physical name."""
    return Lock(name.replace(":", "-"))


def _scheduled_seconds(case: Case, sampling: Mapping[str, Any]) -> float:
    """Return what the schedule of a case takes by itself. It is no part of the time after which a case is ended."""
    if case.period is None:
        return 0.0
    releases = sampling.get("releases", periodic.RELEASES)
    return periodic.longest_seconds(case.period, releases, search=bool(sampling.get("search")))


def _beside_others(case: Case) -> bool:
    """Whether cases like this one share their device with each other: trainings, a thread each."""
    return case.task is not None and case.device_kind == "cpu"
