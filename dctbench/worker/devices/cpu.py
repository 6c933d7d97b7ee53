"""The processor, through torch."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import torch

from dctbench.errors import UnavailableError, text_of
from dctbench.machine import cgroup, contention, host, power_meters
from dctbench.machine.energy import Meter, NoEnergyError
from dctbench.model import CaseWarning, ResultDetails, WarningCode
from dctbench.worker.devices import Cache, Conditions, Stopwatch, cpu_memory

SAMPLING: Mapping[str, float] = {}
CACHE: Cache = "warm"
UNKNOWN_CACHE = 64 << 20
_ASKED = re.compile(r"tried to allocate (\d+) bytes")
# Bound before any implementation is imported, so that none can replace the clock.
_clock = perf_counter


def unavailable(name: str) -> str | None:
    """Return None: a CPU is always available."""
    return None


def use(name: str) -> None:
    """Do nothing: there is only one CPU device."""


def synchronize(name: str) -> None:
    """Do nothing: torch's CPU calls return when they are done."""


def stopwatch(name: str, cache: Cache) -> Stopwatch:
    """Return a wall clock; with `cold` it first reads a buffer twice as large as all last-level caches.

    After a write, the call would wait until what was written has left the caches.
    """
    clock = _clock
    if cache == "warm":

        def seconds(run: Callable[[], object]) -> float:
            start = clock()
            run()
            return clock() - start

        return seconds

    buffer, total = torch.ones(swept_bytes(name) // 4), torch.empty(())
    sweep = torch.sum

    def cold_seconds(run: Callable[[], object]) -> float:
        sweep(buffer, dim=0, out=total)  # with all threads, which also empties the caches of each core
        start = clock()
        run()
        return clock() - start

    return cold_seconds


def swept_bytes(name: str) -> int:
    """Return twice the size of the last-level caches of all cores."""
    return 2 * (host.last_level_cache_bytes() or UNKNOWN_CACHE)


class Watch:
    """Watches other processes, time that the hypervisor or a CPU quota takes, and the frequency governor.

    In a pair of processes that take turns it ignores other processes: the kernel's counters do not separate the
    partner from unrelated processes, and the latter affect both partners alike.
    """

    def __init__(self, paired: bool = False) -> None:
        self._paired = paired
        self._neighbours = contention.Neighbours()
        self._quota = cgroup.cpu_quota()
        self._throttling = cgroup.throttling()

    def disturbed(self) -> str | None:
        """Return None: samples beside a busy process are kept, since it is likely to disturb the next one too."""
        return None

    def conditions(self) -> Conditions:
        """Return warnings about load, CPU quota and governor, and the measured load."""
        usage = self._neighbours.usage()
        warnings = []
        if usage is not None and not self._paired and usage.cores >= contention.NOTICED_CORES:
            names = list(contention.running())  # measuring the share of each would take time
            values = {"cores": round(usage.cores, 2), "of_cores": usage.of_cores, "names": names}
            warnings.append(CaseWarning(WarningCode.OTHER_PROCESSES, values))
        if usage is not None and usage.stolen >= contention.NOTICED_STOLEN:
            warnings.append(CaseWarning(WarningCode.STOLEN_TIME, {"share": round(usage.stolen, 3)}))
        throttled = cgroup.worst_throttling(cgroup.throttling(), self._throttling)
        if self._quota is not None and throttled is not None and throttled.stopped:
            values = {
                "periods": throttled.periods,
                "stopped": throttled.stopped,
                "seconds": round(throttled.seconds, 4),
            }
            warnings.append(CaseWarning(WarningCode.CPU_THROTTLED, {**values, "quota": round(self._quota, 2)}))
        governor = host.governor()
        if governor not in (None, "performance"):
            warnings.append(CaseWarning(WarningCode.GOVERNOR, {"governor": governor}))
        if usage is None:
            return Conditions(tuple(warnings))
        others = None if self._paired else round(usage.cores, 2)  # the other process of a pair is no disturbance
        return Conditions(tuple(warnings), ResultDetails(others_cores=others, stolen=round(usage.stolen, 3)))


def watch(name: str, paired: bool = False) -> Watch:
    """Start to watch the machine."""
    return Watch(paired)


def memory_bytes(name: str) -> int:
    """Return the bytes that are free on this machine and within the container's limits; no bound if none is known."""
    free = host.memory_available()
    return sys.maxsize if free is None else free


def peak_tensor_bytes(name: str, call: Callable[[], object]) -> int:
    """Return the peak of the allocator's running sum, exact to the byte."""
    return cpu_memory.peak_tensor_bytes(call)


def process_bytes(name: str, call: Callable[[], object]) -> int:
    """Return by how much the resident set grew during `call` at most.

    Raises:
        UnsupportedError: outside Linux, and for a growth under 8 MiB, which page accounting does not resolve.
    """
    return cpu_memory.resident_growth_bytes(call)


def energy_counter(name: str) -> Meter:
    """Return the meter of this machine: RAPL, a power sensor, or a battery. Each includes other processes.

    Raises:
        UnavailableError: without a readable one.
    """
    try:
        return power_meters.find()
    except NoEnergyError as error:
        raise UnavailableError(error.message, hint=error.hint) from None


def queued_seconds(
    name: str, prepare: Callable[[int], Any], call: Callable[[Any], object], cache: Cache
) -> list[float] | None:
    """Return None: a call on the CPU is not launched."""
    return None


def kernel_seconds(name: str, call: Callable[[], object], cache: Cache) -> tuple[float, int] | None:
    """Return None: on the CPU a call runs its kernels itself."""
    return None


def out_of_memory(error: BaseException) -> str | None:
    """Recognise a failed allocation by its text, since torch raises a plain RuntimeError for it."""
    if isinstance(error, MemoryError):
        return "out of memory in Python"
    text = text_of(error)
    asked = _ASKED.search(text)
    if isinstance(error, RuntimeError) and ("can't allocate memory" in text or asked):
        return f"out of memory: one tensor of {int(asked[1]):,} bytes" if asked else "out of memory"
    return None


def tf32_products(name: str) -> bool:
    """Return False: only NVIDIA's GPUs have TF32."""
    return False


def describe(name: str) -> ResultDetails:
    """Return the instruction set that torch's kernels use."""
    return ResultDetails(cpu_capability=torch.backends.cpu.get_cpu_capability())
