"""A case: one thing to measure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any

from dctbench.model.canonical import JSON, digest

DTYPE_ALIASES = {
    "fp32": "float32", "float": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16", "fp64": "float64",
}  # fmt: skip

DTYPE_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}

SCOPES = ("attention", "layer", "encoder", "model")
MODES = ("forward", "backward", "train")
ENGINES = ("eager", "compile", "cudagraph", "onnxruntime", "onnxruntime-int8", "onnxruntime-int8-static", "openvino",
           "openvino-int8-static", "executorch", "executorch-int8")  # fmt: skip

SHAPE_AXES = ("scope", "seq_len", "batch", "heads", "head_dim", "dtype", "device", "mode", "engine", "threads", "task",
              "period", "deadline", "model", "input", "ranks")  # fmt: skip
FACET_AXES = tuple(axis for axis in SHAPE_AXES if axis != "seq_len")
_SHAPE, _FACET = attrgetter(*SHAPE_AXES), attrgetter(*FACET_AXES)  # five times as fast as getattr in a loop

MAX_RANKS = 64
"""The most processes among which a sequence is divided."""
_DIVIDED = {"scope": "layer", "mode": "forward", "engine": "eager"}
"""What a case with `ranks` must have: nothing else has a form for several devices."""
_NOT_DIVIDED = ("task", "period", "deadline", "model", "layers", "recover", "input")

LATER_AXES = frozenset({"kept", "period", "deadline", "model", "layers", "recover", "input", "ranks"})
"""Axes that a later version added. They stand in a record only where they are set: older cases keep their hashes."""


def kept_coefficients(seq_len: int, ratio: float) -> int:
    """Return how many of `seq_len` coefficients a compression ratio keeps: ceil(n / ratio - 1e-9), at least one.

    The small constant keeps a ratio such as 1024 / 341 (a float that is meant to divide) from keeping one more.
    """
    return max(1, math.ceil(seq_len / ratio - 1e-9))


def tidy_number(value: float) -> float | int:
    """Return 8 for 8.0, so that `--ratio 8` and `--ratio 8.0` name the same case."""
    return int(value) if float(value).is_integer() else float(value)


def ratio_words(ratio: float) -> str:
    """Return the ratio as a user types it, with all digits: two ratios of a sweep may differ in the seventh."""
    short = f"{ratio:g}"
    return short if float(short) == ratio else str(ratio)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure: a method at a shape, on a device, in a mode.

    `ratio` is n / n_kept (>= 1), and `kept` a number kept whatever the length. A case has one of them, or none for a
    method that does not compress. `threads` is None unless the user sets it, so that FLOPs and memory compare across
    machines. `task` names the task that a model is trained on (`TaskName`); the rounds of such a case are seeds. It is
    None for a case that is timed. A case whose calls are released on a schedule has a `period`, and a `deadline` after
    each release that is not longer, in seconds. `model` names the model whose attention the method replaces (scope
    `model`), `layers` which of its attentions (`dctbench.text.layers`; None for all), and `recover` the steps of the
    training after it. `input` names the real data, or the activations, on which the error of the method is measured as
    well (`catalog.inputs`). `ranks` is the number of processes, each with a GPU or a share of the threads, among which
    the sequence is divided; None for a case that is not measured that way.
    """

    implementation: str
    seq_len: int
    ratio: float | int | None = None
    batch: int = 1
    heads: int = 8
    head_dim: int = 64
    dtype: str = "float32"
    device: str = "cpu"
    scope: str = "layer"
    mode: str = "forward"
    engine: str = "eager"
    threads: int | None = None
    task: str | None = None
    kept: int | None = None
    period: float | None = None
    deadline: float | None = None
    model: str | None = None
    layers: str | None = None
    recover: int | None = None
    input: str | None = None
    ranks: int | None = None

    @property
    def dim(self) -> int:
        """Model width: heads x head_dim."""
        return self.heads * self.head_dim

    @property
    def device_kind(self) -> str:
        """`cuda` of `cuda:0`."""
        return self.device.partition(":")[0]

    @property
    def devices(self) -> tuple[str, ...]:
        """The device of each rank, or its device alone."""
        return devices_of_ranks(self.device, self.ranks)

    @property
    def n_kept(self) -> int | None:
        """Coefficients (positions, landmarks, features) kept, at most n; None for a case without compression."""
        if self.kept is not None:
            return min(self.kept, self.seq_len)
        return None if self.ratio is None else kept_coefficients(self.seq_len, self.ratio)

    @property
    def compression(self) -> tuple[float, int]:
        """The ratio and the number kept, 0 for what is not set: a key that sorts the cases of a method."""
        return (self.ratio or 0, self.kept or 0)

    @property
    def layer_case(self) -> Case:
        """Of a case of an encoder: the case that times one call of the same layer at the same shape."""
        return replace(self, task=None, scope="layer", mode="forward")

    @property
    def id(self) -> str:
        """The identity: a hash of the canonical JSON of `to_record`."""
        return digest(self.to_record())

    @property
    def name(self) -> str:
        """The method as tables name it: `dct-x r=8`, `nystromformer kept=64`, `dct-kv r=2 layers=2.. recover=200`."""
        words = [self.implementation]
        words += [] if self.kept is None else [f"kept={self.kept}"]
        words += [] if self.ratio is None else [f"r={ratio_words(self.ratio)}"]
        words += [] if self.layers is None else [f"layers={self.layers}"]
        words += [] if self.recover is None else [f"recover={self.recover}"]
        return " ".join(words)

    @property
    def title(self) -> str:
        """The method with its length, as sentences name a case: `dct-x r=8 n=4096`."""
        return f"{self.name} n={self.seq_len}"

    @property
    def shape(self) -> tuple[object, ...]:
        """Everything but the method and what it keeps or replaces. Cases of equal shape can be compared."""
        shape: tuple[object, ...] = _SHAPE(self)
        return shape

    @property
    def unit(self) -> tuple[object, ...]:
        """What its machine measures together: the cases that are compared with each other."""
        return self.shape

    @property
    def facet(self) -> tuple[object, ...]:
        """The shape without its length. Within a facet, the latency of a method is a curve over n."""
        facet: tuple[object, ...] = _FACET(self)
        return facet

    @property
    def row(self) -> tuple[object, ...]:
        """The case without its length: the curve that it belongs to."""
        return (self.implementation, self.ratio, self.kept, self.layers, self.recover, *self.facet)

    def to_record(self) -> JSON:
        """Return the case as it is stored and hashed, without what is derived from it."""
        record = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in record.items() if name not in LATER_AXES or value is not None}

    def to_json(self) -> JSON:
        """Return the case as the public JSON document has it, with `n_kept`."""
        keys = ("implementation", "scope", "seq_len", "ratio", "kept", "n_kept", "batch", "heads", "head_dim", "dtype",
                "device", "mode", "engine", "threads", "task", "period", "deadline", "model", "layers",
                "recover", "input", "ranks")  # fmt: skip
        return {key: getattr(self, key) for key in keys}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Case:
        """The inverse of `to_json` and `to_record`. Other keys, derived or of a later version, are ignored."""
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


def devices_of_ranks(device: str, ranks: int | None) -> tuple[str, ...]:
    """Return the device of each rank: a GPU each, from this one on, or any other device for all of them."""
    kind, _, index = device.partition(":")
    count = ranks or 1
    return tuple(f"{kind}:{int(index) + rank}" for rank in range(count)) if index else (device,) * count


def undivided_axis(case: Case) -> tuple[str, Any, str | None] | None:
    """Return the axis of a case that does not go with ranks, its value, and the value that does, if there is one.

    It is None for a case that can have ranks.
    """
    values = ((axis, getattr(case, axis), _DIVIDED.get(axis)) for axis in (*_DIVIDED, *_NOT_DIVIDED))
    return next(((axis, value, divided) for axis, value, divided in values if value != divided), None)


def why_not_divided(case: Case) -> str | None:
    """Return why a case can have no ranks; None for a case that can."""
    found = undivided_axis(case)
    if found is None:
        return None
    axis, value, _ = found
    return f"ranks divide the forward pass of a layer in engine eager; {axis} {value} does not go with them"
