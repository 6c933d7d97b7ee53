"""An NVIDIA GPU through torch, with NVML for what torch does not report. Used only in worker processes.

A time is the span between two events on the stream of an idle device. The L2 cache is emptied before the first event
unless the user chooses a warm one. The span includes gaps in which the GPU waits for the next launch; `kernel_seconds`
measures the kernels alone.
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
    "sample_least": 0.0,  # events resolve half a microsecond, so a sample is one call
    "calls_most": 1,
}
CACHE: Cache = "cold"
SLOW_CLOCK = 0.75
_LATE = 100e-6
_LATE_CALLS = 3
"""Late calls in succession: the host may be delayed between two readings of its clock, but not each time."""
_UNKNOWN_L2 = 128 << 20
_PROFILED_CALLS = 5
# Bound before any implementation is imported, so that none can replace them.
_Event = torch.cuda.Event
_wait = torch.cuda.synchronize
_stream = torch.cuda.current_stream
_clock = perf_counter


class EscapedWorkError(DctbenchError):
    """The implementation left work running on a stream that the timed one does not wait for."""


def unavailable(name: str) -> str | None:
    """Return why torch in this process cannot use the GPU, or None."""
    if not torch.backends.cuda.is_built():
        return f"{name}: this torch ({torch.__version__}) was built without CUDA"
    if not torch.cuda.is_available():
        return f"{name}: torch finds no CUDA device"
    count = torch.cuda.device_count()
    return None if nvml.parse_index(name) < count else f"{name}: torch finds {count} CUDA device(s)"


def use(name: str) -> None:
    """Make the GPU torch's current device."""
    torch.cuda.set_device(nvml.parse_index(name))


def synchronize(name: str) -> None:
    """Wait for all streams of the GPU."""
    _wait(nvml.parse_index(name))


def stopwatch(name: str, cache: Cache) -> Stopwatch:
    """Return a stopwatch that measures between two events around a call on an idle device.

    Raises:
        EscapedWorkError: by the stopwatch, for the third call in succession that leaves work running on another stream
            after its own stream is done.
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
        wait(index)  # also for the sweep: launches hidden behind it would not be in the span
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
    """Return twice the size of the L2 cache."""
    size = getattr(torch.cuda.get_device_properties(nvml.parse_index(name)), "L2_cache_size", 0)
    return 2 * (int(size) or _UNKNOWN_L2)


class Watch:
    """Watches clock, throttling and other processes of the GPU, and the CPU that launches its work."""

    def __init__(self, name: str, paired: bool = False) -> None:
        self._host = cpu.Watch(paired)
        self._ours = 2 if paired else 1
        self._gauge: nvml.Gauge | None
        try:
            self._gauge = gauge(name)
            self._default = self._gauge.facts().clock_mhz
        except UnavailableError as error:
            self._gauge, self._unreadable = None, error.message
            return
        self._before = self._gauge.reading()
        self._slowest: int | None = None

    def disturbed(self) -> str | None:
        """Return a reason if the SM clock is below 75% of the default."""
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
        """Return readings before and after, and warnings about throttling and other processes on the GPU."""
        host = self._host.conditions()
        if self._gauge is None:
            warning = CaseWarning(WarningCode.CLOCKS_UNKNOWN, {"reason": self._unreadable})
            return Conditions((*host.warnings, warning), host.details)
        after = self._gauge.reading()
        warnings = list(host.warnings)
        held = sorted({*self._before.throttling, *after.throttling})
        if held:
            warnings.append(CaseWarning(WarningCode.THROTTLED, {"reasons": held}))
        others = len(self._gauge.processes() or {}) - self._ours  # counted, as ids in a container are those of the host
        if others > 0:
            warnings.append(CaseWarning(WarningCode.GPU_SHARED, {"processes": others}))
        readings = {
            "before": asdict(self._before),
            "after": asdict(after),
            "default_clock_mhz": self._default,
            "slowest_clock_mhz": self._slowest,
        }
        return Conditions(tuple(warnings), replace(host.details, gpu=readings))


def watch(name: str, paired: bool = False) -> Watch:
    """Start to watch the GPU."""
    return Watch(name, paired)


def gauge(name: str) -> nvml.Gauge:
    """Return NVML's sensors of the GPU. It is found by UUID, since torch and NVML number GPUs differently.

    Raises:
        UnavailableError: without NVML, or if torch does not report the UUID.
    """
    uuid = getattr(torch.cuda.get_device_properties(nvml.parse_index(name)), "uuid", None)
    if uuid is None:
        raise UnavailableError(f"torch {torch.__version__} does not report the UUID of a GPU")
    return nvml.gauge(str(uuid))


def memory_bytes(name: str) -> int:
    """Return the free bytes of the device, including those that the allocator of this process holds unused."""
    index = nvml.parse_index(name)
    free, _ = torch.cuda.mem_get_info(index)
    return int(free + torch.cuda.memory_reserved(index) - torch.cuda.memory_allocated(index))


def peak_tensor_bytes(name: str, call: Callable[[], object]) -> int:
    """Return the peak of torch's allocator above what was live before; it rounds blocks up to 512 bytes."""
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
    """Return the bytes that the driver holds for this process after `call`: context, kernels, allocator's cache.

    Raises:
        UnsupportedError: if NVML does not report them, or sees other process ids than this container.
    """
    try:
        sensors = gauge(name)
    except UnavailableError as error:
        raise UnsupportedError(error.message) from None
    torch.cuda.empty_cache()  # what earlier passes freed, such as the buffer that empties the cache
    call()
    synchronize(name)
    held = (sensors.processes() or {}).get(os.getpid())
    if held is None:
        raise UnsupportedError("NVML does not list this process (in containers it sees the host's process ids)")
    return held


class _Energy:
    """NVML's total energy counter."""

    source = "NVML total energy"
    tick = 0.1

    def __init__(self, sensors: nvml.Gauge) -> None:
        self._sensors = sensors

    def joules(self) -> float:
        used = self._sensors.joules()
        if used is None:
            raise UnavailableError("this GPU has no energy counter")
        return used


def energy_counter(name: str) -> EnergyCounter:
    """Return NVML's total energy counter, which is updated about every 100 ms.

    Raises:
        UnavailableError: without NVML, and for GPUs before Volta.
    """
    counter = _Energy(gauge(name))
    counter.joules()
    return counter


def kernel_seconds(name: str, call: Callable[[], object]) -> tuple[float, int] | None:
    """Return total seconds and number of the kernels and copies of one call, by torch's profiler, without gaps.

    Raises:
        UnavailableError: if the profiler records no kernel.
    """
    from torch.profiler import ProfilerActivity, profile

    call()
    synchronize(name)
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in range(_PROFILED_CALLS):
            call()
        synchronize(name)
    kernels = [
        event
        for event in profiled.events() or ()
        if event.device_type.name == "CUDA" and not getattr(event, "is_user_annotation", False)
    ]
    if not kernels:
        raise UnavailableError("the profiler saw no kernel: another tool may hold the GPU's counters (CUPTI)")
    seconds = sum(event.time_range.elapsed_us() for event in kernels) * 1e-6
    return seconds / _PROFILED_CALLS, round(len(kernels) / _PROFILED_CALLS)


def out_of_memory(error: BaseException) -> str | None:
    """Recognise torch's OutOfMemoryError, and the texts of cuBLAS, cuDNN and the driver."""
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
    """Return the name of the GPU, and whether float32 products may use TF32; torch's defaults are never changed."""
    properties = torch.cuda.get_device_properties(nvml.parse_index(name))
    return ResultDetails(
        device_name=properties.name,
        compute_capability=f"{properties.major}.{properties.minor}",
        tf32={
            "matmul_precision": torch.get_float32_matmul_precision(),
            "cudnn": torch.backends.cudnn.allow_tf32,
        },
    )
