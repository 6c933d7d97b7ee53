"""The child process: reads one request, measures its case, and replies on a pipe of its own.

Nothing that an implementation does here can harm the sweep. Its output goes elsewhere. Its crash, exit or hang ends
this process only, and the parent stores each of them as a result. The child itself stores nothing.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from dctbench import catalog
from dctbench.errors import AbsentError, DctbenchError, NotLoadedError, UnavailableError, UnsupportedError, text_of
from dctbench.model import Case, ResultDetails
from dctbench.protocol import (
    ALIVE,
    TURN,
    BundledCase,
    BundleReply,
    BundleRequest,
    CalibrateRequest,
    CalibrationReply,
    CaseReply,
    DescribeRequest,
    Description,
    Failure,
    ImplementationFacts,
    InspectRequest,
    MeasureRequest,
    ModelFacts,
    ModelRequest,
    ProbeReply,
    ProbeRequest,
    Reply,
    Request,
    TorchReply,
    decode_request,
    encode_reply,
)

if TYPE_CHECKING:
    from dctbench.worker.devices import DeviceModule

_T = TypeVar("_T")
_TRACEBACK = 20_000
"""How many characters of a traceback are kept, from its end."""


def main(argv: list[str]) -> None:
    """Reply to one request over the socket whose number is `argv[0]`."""
    serve(int(argv[0]))


def serve(descriptor: int) -> NoReturn:
    """Read one request from the socket of that number, reply to it, and end this process."""
    _volunteer_for_the_oom_killer()
    faulthandler.enable()
    own = os.getpid()
    with socket.socket(fileno=descriptor) as channel:
        channel.set_inheritable(False)
        with channel.makefile("rwb") as pipe:

            def turn() -> None:
                pipe.write(TURN)
                pipe.flush()
                pipe.readline()

            def alive() -> None:
                pipe.write(ALIVE)
                pipe.flush()

            reply = respond(decode_request(pipe.readline()), turn, alive)
            if os.getpid() != own:  # an implementation forked, and this is the copy: one reply is enough
                os._exit(0)
            pipe.write(_line(reply))
            pipe.flush()
            # An implementation may have left threads or exit handlers behind; nothing waits for them.
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(0)


def _line(reply: Reply) -> bytes:
    """The line of a reply, or of an error if the reply holds a value that JSON cannot."""
    try:
        return encode_reply(reply)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"the case's figures are not JSON: {text_of(error)}"
        failure = CaseReply("error", message=message) if isinstance(reply, CaseReply) else Failure(message)
        return encode_reply(failure)


def respond(
    request: Request, turn: Callable[[], None] = lambda: None, alive: Callable[[], None] = lambda: None
) -> Reply:
    """Return the reply to a request.

    Args:
        request: what to do.
        turn: returns when it is this process's turn, if it takes turns with another.
        alive: tells the runner that the case makes progress.
    """
    try:
        return measure(request, turn, alive) if isinstance(request, MeasureRequest) else _answer(request)
    except DctbenchError as error:
        failure = Failure(
            error.message,
            hint=error.hint,
            refused=True,
            absent=isinstance(error, AbsentError),
            unavailable=isinstance(error, UnavailableError),
        )
    except BaseException as error:  # SystemExit included: an implementation may call sys.exit
        failure = Failure(describe_error(error))
    return CaseReply("error", message=failure.message) if isinstance(request, MeasureRequest) else failure


def _answer(
    request: DescribeRequest | ModelRequest | InspectRequest | ProbeRequest | CalibrateRequest | BundleRequest,
) -> Reply:
    """Return the reply to a request that measures no case."""
    match request:
        case DescribeRequest():
            return describe(request)
        case ModelRequest():
            return describe_model(request)
        case InspectRequest():
            return inspect()
        case ProbeRequest():
            return probe(request.devices)
        case CalibrateRequest():
            return calibrate(request.device)
        case BundleRequest():
            return bundle(request)


def measure(
    request: MeasureRequest, turn: Callable[[], None] = lambda: None, alive: Callable[[], None] = lambda: None
) -> CaseReply:
    """Measure one case. Every failure is a reply too.

    If the device of a case cannot be used, the case is `skipped`: a run over several devices continues with the others.
    """
    device = catalog.DEVICES[request.case.device_kind].load()
    alive()  # to import torch may have taken longer than the whole time limit of the case
    absent = device.unavailable(request.case.device)
    if absent is not None:
        return CaseReply("skipped", message=absent, details=ResultDetails(device_unusable=True).to_json())
    return _or_failure(request.case, device, lambda: _measured(request, device, turn, alive))


def _or_failure(case: Case, device: DeviceModule, work: Callable[[], _T]) -> _T | CaseReply:
    """Return what a function returns that runs the code of a case, or the reply that says how the case failed."""
    from dctbench.worker.memory_need import NotEnoughMemoryError, estimated_bytes
    from dctbench.worker.ranks.children import RankOutOfMemoryError

    try:
        return work()
    except (NotEnoughMemoryError, RankOutOfMemoryError) as error:
        return _out_of_memory(error.message, error.needed)
    except (UnsupportedError, UnavailableError) as error:
        return CaseReply("unsupported", message=error.message)
    except BaseException as error:
        message = device.out_of_memory(error)
        if message is None:
            return _error(error)
        needed = None
        with contextlib.suppress(Exception):
            needed = None if case.task else estimated_bytes(case)
        return _out_of_memory(message, needed)


def _measured(
    request: MeasureRequest, device: DeviceModule, turn: Callable[[], None], alive: Callable[[], None]
) -> CaseReply:
    """Time a case by our protocol or another one, or train one that has a task."""
    from dctbench.worker.authors import measure_by_authors
    from dctbench.worker.measure import measure_case
    from dctbench.worker.metrics.latency import Sampling
    from dctbench.worker.progress import Progress
    from dctbench.worker.trained import train_case

    if request.case.task is not None:
        return train_case(request.case, device, request.seed)
    settings: dict[str, Any] = {**device.SAMPLING, **request.sampling}
    sampling = Sampling(**settings)
    if request.protocol is not None:
        return measure_by_authors(request.case, device, Progress(sampling.limit, alive), request.rates)
    if request.case.ranks is not None:
        from dctbench.worker.ranks.measure import measure_ranks

        return measure_ranks(request, device, sampling=sampling, turn=turn, alive=alive)
    return measure_case(
        request.case,
        device,
        sampling=sampling,
        scratch=request.scratch,
        cache=request.cache,
        rates=request.rates,
        timing_only=request.timing_only,
        with_energy=request.energy,
        seed=request.seed,
        turn=turn,
        alive=alive,
    )


def _out_of_memory(message: str, needed: int | None) -> CaseReply:
    return CaseReply("oom", message=message, details=ResultDetails(estimated_bytes=needed).to_json())


def _error(error: BaseException) -> CaseReply:
    """Return the reply for a case that ended in an error."""
    if isinstance(error, DctbenchError):
        details = ResultDetails(not_loaded=True if isinstance(error, NotLoadedError) else None)
        return CaseReply("error", message=error.message, details=details.to_json())
    details = ResultDetails(traceback=traceback.format_exc()[-_TRACEBACK:])
    return CaseReply("error", message=describe_error(error), details=details.to_json())


def describe_error(error: BaseException) -> str:
    """Return in one sentence what was raised and, for an error of the implementation, where."""
    if isinstance(error, SystemExit):
        return f"the implementation called sys.exit({text_of(error)})"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(text_of(error).split())[:500]
    return f"{type(error).__name__}: {text} ({Path(frame.filename).name}:{frame.lineno})"


def describe(request: DescribeRequest) -> Description:
    """Return facts that are known only after importing the implementations, and the FLOPs of the cases by formula."""
    from dctbench.attention import default_kept, source_file, uses_ratio
    from dctbench.worker.sources import require
    from dctbench.worker.trained import task_facts, training_flops
    from dctbench.worker.what_ran import stated_flops

    for name in request.inputs:
        require(name)
    return Description(
        {
            name: ImplementationFacts(uses_ratio(name), default_kept(name), source_file(name))
            for name in request.implementations
        },
        [(stated_flops if case.task is None else training_flops)(case) for case in request.cases],
        {name: task_facts(name) for name in request.tasks},
    )


def describe_model(request: ModelRequest) -> ModelFacts:
    """Return what a plan needs to know of a model."""
    from dctbench.worker import threads
    from dctbench.worker.model_call import model_facts

    threads.use_no_more_than_the_quota()
    return model_facts(request.model, request.seq_len, request.batch)


def inspect() -> TorchReply:
    """Return what torch reports about itself: its build, its threads, its attention kernels, its GPUs."""
    from dctbench.worker import threads
    from dctbench.worker.torch_info import torch_facts

    threads.use_no_more_than_the_quota()
    return TorchReply(torch_facts())


def probe(devices: list[str]) -> ProbeReply:
    """Return the devices that torch cannot use, with its reasons."""
    reasons = {name: catalog.DEVICES[name.partition(":")[0]].load().unavailable(name) for name in devices}
    return ProbeReply({name: reason for name, reason in reasons.items() if reason is not None})


def calibrate(device: str) -> CalibrationReply:
    """Measure the ceilings of a device of this machine, and the planner's rates on it."""
    from dctbench.worker import threads
    from dctbench.worker.metrics import ceilings

    threads.use_no_more_than_the_quota()
    module = catalog.DEVICES[device.partition(":")[0]].load()
    return CalibrationReply(ceilings.calibrate(device, lambda: module.synchronize(device)).to_json())


def bundle(request: BundleRequest) -> BundleReply:
    """Export cases into a folder. A case that fails does not end the export of the others."""
    return BundleReply([_bundled(case, Path(request.folder)) for case in request.cases])


def _bundled(case: Case, folder: Path) -> BundledCase:
    """Write the files of a case. A failure to write them is none of the case, and ends the export."""
    from dctbench.worker.engines.bundled import bundled, exported

    made = _or_failure(case, catalog.DEVICES[case.device_kind].load(), lambda: exported(case, folder))
    if isinstance(made, CaseReply):
        return BundledCase(status=made.status, message=made.message)
    return bundled(case, folder, *made)


def _volunteer_for_the_oom_killer() -> None:
    """Make the kernel end this process, and not its parent or another program, if memory runs out."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        return
