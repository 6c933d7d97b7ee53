"""Where a call's time goes: the transform, the attention, the projections, and the rest.

A pass of its own under torch's profiler, which makes every operation a little slower: read shares off it, and the
seconds of a call off the timed pass. Parts are marked around the methods that do them, and each operation belongs to
the innermost mark around it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.profiler import profile, record_function

from dctbench.attention import AttentionLayer
from dctbench.attention.dct_layer import DctAttention
from dctbench.transforms import Resampler, TruncatedDct

PARTS = ("transform", "attention", "projections", "other")
REPEATS = 5
_MARK = "dctbench."
_CALL, _LAYER = f"{_MARK}call", f"{_MARK}layer"
_LINEAR = "aten::linear"


@dataclass(frozen=True, slots=True)
class Split:
    """Seconds, and how many operations of torch, by part; the seconds add up to the profiled call."""

    seconds: Mapping[str, float]
    operations: Mapping[str, int]

    @property
    def shares(self) -> dict[str, float]:
        """Each part's share of the call."""
        total = sum(self.seconds.values())
        return {part: taken / total if total else 0.0 for part, taken in self.seconds.items()}


def split(module: nn.Module, call: Callable[[], object], device: str = "cpu") -> Split | None:
    """The parts of a forward call, the fastest of five.

    `transform` is every DCT and inverse DCT, `attention` what happens among queries, keys and values, `projections`
    the linear maps of an attention layer; `other` is the rest: masks, biases, norms, feed-forward layers, Python.

    Args:
        module: what `call` runs, of any scope; its marks are gone again afterwards.
        call: one forward call, uncompiled: a compiler fuses parts into each other.
        device: where it runs; on a GPU its kernels' own time counts.

    Returns:
        None where neither a transform nor an attention among heads was met: FNet, say, or a layer of the user's own.
    """
    with _marked(module):
        call()
        found = [_profiled(call, device) for _ in range(REPEATS)]
    fastest = min(found, key=lambda one: sum(one.seconds.values()))
    return fastest if fastest.operations["transform"] or fastest.operations["attention"] else None


@contextlib.contextmanager
def _marked(module: nn.Module) -> Iterator[None]:
    """Every method that does a part wrapped in its mark, on these objects and for this long only."""
    marks: list[tuple[nn.Module, str]] = []
    inside: set[nn.Module] = set()
    try:
        for part in module.modules():
            if part in inside:
                continue
            if isinstance(part, Resampler | TruncatedDct):
                inside.update(part.modules())  # a resampler's own two transforms need no marks
                names = {"forward": "transform", "inverse": "transform"}
            elif isinstance(part, DctAttention):
                names = {"forward": "layer", "attend_among": "attention"}
            elif isinstance(part, AttentionLayer):
                names = {"forward": "layer", "attend": "attention"}
            else:
                continue
            for name, mark in names.items():
                setattr(part, name, _wrapped(getattr(part, name), f"{_MARK}{mark}"))
                marks.append((part, name))
        yield
    finally:
        for part, name in marks:
            delattr(part, name)


def _wrapped(method: Callable[..., Any], mark: str) -> Callable[..., Any]:
    def marked(*arguments: Any, **options: Any) -> Any:
        with record_function(mark):
            return method(*arguments, **options)

    return marked


def _profiled(call: Callable[[], object], device: str) -> Split:
    on_gpu = torch.device(device).type == "cuda"
    with profile(use_device="cuda" if on_gpu else None, use_kineto=on_gpu) as profiled, record_function(_CALL):
        call()
        if on_gpu:
            torch.cuda.synchronize(device)
    seconds = dict.fromkeys(PARTS, 0.0)
    operations = dict.fromkeys(PARTS, 0)
    for event in profiled.function_events or ():
        path = _path(event)
        if _CALL not in path or event.device_type.name != "CPU":  # a mark's shadow on the GPU spans what it marks
            continue
        part = _part(path)
        seconds[part] += (event.self_device_time_total if on_gpu else event.self_cpu_time_total) * 1e-6
        operations[part] += "::" in event.name  # as aten::mm; not a mark, nor the driver's cudaLaunchKernel
    return Split(seconds, operations)


def _path(event: Any) -> list[str]:
    """The names of an operation and of all around it, the innermost first."""
    names = []
    while event is not None:
        names.append(event.name)
        event = event.cpu_parent
    return names


def _part(path: list[str]) -> str:
    """The part that the innermost mark names; a linear map counts when nothing but a layer is around it."""
    mark = next(name for name in path if name.startswith(_MARK))
    if mark == _LAYER:
        return "projections" if _LINEAR in path[: path.index(mark)] else "other"
    return "other" if mark == _CALL else mark.removeprefix(_MARK)
