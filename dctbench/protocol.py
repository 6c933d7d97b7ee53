"""Both ends of the pipe between a runner and its workers: one request and one reply, each a line of JSON.

A worker may be of another environment, with another version of dctbench. `PROTOCOL` rises with every change of these
messages, and with every move of a module that the other side starts by name. A runner refuses another number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from dctbench.model import CacheState, Case, Isolation, MeasuringProtocol, Status, TaskFacts
from dctbench.text.sanitize import sanitize_values
from dctbench.text.untrusted import (
    MAX_METRICS,
    MAX_SAMPLES,
    MAX_WARNINGS,
    Free,
    InvalidDataError,
    Name,
    Number,
    Text,
    check_free,
    validation_message,
)
from dctbench.text.warning_values import WarningRecord

PROTOCOL = 15
TURN = b"turn\n"
"""What a worker sends when it waits for its turn. The runner replies with an empty line."""
ALIVE = b"alive\n"
"""What a worker sends when a step of a long case has ended. The runner goes on waiting, and replies nothing."""
COMPILER = "compiler"
"""The argument that lets a zygote import torch's compiler, which takes a second, before it forks. torch needs it to
count FLOPs on the meta device, which only the first round does."""
MAX_REPLY_BYTES = 32 << 20
"""A million samples take 20 MB."""

_T = TypeVar("_T", bound=Struct)


class _Request(Struct, frozen=True, tag_field="request"):
    pass


class MeasureRequest(_Request, frozen=True, tag="measure"):
    """Measure a case.

    Attributes:
        case: what to measure.
        sampling: settings of the latency's sampling, over those of the device.
        scratch: a folder for exact outputs, exported models and what the compiler made, which the cases of one sweep
            share; None to make them again.
        cache: what the last-level cache holds when a timed call begins; None for the default of the device.
        rates: this machine's rates for the transform planner; None for those that dctbench comes with.
        timing_only: leave out the passes whose figures do not differ between processes.
        seed: of the training of a case that has a task, or a model: the number of the process.
        energy: measure the energy of a call too, which takes seconds.
        protocol: measure latency and memory by that protocol, and nothing else.
    """

    case: Case
    sampling: Mapping[str, int | float] = {}
    scratch: str | None = None
    cache: CacheState | None = None
    rates: Mapping[str, float] | None = None
    timing_only: bool = False
    seed: int = 0
    energy: bool = True
    protocol: MeasuringProtocol | None = None


class DescribeRequest(_Request, frozen=True, tag="describe"):
    """Ask implementations and tasks for what only their code knows, and for the FLOPs of cases by their formulas.

    An input that a missing package would make is refused.
    """

    implementations: list[str]
    cases: list[Case]
    tasks: list[str] = []
    inputs: list[str] = []


class InspectRequest(_Request, frozen=True, tag="inspect"):
    """Ask torch about itself."""


class ProbeRequest(_Request, frozen=True, tag="probe"):
    """Ask which devices torch cannot use."""

    devices: list[str]


class ModelRequest(_Request, frozen=True, tag="model"):
    """Ask a model that `--model` names about its attention."""

    model: str
    seq_len: int
    batch: int


class CalibrateRequest(_Request, frozen=True, tag="calibrate"):
    """Measure the ceilings of a device and the planner's rates on it."""

    device: str


class BundleRequest(_Request, frozen=True, tag="bundle"):
    """Export cases into a folder, for a target without torch."""

    cases: list[Case]
    folder: str


Request = (
    MeasureRequest | DescribeRequest | ModelRequest | InspectRequest | ProbeRequest | CalibrateRequest | BundleRequest
)


class NodeSettings(Struct, frozen=True):
    """How a node of a cluster runs the cases of one driver: see `runners.local.LocalSettings`.

    `devices` are those of the cases.
    """

    case_timeout: float
    free_within: float
    devices: list[str]
    env: dict[str, str] = {}
    sampling: dict[str, int | float] = {}
    isolation: Isolation = "auto"
    cache: CacheState | None = None
    energy: bool = True
    protocol: MeasuringProtocol | None = None


class NodeCase(Struct, frozen=True):
    """Measure a case in that round on a node. The reply is a `CaseReply`."""

    case: Case
    round: int
    sampling: dict[str, int | float] = {}
    rates: dict[str, float] | None = None


class NodeFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """What a node of a cluster is: the facts of its environment, and the version of dctbench that it runs.

    `busy` says which other run measures on its devices at the moment, None if they are free.
    """

    protocol: int
    version: Text | None
    fingerprint: Name
    facts: Free
    busy: Text | None = None


class Figures(Struct, frozen=True, forbid_unknown_fields=True):
    """The samples of one metric."""

    metric: Name
    unit: Name
    samples: Annotated[list[Number], Meta(min_length=1, max_length=MAX_SAMPLES)]


class CaseReply(Struct, frozen=True, forbid_unknown_fields=True):
    """The reply to `MeasureRequest`, which is one of these whatever happened. `details` as a result stores them."""

    status: Status
    measurements: Annotated[list[Figures], Meta(max_length=MAX_METRICS)] = []
    message: Text | None = None
    warnings: Annotated[list[Text | WarningRecord], Meta(max_length=MAX_WARNINGS)] = []
    details: Free = {}


class _TaggedReply(Struct, frozen=True, forbid_unknown_fields=True, tag_field="reply"):
    pass


class ImplementationFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """What an implementation's own code knows: whether and how it compresses, and the file in which it is."""

    uses_ratio: bool
    default_kept: Annotated[int, Meta(ge=1, le=2**24)] | None = None
    source: Text | None = None


class Description(_TaggedReply, frozen=True, tag="description"):
    """The reply to `DescribeRequest`: facts by implementation and by task, and FLOPs in the order of the cases.

    FLOPs are those of one forward pass; of a case with a task, those of all forward passes of its training. They are
    None for a method that states no formula, and for a shape that it refuses.

    `unanswered` is set only by a node of a cluster, which asks its own workers: why some method could not be asked.
    """

    implementations: dict[str, ImplementationFacts]
    flops: list[Annotated[float, Meta(ge=0, le=1e30)] | None]
    tasks: dict[str, TaskFacts] = {}
    unanswered: Text | None = None


class ModelFacts(_TaggedReply, frozen=True, tag="model"):
    """The reply to `ModelRequest`: the shape of its attentions, how many can be replaced, and why others cannot."""

    heads: Annotated[int, Meta(ge=1, le=2**24)]
    head_dim: Annotated[int, Meta(ge=1, le=2**24)]
    attentions: Annotated[int, Meta(ge=1, le=2**20)]
    refused: dict[str, Text] = {}


class TorchReply(_TaggedReply, frozen=True, tag="torch"):
    """The reply to `InspectRequest`: see `worker.torch_info`."""

    torch: dict[str, Any]


class ProbeReply(_TaggedReply, frozen=True, tag="probe"):
    """The reply to `ProbeRequest`: the devices that torch cannot use, with its reasons."""

    unusable: dict[str, Text]


class CalibrationReply(_TaggedReply, frozen=True, tag="calibration"):
    """The reply to `CalibrateRequest`: the JSON of a `machine.calibration.Calibration`."""

    calibration: dict[str, Any]


class BundledCase(Struct, frozen=True, forbid_unknown_fields=True):
    """The files of a case in a bundle: its model, its inputs in turn, and torch's first output.

    A case that could not be exported has none of them. `status` and `message` say why.
    """

    status: Status = "ok"
    model: Text | None = None
    inputs: list[list[Text]] = []
    expected: Text | None = None
    message: Text | None = None


class BundleReply(_TaggedReply, frozen=True, tag="bundle"):
    """The reply to `BundleRequest`, in the order of its cases."""

    cases: list[BundledCase]


class Failure(_TaggedReply, frozen=True, tag="failure"):
    """Why there is no other reply: sent by a worker, or made by the runner for a process that sent no valid one.

    Attributes:
        message: what happened.
        hint: what to do about it.
        refused: whether dctbench itself refuses the request, so that the code of an implementation is not at fault.
        absent: whether it refuses because nothing has the name that was asked for.
        unavailable: whether it refuses because this machine lacks something.
        status: of a case that ended like this.
        output: the last that the process printed.
    """

    message: Text
    hint: Text | None = None
    refused: bool = False
    absent: bool = False
    unavailable: bool = False
    status: Status = "error"
    output: Text = ""


Reply = CaseReply | Description | ModelFacts | TorchReply | ProbeReply | CalibrationReply | BundleReply | Failure


def encode_request(request: Request) -> bytes:
    """Return the line that asks for a request."""
    return msgspec.json.encode(request) + b"\n"


_request: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)


def decode_request(line: str | bytes) -> Request:
    """The inverse of `encode_request`."""
    return _request.decode(line)


def encode_reply(reply: Reply) -> bytes:
    """Return the line of a reply, without what could do harm on a terminal or in a page.

    Raises:
        TypeError, ValueError, RecursionError: for a value that JSON cannot hold, such as NaN.
    """
    return json.dumps(sanitize_values(msgspec.to_builtins(reply, enc_hook=_plain)), allow_nan=False).encode() + b"\n"


def _plain(value: Any) -> Any:
    """Return a value of a subclass, such as `torch.__version__`, as the plain text or number that it is."""
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(value)
    raise TypeError(f"{type(value).__name__} cannot be sent")


def decode_case_reply(line: bytes) -> CaseReply:
    """Return the reply to `MeasureRequest`.

    Raises:
        InvalidDataError: naming what is wrong with the line.
    """
    reply: CaseReply = _decode(line, CaseReply)
    check_free(reply.details, "details")
    return reply


def decode_reply(line: bytes, kind: type[_T]) -> _T | Failure:
    """Return the reply to another request, which is of this kind or a `Failure`.

    Raises:
        InvalidDataError: naming what is wrong with the line.
    """
    reply: _T | Failure = _decode(line, kind | Failure)
    return reply


def _decode(line: bytes, kind: Any) -> Any:
    if len(line) > MAX_REPLY_BYTES:
        raise InvalidDataError(f"more than {MAX_REPLY_BYTES >> 20} MiB")
    try:
        return msgspec.json.decode(line, type=kind)
    except RecursionError:
        raise InvalidDataError("nested too deeply") from None
    except msgspec.ValidationError as error:
        raise InvalidDataError(validation_message(str(error))) from None
    except msgspec.DecodeError as error:
        raise InvalidDataError(str(error)) from None
