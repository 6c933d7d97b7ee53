"""An NVIDIA GPU through torch, with NVML for what torch does not report. Used only in worker processes.

The L2 cache is emptied before a timed call, unless the user chooses a warm one. `cuda_timing` measures times.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from time import perf_counter
from typing import TypeVar

import torch

from dctbench.errors import UnavailableError, UnsupportedError, text_of
from dctbench.machine import nvml
from dctbench.machine.energy import Meter, Windows
from dctbench.model import CaseWarning, ResultDetails, WarningCode
from dctbench.worker.devices import Cache, Conditions, cpu
from dctbench.worker.devices.cuda_timing import kernel_seconds, queued_seconds, stopwatch, swept_bytes

__all__ = ["kernel_seconds", "queued_seconds", "stopwatch", "swept_bytes"]  # of the interface of a device

SAMPLING: Mapping[str, float] = {
    "precision": 0.01,
    "warmup_most": 5.0,
    "sample_least": 0.0,  # events resolve half a microsecond, so a sample is one call
    "calls_most": 1,
}
CACHE: Cache = "cold"
_T = TypeVar("_T")
SLOW_CLOCK = 0.75
_THROTTLED_SHARE = 0.01
"""A limit of the clock is reported if it held for more than this share of the time."""
VARIABLES = ("CUDA_LAUNCH_BLOCKING", "CUDA_MODULE_LOADING", "CUDA_DEVICE_MAX_CONNECTIONS", "CUBLAS_WORKSPACE_CONFIG",
             "CUBLASLT_WORKSPACE_SIZE", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
             "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "PYTORCH_NO_CUDA_MEMORY_CACHING")  # fmt: skip
"""Environment variables that change how fast a call is, or how much memory it takes."""
# Bound before any implementation is imported, so that none can replace it.
_wait = torch.cuda.synchronize
_clock = perf_counter


def unavailable(name: str) -> str | None:
    """Return why torch in this process cannot use the GPU, in torch's words where it has some, or None.

    The GPU is tried: one that another process holds exclusively, that is full, or that this build of torch has no code
    for, is found and counted like any other.
    """
    if not torch.backends.cuda.is_built():
        return f"{name}: this torch ({torch.__version__}) was built without CUDA"
    index = nvml.parse_index(name)
    try:
        torch.cuda.init()
        count = torch.cuda.device_count()
        if index >= count:
            return f"{name}: torch finds {count} CUDA device(s)"
        torch.zeros(1, device=f"cuda:{index}").add_(1)
        _wait(index)
    except (RuntimeError, AssertionError) as error:
        reason = next((line for line in text_of(error).splitlines() if line.strip()), type(error).__name__)
        return f"{name}: torch cannot use it: {reason.strip()}"
    return None


def use(name: str) -> None:
    """Make the GPU torch's current device."""
    torch.cuda.set_device(nvml.parse_index(name))


def synchronize(name: str) -> None:
    """Wait for all streams of the GPU."""
    _wait(nvml.parse_index(name))


class Watch:
    """Watches clock, throttling and other processes of the GPU, and the CPU that launches its work.

    Clocks are compared with the highest one seen, not with the default: a GPU under a power cap may never reach that,
    and its samples are alike all the same.
    """

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
        self._violations = self._gauge.violations()
        self._began = _clock()
        self._slowest: int | None = None
        self._highest = self._before.clock_mhz or 0

    def disturbed(self) -> str | None:
        """Return a reason if the SM clock is below 75% of the highest one seen."""
        clock = None if self._gauge is None else self._gauge.clock_mhz()
        if clock is None:
            return None
        self._slowest = min(clock, self._slowest or clock)
        self._highest = max(clock, self._highest)
        if clock >= SLOW_CLOCK * self._highest:
            return None
        return f"the SM clock was at {clock} MHz, after {self._highest} MHz"

    def conditions(self) -> Conditions:
        """Return readings before and after, and warnings about throttling and other processes on the GPU."""
        host = self._host.conditions()
        if self._gauge is None:
            warning = CaseWarning(WarningCode.CLOCKS_UNKNOWN, {"reason": self._unreadable})
            return Conditions((*host.warnings, warning), host.details)
        after = self._gauge.reading()
        warnings = list(host.warnings)
        limited = self._limited()
        held = sorted({*self._before.throttling, *after.throttling} if limited is None else limited)
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
            "highest_clock_mhz": max(self._highest, after.clock_mhz or 0) or None,
            "limited": limited,
        }
        return Conditions(tuple(warnings), replace(host.details, gpu=readings))

    def _limited(self) -> dict[str, float] | None:
        """Return for what share of the time each reason limited the clock; None if the GPU does not count that.

        The counters do not miss what happens between two readings.
        """
        assert self._gauge is not None
        now, elapsed = self._gauge.violations(), _clock() - self._began
        if now is None or self._violations is None or elapsed <= 0:
            return None
        shares = {name: (now[name] - self._violations[name]) / elapsed for name in now if name in self._violations}
        return {name: round(share, 3) for name, share in shares.items() if share > _THROTTLED_SHARE}


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
    """Return the peak of the bytes requested from torch's allocator, above what was live before.

    An allocator that does not count requests, such as cudaMallocAsync, counts blocks, which are rounded up.
    """
    index = nvml.parse_index(name)
    _wait(index)
    torch.cuda.reset_peak_memory_stats(index)
    before = torch.cuda.memory_stats(index)
    counted = "requested_bytes" if "requested_bytes.all.peak" in before else "allocated_bytes"
    result = call()
    _wait(index)
    peak = torch.cuda.memory_stats(index)[f"{counted}.all.peak"] - before[f"{counted}.all.current"]
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
    windows = Windows()

    def __init__(self, sensors: nvml.Gauge) -> None:
        self._sensors = sensors

    def joules(self) -> float:
        used = self._sensors.joules()
        if used is None:
            raise UnavailableError("this GPU has no energy counter")
        return used

    def close(self) -> None:
        """Do nothing: others read the gauge too."""


def energy_counter(name: str) -> Meter:
    """Return NVML's total energy counter, which is updated about every 100 ms.

    Raises:
        UnavailableError: without NVML, and for GPUs before Volta.
    """
    counter = _Energy(gauge(name))
    counter.joules()
    return counter


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
    """Return the name of the GPU, whether float32 products may use TF32, and what decides which kernels run.

    torch's defaults are never changed.
    """
    properties = torch.cuda.get_device_properties(nvml.parse_index(name))
    settings = {
        "matmul": tf32_products(name),
        "matmul_precision": _setting(torch.get_float32_matmul_precision),
        "cudnn": _setting(lambda: torch.backends.cudnn.allow_tf32),
    }
    return ResultDetails(
        device_name=properties.name,
        compute_capability=f"{properties.major}.{properties.minor}",
        tf32={key: value for key, value in settings.items() if value is not None},
        cuda={
            "toolkit": torch.version.cuda,
            "cudnn": _setting(torch.backends.cudnn.version),
            "blas": _setting(lambda: str(torch.backends.cuda.preferred_blas_library()).rpartition(".")[2]),
            "allocator": _setting(torch.cuda.get_allocator_backend),
            "variables": {variable: os.environ[variable] for variable in VARIABLES if variable in os.environ},
        },
    )


def tf32_products(name: str) -> bool:
    """Return whether float32 products may use TF32, by torch's setting and the variable that overrides it in cuBLAS."""
    override = os.environ.get("NVIDIA_TF32_OVERRIDE")
    if override in ("0", "1"):
        return override == "1"
    matmul = torch.backends.cuda.matmul
    precision = getattr(matmul, "fp32_precision", None)  # since torch 2.9
    if precision in ("tf32", "ieee"):
        return bool(precision == "tf32")
    return bool(_setting(lambda: matmul.allow_tf32))


def _setting(read: Callable[[], _T]) -> _T | None:
    """Return a setting of torch, or None: once a setting per operator was changed, torch refuses to tell the older."""
    try:
        return read()
    except RuntimeError:
        return None
