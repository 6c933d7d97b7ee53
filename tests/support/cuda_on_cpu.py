"""A CUDA device that is the CPU: what torch.cuda does on the host, in Python, and tensors for it that live on the CPU.

The code for CUDA then runs whole on a machine without a GPU. It shows which functions are called in which order and
what becomes of their results. It shows nothing about speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dctbench.errors import UnavailableError
from dctbench.machine import nvml
from dctbench.worker.devices import cuda, cuda_timing
from tests.support.nvml import FakeNvml


class Gpu(TorchFunctionMode):
    """The device, as a mode in which tensors asked for on cuda are on the CPU.

    Attributes:
        queued_ms: what a call takes if its launches are queued ahead of it; None for what it takes on the CPU.
        most_bytes: a larger tensor does not fit.
        requested: the peak that the allocator reports.
        kernels: the names and microseconds of the kernels that the profiler reports for every call.
        replays: how often a graph was replayed.
        swept: how often the cache was emptied.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queued_ms: float | None = None
        self.most_bytes = 1 << 40
        self.requested = 4096
        self.kernels: Sequence[tuple[str, float]] = (("gemm", 30.0), ("softmax", 12.5))
        self.replays = 0
        self.swept = 0
        self.busy = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        asked = [*args, *(kwargs or {}).values()]
        here = any(_is_cuda(value) for value in asked)
        args = tuple(_cpu(value) for value in args)
        result = func(*args, **{name: _cpu(value) for name, value in (kwargs or {}).items()})
        if here and isinstance(result, Tensor) and result.nbytes > self.most_bytes:
            raise torch.cuda.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {result.nbytes / 2**20:.2f} MiB. GPU 0 has less."
            )
        return result

    def spin(self, cycles: int) -> None:
        """Keep the device busy until it is waited for: what is launched meanwhile is queued."""
        self.busy = True

    def sum(self, *args: Any, **kwargs: Any) -> Tensor:
        """torch.sum, which empties the cache."""
        self.swept += 1
        return torch.sum(*args, **kwargs)


def _is_cuda(value: object) -> bool:
    return (isinstance(value, torch.device) and value.type == "cuda") or (
        isinstance(value, str) and value.partition(":")[0] == "cuda"
    )


def _cpu(value: Any) -> Any:
    return "cpu" if _is_cuda(value) else value


class Event:
    """A moment of the device. What the device does while it spins was queued before."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.moment = 0.0
        self.queued = False

    def record(self, stream: object = None) -> None:
        self.moment = perf_counter()
        self.queued = self._gpu.busy

    def query(self) -> bool:
        return not self._gpu.busy

    def synchronize(self) -> None:
        self._gpu.busy = False

    def elapsed_time(self, end: Event) -> float:
        if self.queued and self._gpu.queued_ms is not None:
            return self._gpu.queued_ms
        return 1e3 * (end.moment - self.moment)


class Graph:
    """A CUDA graph: the operators of a call with the memory that they read and wrote."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.operators: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]] = []

    def replay(self) -> None:
        self._gpu.replays += 1
        for func, args, kwargs, made in self.operators:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(made), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class _Recording(TorchDispatchMode):
    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._graph.operators.append((func, args, kwargs or {}, result))
        return result


class _Profile:
    """torch.profiler.profile, which reports the kernels of the device."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def __enter__(self) -> _Profile:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def events(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(
                name=name,
                device_type=SimpleNamespace(name="CUDA"),
                time_range=SimpleNamespace(start=place, elapsed_us=lambda taken=microseconds: taken),
            )
            for place, (name, microseconds) in enumerate(self._gpu.kernels)
        ]


@contextmanager
def cuda_on_cpu(monkeypatch: pytest.MonkeyPatch, driver: FakeNvml | None) -> Iterator[Gpu]:
    """Make `cuda:0` usable, with that driver's library, or without NVML."""
    gpu = Gpu()
    stream = SimpleNamespace(wait_stream=lambda other: None)
    properties = SimpleNamespace(
        name="Made-up GPU", major=9, minor=0, total_memory=16 << 30, L2_cache_size=1 << 20, uuid="00000000-aaaa"
    )

    @contextmanager
    def graph(recorded: Graph) -> Iterator[None]:
        with _Recording(recorded):
            yield

    @contextmanager
    def on_stream(stream: object) -> Iterator[None]:
        yield

    stats = {"requested_bytes.all.current": 512, "requested_bytes.all.peak": 512 + gpu.requested}
    functions = {
        "init": lambda: None,
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "set_device": lambda index: None,
        "synchronize": lambda index=None: None,
        "current_stream": lambda index=None: stream,
        "Stream": lambda: stream,
        "stream": on_stream,
        "graph": graph,
        "CUDAGraph": lambda: Graph(gpu),
        "get_device_properties": lambda index: properties,
        "mem_get_info": lambda index=None: (12 << 30, 16 << 30),
        "memory_reserved": lambda index=None: 0,
        "memory_allocated": lambda index=None: 0,
        "memory_stats": lambda index=None: stats,
        "reset_peak_memory_stats": lambda index=None: None,
        "empty_cache": lambda: None,
        "get_rng_state": lambda device=None: torch.get_rng_state(),
        "get_allocator_backend": lambda: "native",
        "get_arch_list": lambda: ["sm_80", "sm_90"],
    }
    for name, function in functions.items():
        monkeypatch.setattr(torch.cuda, name, function)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr("torch.profiler.profile", lambda activities: _Profile(gpu))
    bound = {
        "_Event": lambda enable_timing: Event(gpu),
        "_wait": lambda index: None,
        "_stream": lambda index: stream,
        "_spin": gpu.spin,
        "_sum": gpu.sum,
    }
    for name, function in bound.items():
        monkeypatch.setattr(cuda_timing, name, function)
    monkeypatch.setattr(cuda, "_wait", lambda index: None)

    def library() -> FakeNvml:
        if driver is None:
            raise UnavailableError("the package nvidia-ml-py is not installed")
        return driver

    monkeypatch.setattr(nvml, "load_library", library)
    with gpu:
        yield gpu
