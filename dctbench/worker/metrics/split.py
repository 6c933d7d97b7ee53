"""The split of a call's time into transform, attention, projections, and the rest.

It is measured in a separate pass under torch's profiler, which slows every operation down a little. Use the shares from
this pass and the seconds from the timed pass. Methods are wrapped in marks, and each operation belongs to the innermost
mark around it.
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
from dctbench.errors import UnsupportedError
from dctbench.transforms import Resampler, TruncatedDct

PARTS = ("transform", "attention", "projections", "other")
REPEATS = 5
_MARK = "dctbench."
_CALL, _LAYER = f"{_MARK}call", f"{_MARK}layer"
_LINEAR = "aten::linear"


@dataclass(frozen=True, slots=True)
class Split:
    """Seconds and number of torch operations by part; the seconds add up to the profiled call."""

    seconds: Mapping[str, float]
    operations: Mapping[str, int]

    @property
    def shares(self) -> dict[str, float]:
        """The share of each part in the call."""
        total = sum(self.seconds.values())
        return {part: taken / total if total else 0.0 for part, taken in self.seconds.items()}


def split(module: nn.Module, call: Callable[[], object], device: str = "cpu", repeats: int = REPEATS) -> Split | None:
    """Return the split of a forward call, the fastest of `repeats`.

    `transform` is every DCT and inverse DCT, `attention` the work on queries, keys and values, `projections` the linear
    maps of an attention layer, and `other` the rest: masks, biases, norms, feed-forward layers, Python.

    Args:
        module: the module that `call` runs, of any scope. The marks are removed afterwards.
        call: one forward call, not compiled, since a compiler fuses the parts.
        device: the device of the call; on a GPU the time of its kernels counts.
        repeats: how many calls are profiled. A single one is not preceded by another.

    Returns:
        None if the call ran neither a transform nor work on queries, keys and values: FNet, or a user's own layer.

    Raises:
        UnsupportedError: if the profiler has no times of the device.
    """
    with _marked(module):
        if repeats > 1:
            call()
        found = [_profiled(call, device) for _ in range(repeats)]
    fastest = min(found, key=lambda one: sum(one.seconds.values()))
    return fastest if fastest.operations["transform"] or fastest.operations["attention"] else None


@contextlib.contextmanager
def _marked(module: nn.Module) -> Iterator[None]:
    """Wrap the methods of each part in marks, on these objects only, and remove the marks on exit."""
    marks: list[tuple[nn.Module, str]] = []
    inside: set[nn.Module] = set()
    try:
        for part in module.modules():
            if part in inside:
                continue
            if isinstance(part, Resampler | TruncatedDct):
                inside.update(part.modules())  # the two transforms of a resampler need no marks
                names = {"forward": "transform", "inverse": "transform"}
            elif isinstance(part, AttentionLayer):
                names = {"forward": "layer"} | dict.fromkeys(part.attention_methods, "attention")
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
        if _CALL not in path or event.device_type.name != "CPU":  # on the GPU a mark appears as an event of its own
            continue
        part = _part(path)
        seconds[part] += (event.self_device_time_total if on_gpu else event.self_cpu_time_total) * 1e-6
        operations[part] += "::" in event.name  # aten::mm counts, marks and the driver's cudaLaunchKernel do not
    if not sum(seconds.values()):
        raise UnsupportedError("the profiler has no times of the device")
    return Split(seconds, operations)


def _path(event: Any) -> list[str]:
    """Return the names of an operation and of the events around it, the innermost first."""
    names = []
    while event is not None:
        names.append(event.name)
        event = event.cpu_parent
    return names


def _part(path: list[str]) -> str:
    """Return the part of the innermost mark; linear maps directly inside a layer are projections."""
    mark = next(name for name in path if name.startswith(_MARK))
    if mark == _LAYER:
        return "projections" if _LINEAR in path[: path.index(mark)] else "other"
    return "other" if mark == _CALL else mark.removeprefix(_MARK)
