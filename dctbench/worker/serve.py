"""The child process: measures the one case it is handed and answers on a pipe of its own.

Nothing an implementation does here can harm the sweep: what it prints goes elsewhere, its crash, exit or hang ends
this process only, and the parent turns each of them into a stored result. The child never stores anything itself.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import socket
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from dctbench import catalog
from dctbench.errors import AbsentError, DctbenchError, NotLoadedError, UnavailableError, UnsupportedError, text_of
from dctbench.model import TURN, Case
from dctbench.text.sanitize import sanitize_values
from dctbench.worker import supervisor
from dctbench.worker.devices import Cache

_TRACEBACK = 20_000
"""Characters that are kept, from its end."""


def main(argv: list[str]) -> None:
    """Answer one request that comes over the socket whose number is `argv[0]`; `argv[1]` is the parent's id."""
    supervisor.die_with_parent(int(argv[1]))
    serve(int(argv[0]))


def serve(descriptor: int) -> NoReturn:
    """Read one request from the socket of that number, answer it, and end this process."""
    _volunteer_for_the_oom_killer()
    faulthandler.enable()
    own = os.getpid()
    with socket.socket(fileno=descriptor) as channel:
        channel.set_inheritable(False)
        with channel.makefile("rw", encoding="utf-8", newline="\n") as pipe:

            def turn() -> None:
                pipe.write(TURN)
                pipe.flush()
                pipe.readline()

            answer = respond(json.loads(pipe.readline()), turn)
            if os.getpid() != own:  # an implementation forked, and this is the copy: one answer is enough
                os._exit(0)
            pipe.write(_line(answer))
            pipe.flush()
            # An implementation may have left threads or exit handlers behind; nothing waits for them.
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(0)


def _line(answer: dict[str, Any]) -> str:
    """An answer as JSON; one that holds what JSON cannot is an error."""
    try:
        return json.dumps(sanitize_values(answer), allow_nan=False) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"status": "error", "message": f"the case's figures are no JSON: {text_of(error)}"}) + "\n"


def respond(request: dict[str, Any], turn: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """The answer to a request: `{"measure": ...}`, `{"describe": ...}`, `{"inspect": {}}` or `{"calibrate": ...}`.

    What dctbench itself refuses is marked `refused`, apart from what breaks, and `absent` where it is because there is
    nothing of a name that was asked for. `turn` waits for this process's turn,
    where it measures in turns with another.
    """
    [(kind, arguments)] = request.items()
    questions: dict[str, Callable[..., dict[str, Any]]]
    questions = {
        "measure": partial(measure, turn=turn),
        "describe": describe,
        "inspect": inspect,
        "calibrate": calibrate,
    }
    try:
        return questions[kind](**arguments)
    except DctbenchError as error:
        absent = isinstance(error, AbsentError)
        return {"status": "error", "message": error.message, "hint": error.hint, "refused": True, "absent": absent}
    except BaseException as error:  # SystemExit included: an implementation may call sys.exit
        return _failure(error)


def measure(
    case: dict[str, Any],
    sampling: dict[str, Any],
    scratch: str | None,
    cache: Cache | None = None,
    rates: dict[str, float] | None = None,
    timing_only: bool = False,
    turn: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """One case's status, measurements, warnings and details as plain JSON; every failure is an answer too.

    A device that is not there makes its cases `skipped`: in a run over several devices the others go on.
    """
    from dctbench.worker.measure import NotEnoughMemoryError, estimated_bytes, measure_case
    from dctbench.worker.metrics.latency import Sampling

    subject = Case.from_json(case)
    device = catalog.DEVICES[subject.device_kind].load()
    absent = device.unavailable(subject.device)
    if absent is not None:
        return {"status": "skipped", "message": absent}
    wanted = Sampling(**{**device.SAMPLING, **sampling})
    try:
        return measure_case(
            subject,
            device,
            sampling=wanted,
            scratch=scratch,
            cache=cache,
            rates=rates,
            timing_only=timing_only,
            turn=turn,
        )
    except NotEnoughMemoryError as error:
        return {"status": "oom", "message": error.message, "details": {"estimated_bytes": error.needed}}
    except (UnsupportedError, UnavailableError) as error:
        return {"status": "unsupported", "message": error.message}
    except NotLoadedError as error:
        return {**_failure(error), "details": {"not_loaded": True}}
    except BaseException as error:
        asked = device.out_of_memory(error)
        return _failure(error) if asked is None else _out_of_memory(asked, lambda: estimated_bytes(subject))


def _out_of_memory(asked: str, estimate: Callable[[], int | None]) -> dict[str, Any]:
    """The answer where memory ran out, which `asked` says in words."""
    needed = None
    with contextlib.suppress(Exception):
        needed = estimate()
    return {"status": "oom", "message": asked, "details": {} if needed is None else {"estimated_bytes": needed}}


def _failure(error: BaseException) -> dict[str, Any]:
    """The answer for what went wrong."""
    if isinstance(error, DctbenchError):
        return {"status": "error", "message": error.message}
    said = traceback.format_exc()[-_TRACEBACK:]
    return {"status": "error", "message": describe_error(error), "details": {"traceback": said}}


def describe_error(error: BaseException) -> str:
    """One sentence: what was raised and, for an error of the implementation, where."""
    if isinstance(error, SystemExit):
        return f"the implementation called sys.exit({text_of(error)})"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(text_of(error).split())[:500]
    return f"{type(error).__name__}: {text} ({Path(frame.filename).name}:{frame.lineno})"


def describe(implementations: list[str], cases: list[dict[str, Any]]) -> dict[str, Any]:
    """What only the code itself knows: whether each implementation uses a ratio, where it stands, and each case's FLOPs
    by formula.

    FLOPs are None for a method that states no formula and for a shape that it refuses.
    """
    from dctbench.attention import source_file, uses_ratio
    from dctbench.worker.measure import stated_flops

    known = {name: {"uses_ratio": uses_ratio(name), "source": source_file(name)} for name in implementations}
    return {"implementations": known, "flops": [stated_flops(Case.from_json(case)) for case in cases]}


def inspect() -> dict[str, Any]:
    """What only torch knows about itself: its build, its threads, its attention kernels, its GPUs."""
    from dctbench.worker.torch_info import torch_facts

    return {"torch": torch_facts()}


def calibrate(device: str) -> dict[str, Any]:
    """The ceilings of a device of this machine and the planner's rates on it, measured now."""
    from dctbench.worker.metrics import ceilings

    module = catalog.DEVICES[device.partition(":")[0]].load()
    return {"calibration": ceilings.calibrate(device, lambda: module.synchronize(device)).to_json()}


def _volunteer_for_the_oom_killer() -> None:
    """If memory runs out it is this process's doing: let the kernel end it, and not its parent or a neighbour."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        return
