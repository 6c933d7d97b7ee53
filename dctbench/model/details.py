"""What a result records beside its measurements: which code ran, under which conditions, and why sampling stopped.

Stores seal the JSON of these details, so decoding loses nothing: an unknown key, or a value that does not have
the type of its field, is kept in `extra` and written back as it was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import itemgetter
from typing import Any, Literal, NamedTuple, Self, get_args

from dctbench.model.communication import Communication
from dctbench.model.conversion import Conversion
from dctbench.model.schedule import Schedule
from dctbench.model.spectrum import Spectrum
from dctbench.model.training import Training

Bound = Literal["compute", "bandwidth", "cache"]

_LEAST, _MOST = 1e-12, 1e24
"""No machine has figures outside this range, and the quotient of two such figures may not be a float."""


class Ceilings(NamedTuple):
    """The most that a machine can do: FLOP/s of its matrix products in one dtype, and B/s of a copy."""

    compute: float
    bandwidth: float

    @property
    def ridge(self) -> float:
        """FLOPs per byte above which the processor is the limit, and below which the memory is."""
        return self.compute / self.bandwidth


class Roofline(NamedTuple):
    """Where a call stands under the ceilings of its machine.

    Attributes:
        intensity: FLOPs per byte that the call must move.
        rate: achieved FLOP/s.
        throughput: achieved B/s, counting only the bytes that the call must move.
        ridge: FLOPs per byte above which the processor is the limit, and below which the memory is.
        share: the achieved share of the ceiling that limits the call. At 1 it takes no longer than it must.
            For `cache` it is the share of the compute ceiling.
        bound: what limits a perfect implementation: `compute`, `bandwidth`, or `cache` if everything that must be moved
            fits into the last-level cache, so that the memory is no limit.
        ceilings: of the machine, in the dtype of the case.
        ceilings_stored: whether the JSON holds the ceilings. Early results hold only quotients of them.
    """

    intensity: float
    rate: float
    throughput: float
    ridge: float
    share: float
    bound: Bound
    ceilings: Ceilings
    ceilings_stored: bool = True

    def to_json(self) -> dict[str, Any]:
        """The roofline as a result stores it."""
        stored = self._asdict()
        if stored.pop("ceilings_stored"):
            stored["ceilings"] = self.ceilings._asdict()
        else:
            del stored["ceilings"]
        return stored

    @classmethod
    def from_json(cls, data: object) -> Self | None:
        """The inverse of `to_json`, or None if `data` is not a roofline as this version knows it."""
        if not isinstance(data, dict) or data.keys() not in _ROOFLINES or data["bound"] not in _BOUNDS:
            return None
        figures = _figures(data)
        if not _all_figures(figures):
            return None
        stored = "ceilings" in data
        ceilings = _ceilings(data["ceilings"]) if stored else _ceilings_from_quotients(data)
        if ceilings is None:
            return None
        intensity, rate, throughput, ridge, share = figures
        return cls(intensity, rate, throughput, ridge, share, data["bound"], ceilings, stored)


_FIGURES = ("intensity", "rate", "throughput", "ridge", "share")
_figures = itemgetter(*_FIGURES)
_BOUNDS = get_args(Bound)
_ROOFLINES = ({*_FIGURES, "bound"}, {*_FIGURES, "bound", "ceilings"})


def _all_figures(values: Iterable[object]) -> bool:
    return all(isinstance(value, int | float) and _LEAST < value < _MOST for value in values)


def _ceilings(data: object) -> Ceilings | None:
    if isinstance(data, dict) and data.keys() == {"compute", "bandwidth"} and _all_figures(data.values()):
        return Ceilings(**data)
    return None


def _ceilings_from_quotients(data: Mapping[str, Any]) -> Ceilings:
    """Return the ceilings of an early result. `share` refers to the limiting one, and `ridge` is their quotient."""
    if data["bound"] == "bandwidth":
        bandwidth = data["throughput"] / data["share"]
        return Ceilings(data["ridge"] * bandwidth, bandwidth)
    compute = data["rate"] / data["share"]
    return Ceilings(compute, compute / data["ridge"])


class CallSplit(NamedTuple):
    """Where the time of a call goes, by part.

    Attributes:
        shares: of the call's time.
        operations: how many operations of torch; None if they were not counted.
    """

    shares: Mapping[str, float]
    operations: Mapping[str, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """The split as a result stores it."""
        return {name: table for name, table in self._asdict().items() if table is not None}

    @classmethod
    def from_json(cls, data: object) -> Self | None:
        """The inverse of `to_json`, or None if `data` is not a split as this version knows it."""
        if not isinstance(data, dict) or data.keys() not in ({"shares"}, {"shares", "operations"}):
            return None
        split = cls(**data)
        sound = _are(split.shares, {int, float}) and ("operations" not in data or _are(split.operations, {int}))
        return split if sound else None


def _are(table: object, types: set[type]) -> bool:
    """Whether `table` is a dict whose values are of these types."""
    return type(table) is dict and types.issuperset(map(type, table.values()))


@dataclass(frozen=True, kw_only=True)
class ResultDetails:
    """What a result records beside its measurements. A field is None if nothing was recorded.

    Attributes:
        stop_reason: why sampling stopped: `precise`, `settled`, `budget`, `count` or `turns`.
        calls_per_sample: calls of which one sample is the mean.
        warmup_calls: calls before the first sample.
        turns: samples per turn, for a process that took turns with another.
        pair: on a result of head, the round of base's process that it took turns with, if that has another number.
        retaken: seconds per call of disturbed samples. They were taken again and enter no statistic.
        noisy: why samples stayed disturbed although they were taken again.
        threads: of torch, in each process of the case.
        cache: what the last-level cache held when a timed call began, in words.
        swept_bytes: the size of the buffer that emptied the cache before each timed call; None for a warm cache.
        inputs: how the inputs were drawn, in words.
        kernel: the fused attention kernels that a call runs, by torch's names, or `flex`.
        kernels: kernels that one call started on the device.
        plan: of the transforms.
        plan_rates: a digest of the rates with which the planner chose it; None for those that are shipped.
        compiler: the options of `torch.compile` that were set, by name.
        tolerance: the relative error allowed to an exact method.
        int8_share: of the multiply-adds of matrix products, those that an exported model computes in int8.
        flops_analytic: FLOPs of one forward call by the method's own formula.
        flops_convention: how FLOPs are counted.
        flops_uncounted: operations that the count leaves out.
        absent: by metric, why this machine cannot measure it.
        split: where the time of a call goes.
        schedule: how calls that were released on a schedule went.
        energy: the meter and how it was read.
        roofline: where the call stands under the ceilings of its machine.
        estimated_bytes: the estimated need of a case that ran out of memory.
        others_cores: processor cores that other processes used meanwhile.
        stolen: the share of processor time that the hypervisor gave to other machines.
        cpu_capability: the instruction set of torch's CPU kernels.
        device_name: of a GPU.
        compute_capability: of a GPU.
        tf32: the settings for products in TF32, and in `matmul` whether float32 products use it.
        cuda: versions of libraries, the allocator, and the variables that change how fast a GPU's calls are.
        gpu: clocks, limits of the clock, temperature and power of a GPU before and after.
        isolation: how the case got its process: `zygote` or `fresh`.
        torch_imported_by: the id of the process that imported torch.
        not_loaded: True if the code of the case could not be loaded, so that the result does not tell what it does.
        device_unusable: True if torch cannot use the device of the case, so that no case on it can run.
        ended_runs: how often the run ended without a result while the case ran, where that is why it is an error.
        attempts: how often the case was started, where its node was lost before; the last attempt counts.
        traceback: of the error that ended the case.
        output: the last that a process printed before it ended without a reply.
        error_means: what the error of a method outside the catalog says, as a value of `catalog.ErrorMeans`.
        benchmark: the name of the benchmark that the result was imported from.
        training: of a case with a task: how the training went.
        conversion: of a case with a model: which of its attentions were replaced, and how a training after it went.
        spectrum: of a case with an input: how its energy is spread over frequencies.
        communication: of a case with ranks: what the first rank sent in one call of the layer.
        extra: unknown keys, and values that do not have the type of their field, as they were read.
    """

    stop_reason: str | None = None
    calls_per_sample: int | None = None
    warmup_calls: int | None = None
    turns: tuple[int, ...] | None = None
    pair: int | None = None
    retaken: tuple[float, ...] | None = None
    noisy: str | None = None
    threads: int | None = None
    cache: str | None = None
    swept_bytes: int | None = None
    inputs: str | None = None
    kernel: str | None = None
    kernels: int | None = None
    plan: str | None = None
    plan_rates: str | None = None
    compiler: str | None = None
    tolerance: float | None = None
    int8_share: float | None = None
    flops_analytic: int | None = None
    flops_convention: str | None = None
    flops_uncounted: tuple[str, ...] | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    split: CallSplit | None = None
    schedule: Schedule | None = None
    energy: Mapping[str, Any] | None = None
    roofline: Roofline | None = None
    estimated_bytes: float | None = None
    others_cores: float | None = None
    stolen: float | None = None
    cpu_capability: str | None = None
    device_name: str | None = None
    compute_capability: str | None = None
    tf32: Mapping[str, Any] | None = None
    cuda: Mapping[str, Any] | None = None
    gpu: Mapping[str, Any] | None = None
    isolation: str | None = None
    torch_imported_by: int | None = None
    not_loaded: bool | None = None
    device_unusable: bool | None = None
    ended_runs: int | None = None
    attempts: int | None = None
    traceback: str | None = None
    output: str | None = None
    error_means: str | None = None
    benchmark: str | None = None
    training: Training | None = None
    conversion: Conversion | None = None
    spectrum: Spectrum | None = None
    communication: Communication | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __or__(self, other: ResultDetails) -> ResultDetails:
        """Return these details, replaced by those of `other` where it has any."""
        recorded = {name: value for name, value in vars(other).items() if value is not None}
        absent, extra = {**self.absent, **other.absent}, {**self.extra, **other.extra}
        return replace(self, **{**recorded, "absent": absent, "extra": extra})

    def to_json(self) -> dict[str, Any]:
        """Return the details as they are stored, without those that are None."""
        stored = {_KEYS.get(name, name): value for name, value in vars(self).items() if value is not None}
        del stored["absent"], stored["extra"]
        for key in stored.keys() & _CODECS.keys():
            stored[key] = _CODECS[key].encode(stored[key])
        return stored | {metric + _ABSENT: reason for metric, reason in self.absent.items()} | dict(self.extra)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`, for any JSON object."""
        known: dict[str, Any] = {}
        absent: dict[str, str] = {}
        extra: dict[str, Any] = {}
        for key, value in data.items():
            name = _PLAIN.get((key, type(value)))
            if name is not None:
                known[name] = value
            elif key in _CODECS and (decoded := _CODECS[key].decode(value)) is not None:
                known[_NAMES[key]] = decoded
            elif key.endswith(_ABSENT) and isinstance(value, str):
                absent[key.removesuffix(_ABSENT)] = value
            else:
                extra[key] = value
        # Most fields are absent from most results, and a store holds a hundred thousand of those. `__init__` would set
        # every field, which takes several times as long; a field that is not set here has its default from the class.
        details = object.__new__(cls)
        details.__dict__.update(known, absent=absent, extra=extra)
        return details


NO_DETAILS = ResultDetails()

_ABSENT = ".absent"
_KEYS = {
    "flops_analytic": "flops.analytic", "flops_convention": "flops.convention", "flops_uncounted": "flops.uncounted",
}  # fmt: skip
"""The keys that differ from the names of their fields."""
_NAMES = {_KEYS.get(each.name, each.name): each.name for each in fields(ResultDetails)}
del _NAMES["absent"], _NAMES["extra"]
_TYPES: Mapping[str, tuple[type, ...]] = {
    "str | None": (str,),
    "int | None": (int,),
    "float | None": (float, int),
    "bool | None": (bool,),
    "Mapping[str, Any] | None": (dict,),
}


class _Codec(NamedTuple):
    """How a field is read from JSON (None if the value has another type) and written."""

    decode: Callable[[object], Any]
    encode: Callable[[Any], object]


def _sequence(*types: type) -> _Codec:
    def decode(value: object) -> tuple[Any, ...] | None:
        return tuple(value) if isinstance(value, list) and {*types}.issuperset(map(type, value)) else None

    return _Codec(decode, list)


def _seconds(value: object) -> tuple[float, ...] | None:
    """Return the times of calls, or None if they are not plausible."""
    seconds = _sequence(int, float).decode(value)
    return seconds if seconds is not None and all(1e-10 <= second <= 1e6 for second in seconds) else None


def _share(value: object) -> float | None:
    """Return a number from 0 to 1, or None. A bool is no number."""
    return value if isinstance(value, (int, float)) and type(value) is not bool and 0 <= value <= 1 else None


_CODECS: Mapping[str, _Codec] = {
    "int8_share": _Codec(_share, lambda share: share),
    "turns": _sequence(int),
    "retaken": _Codec(_seconds, list),
    "flops.uncounted": _sequence(str),
    "split": _Codec(CallSplit.from_json, CallSplit.to_json),
    "schedule": _Codec(Schedule.from_json, Schedule.to_json),
    "roofline": _Codec(Roofline.from_json, Roofline.to_json),
    "training": _Codec(Training.from_json, Training.to_json),
    "conversion": _Codec(Conversion.from_json, Conversion.to_json),
    "spectrum": _Codec(Spectrum.from_json, Spectrum.to_json),
    "communication": _Codec(Communication.from_json, Communication.to_json),
}
_PLAIN = {
    (key, kind): each.name
    for each in fields(ResultDetails)
    for key in [_KEYS.get(each.name, each.name)]
    if key not in _CODECS
    for kind in _TYPES.get(str(each.type), ())
}
"""The field of a key and the type of its value, where the value is kept as it is."""
