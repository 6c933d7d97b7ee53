"""An NVIDIA GPU through torch, with NVML for what torch does not tell. Used in worker processes only.

Times are spans between two events on the stream, from an idle device, with the L2 cache emptied before the first
event unless the user asks for a warm one. The gaps in which the GPU waits for its next launch are part of a span;
`kernel_seconds` tells the kernels' own share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from time import perf_counter

import torch

from dctbench.errors import DctbenchError, UnavailableError, UnsupportedError, text_of
from dctbench.machine import nvml
from dctbench.model import CaseWarning, ResultDetails, WarningCode
from dctbench.worker.devices import Cache, Conditions, EnergyCounter, Stopwatch, cpu

SAMPLING: Mapping[str, float] = {
    "precision": 0.01,
    "warmup_most": 5.0,
    "sample_least": 0.0,  # events resolve half a microsecond, so that a sample is one call
    "calls_most": 1,
}
CACHE: Cache = "cold"
SLOW_CLOCK = 0.75
_LATE = 100e-6
_LATE_CALLS = 3
"""In succession: the host too can be held up between two looks at its clock, but not every time."""
_UNKNOWN_L2 = 128 << 20
_PROFILED_CALLS = 5
# Bound before any implementation is imported, so that none can put its own in their place.
_Event = torch.cuda.Event
_wait = torch.cuda.synchronize
_stream = torch.cuda.current_stream
_clock = perf_counter


class EscapedWorkError(DctbenchError):
    """The implementation left work running on a stream that the timed one does not wait for."""


def unavailable(name: str) -> str | None:
    """torch's own word for it."""
    if not torch.backends.cuda.is_built():
        return f"{name}: this torch ({torch.__version__}) was built without CUDA"
    if not torch.cuda.is_available():
        return f"{name}: torch finds no CUDA device"
    count = torch.cuda.device_count()
    return None if nvml.parse_index(name) < count else f"{name}: torch finds {count} CUDA device(s)"


def use(name: str) -> None:
    """Make it torch's current device."""
    torch.cuda.set_device(nvml.parse_index(name))


def synchronize(name: str) -> None:
    """Wait for every stream of the device."""
    _wait(nvml.parse_index(name))


def stopwatch(name: str, cache: Cache) -> Stopwatch:
    """Seconds between two events around a call, the device idle before it.

    Raises:
        EscapedWorkError: from the third timed call in succession whose work went on on another stream after its own
            had ended.
    """
    index = nvml.parse_index(name)
    start, end = _Event(enable_timing=True), _Event(enable_timing=True)
    sweep: Callable[[], object] = lambda: None  # noqa: E731
    if cache == "cold":
        buffer = torch.zeros(swept_bytes(name) // 4, dtype=torch.int32, device=f"cuda:{index}")
        sweep = buffer.zero_
    wait, clock, current = _wait, _clock, _stream
    late_calls = 0

    def seconds(run: Callable[[], object]) -> float:
        nonlocal late_calls
        stream = current(index)
        sweep()
        wait(index)  # for the sweep, too: launches that hide behind it would be no part of the span
        start.record(stream)
        run()
        end.record(stream)
        end.synchronize()
        ended = clock()
        wait(index)
        late = clock() - ended
        took = float(start.elapsed_time(end)) * 1e-3
        late_calls = late_calls + 1 if late > max(_LATE, took) else 0
        if late_calls >= _LATE_CALLS:
            raise EscapedWorkError(
                f"{late * 1e3:.2f} ms of work on another stream were still running after the call's own had ended"
            )
        return took

    return seconds


def swept_bytes(name: str) -> int:
    """Twice the L2 cache that the device says it has."""
    size = getattr(torch.cuda.get_device_properties(nvml.parse_index(name)), "L2_cache_size", 0)
    return 2 * (int(size) or _UNKNOWN_L2)


class Watch:
    """The GPU's clock, heat and other processes; and the processor, which launches its work."""

    def __init__(self, name: str, paired: bool = False) -> None:
        self._host = cpu.Watch(paired)
        self._ours = 2 if paired else 1
        self._gauge: nvml.Gauge | None
        try:
            self._gauge = gauge(name)
            self._default = self._gauge.facts().clock_mhz
        except UnavailableError as error:
            self._gauge, self._blind = None, error.message
            return
        self._before = self._gauge.reading()
        self._slowest: int | None = None

    def disturbed(self) -> str | None:
        """Whether the SM clock stands under 75% of the default."""
        if self._gauge is None or not self._default:
            return None
        clock = self._gauge.clock_mhz()
        if clock is None:
            return None
        self._slowest = min(clock, self._slowest or clock)
        if clock >= SLOW_CLOCK * self._default:
            return None
        return f"the SM clock was at {clock} of {self._default} MHz"

    def conditions(self) -> Conditions:
        """Readings before and after, and warnings about throttling and company on the GPU."""
        host = self._host.conditions()
        if self._gauge is None:
            warning = CaseWarning(WarningCode.CLOCKS_UNKNOWN, {"reason": self._blind})
            return Conditions((*host.warnings, warning), host.details)
        after = self._gauge.reading()
        warnings = list(host.warnings)
        held = sorted({*self._before.throttling, *after.throttling})
        if held:
            warnings.append(CaseWarning(WarningCode.THROTTLED, {"reasons": held}))
        company = len(self._gauge.processes() or {}) - self._ours  # counted, since in a container ids are the host's
        if company > 0:
            warnings.append(CaseWarning(WarningCode.GPU_SHARED, {"processes": company}))
        readings = {
            "before": asdict(self._before),
            "after": asdict(after),
            "default_clock_mhz": self._default,
            "slowest_clock_mhz": self._slowest,
        }
        return Conditions(tuple(warnings), replace(host.details, gpu=readings))


def watch(name: str, paired: bool = False) -> Watch:
    """Watches the GPU from now on."""
    return Watch(name, paired)


def gauge(name: str) -> nvml.Gauge:
    """NVML's meters of the device, found by its UUID, since the two number devices differently.

    Raises:
        UnavailableError: without NVML.
    """
    uuid = getattr(torch.cuda.get_device_properties(nvml.parse_index(name)), "uuid", None)
    if uuid is None:
        raise UnavailableError(f"torch {torch.__version__} does not tell a GPU's UUID")
    return nvml.gauge(str(uuid))


def memory_bytes(name: str) -> int:
    """Free memory of the device and what this process's allocator holds unused, in bytes."""
    index = nvml.parse_index(name)
    free, _ = torch.cuda.mem_get_info(index)
    return int(free + torch.cuda.memory_reserved(index) - torch.cuda.memory_allocated(index))


def peak_tensor_bytes(name: str, call: Callable[[], object]) -> int:
    """torch's allocator peak above what was live; its blocks are rounded up to 512 bytes."""
    index = nvml.parse_index(name)
    _wait(index)
    torch.cuda.reset_peak_memory_stats(index)
    before = torch.cuda.memory_allocated(index)
    result = call()
    _wait(index)
    peak = torch.cuda.max_memory_allocated(index) - before
    del result
    return int(peak)


def process_bytes(name: str, call: Callable[[], object]) -> int:
    """All that the driver holds for this process after `call`: context, kernels and the allocator's cache.

    Raises:
        UnsupportedError: where NVML does not tell, or sees other process ids than this container.
    """
    try:
        meter = gauge(name)
    except UnavailableError as error:
        raise UnsupportedError(error.message) from None
    torch.cuda.empty_cache()  # what earlier passes have given back, the sweep of a cold cache among it
    call()
    synchronize(name)
    held = (meter.processes() or {}).get(os.getpid())
    if held is None:
        raise UnsupportedError("NVML does not list this process (in containers it sees the host's process ids)")
    return held


class _Energy:
    """NVML's total energy counter."""

    source = "NVML total energy"
    tick = 0.1

    def __init__(self, meter: nvml.Gauge) -> None:
        self._meter = meter

    def joules(self) -> float:
        used = self._meter.joules()
        if used is None:
            raise UnavailableError("this GPU has no energy counter")
        return used


def energy_counter(name: str) -> EnergyCounter:
    """NVML's total energy counter, which moves about every 100 ms.

    Raises:
        UnavailableError: without NVML, and for GPUs before Volta.
    """
    counter = _Energy(gauge(name))
    counter.joules()
    return counter


def kernel_seconds(name: str, call: Callable[[], object]) -> tuple[float, int] | None:
    """By torch's profiler: the kernels and copies of one call, added up, without the gaps between them."""
    from torch.profiler import ProfilerActivity, profile

    call()
    synchronize(name)
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in range(_PROFILED_CALLS):
            call()
        synchronize(name)
    ran = [
        event
        for event in seen.events() or ()
        if event.device_type.name == "CUDA" and not getattr(event, "is_user_annotation", False)
    ]
    if not ran:
        raise UnavailableError("the profiler saw no kernel: another tool may hold the GPU's counters (CUPTI)")
    seconds = sum(event.time_range.elapsed_us() for event in ran) * 1e-6
    return seconds / _PROFILED_CALLS, round(len(ran) / _PROFILED_CALLS)


def out_of_memory(error: BaseException) -> str | None:
    """torch has a type for it; cuBLAS, cuDNN and the driver have only words."""
    text = text_of(error)
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return f"out of memory: {text.partition('. ')[2].split('. ')[0] or text}"
    if isinstance(error, RuntimeError) and any(
        word in text
        for word in ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
    ):
        return f"out of memory: {text.splitlines()[0]}"
    return cpu.out_of_memory(error)


def describe(name: str) -> ResultDetails:
    """The GPU's name, and whether float32 products may be rounded to TF32: torch's defaults, stored, never changed."""
    properties = torch.cuda.get_device_properties(nvml.parse_index(name))
    return ResultDetails(
        device_name=properties.name,
        compute_capability=f"{properties.major}.{properties.minor}",
        tf32={
            "matmul_precision": torch.get_float32_matmul_precision(),
            "cudnn": torch.backends.cudnn.allow_tf32,
        },
    )
