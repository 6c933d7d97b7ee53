"""The processor, through torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from time import perf_counter

import psutil
import torch

from dctbench.errors import text_of
from dctbench.machine import contention, host
from dctbench.model import CaseWarning, ResultDetails, WarningCode
from dctbench.worker.devices import Cache, Conditions, EnergyCounter, Stopwatch, cpu_memory
from dctbench.worker.devices.rapl import Rapl

SAMPLING: Mapping[str, float] = {}
CACHE: Cache = "warm"
UNKNOWN_CACHE = 64 << 20
_ASKED = re.compile(r"tried to allocate (\d+) bytes")
# Bound before any implementation is imported, so that none can put its own clock in place of this one.
_clock = perf_counter


def unavailable(name: str) -> str | None:
    """There is always a processor."""
    return None


def use(name: str) -> None:
    """Nothing to choose."""


def synchronize(name: str) -> None:
    """Nothing to wait for: torch's CPU calls return when they are done."""


def stopwatch(name: str, cache: Cache) -> Stopwatch:
    """The wall clock around a call; `cold` first writes a buffer twice as large as the last-level caches together."""
    clock = _clock
    if cache == "warm":

        def seconds(run: Callable[[], object]) -> float:
            start = clock()
            run()
            return clock() - start

        return seconds

    buffer = torch.zeros(swept_bytes(name) // 8, dtype=torch.int64)
    sweep = buffer.add_

    def cold_seconds(run: Callable[[], object]) -> float:
        sweep(1)  # by all threads, so that each core's own caches are emptied too
        start = clock()
        run()
        return clock() - start

    return cold_seconds


def swept_bytes(name: str) -> int:
    """Twice the last-level caches of all cores."""
    return 2 * (host.last_level_cache_bytes() or UNKNOWN_CACHE)


class Watch:
    """Other processes, time that a hypervisor took, and the frequency governor.

    Of a pair that takes turns it says nothing of other processes: the kernel's counters do not tell the other of the
    pair from a stranger, and what a stranger does befalls both.
    """

    def __init__(self, paired: bool = False) -> None:
        self._paired = paired
        self._neighbours = contention.Neighbours()

    def disturbed(self) -> str | None:
        """Samples beside a neighbour are kept: it will most likely be there for the next try too."""
        return None

    def conditions(self) -> Conditions:
        """Warnings about neighbours and governor; what the neighbours used."""
        usage = self._neighbours.usage()
        warnings = []
        if usage is not None and not self._paired and usage.cores >= contention.NOTICED_CORES:
            names = list(contention.running())  # a share of each would take a wait
            values = {"cores": round(usage.cores, 2), "of_cores": usage.of_cores, "names": names}
            warnings.append(CaseWarning(WarningCode.OTHER_PROCESSES, values))
        if usage is not None and usage.stolen >= contention.NOTICED_STOLEN:
            warnings.append(CaseWarning(WarningCode.STOLEN_TIME, {"share": round(usage.stolen, 3)}))
        governor = host.governor()
        if governor not in (None, "performance"):
            warnings.append(CaseWarning(WarningCode.GOVERNOR, {"governor": governor}))
        if usage is None:
            return Conditions(tuple(warnings))
        others = None if self._paired else round(usage.cores, 2)  # the other process of a pair is no disturbance
        return Conditions(tuple(warnings), ResultDetails(others_cores=others, stolen=round(usage.stolen, 3)))


def watch(name: str, paired: bool = False) -> Watch:
    """Watches the machine from now on."""
    return Watch(paired)


def memory_bytes(name: str) -> int:
    """Memory that is free on this machine and inside the container's limits, in bytes."""
    free = int(psutil.virtual_memory().available)
    inside = host.memory_available()
    return free if inside is None else min(free, inside)


def peak_tensor_bytes(name: str, call: Callable[[], object]) -> int:
    """The peak of the allocator's running sum, exact to the byte."""
    return cpu_memory.peak_tensor_bytes(call)


def process_bytes(name: str, call: Callable[[], object]) -> int:
    """By how much the resident set grew during `call` at most.

    Raises:
        UnsupportedError: outside Linux, and for a growth under 8 MiB, which page accounting does not resolve.
    """
    return cpu_memory.resident_growth_bytes(call)


def energy_counter(name: str) -> EnergyCounter:
    """RAPL, which counts the whole package, other processes included.

    Raises:
        UnavailableError: without readable counters.
    """
    return Rapl.find()


def kernel_seconds(name: str, call: Callable[[], object]) -> tuple[float, int] | None:
    """A call on the processor is its own kernels."""
    return None


def out_of_memory(error: BaseException) -> str | None:
    """torch raises a plain RuntimeError when the allocator fails; its text is all there is to tell it by."""
    if isinstance(error, MemoryError):
        return "out of memory in Python"
    text = text_of(error)
    asked = _ASKED.search(text)
    if isinstance(error, RuntimeError) and ("can't allocate memory" in text or asked):
        return f"out of memory: one tensor of {int(asked[1]):,} bytes" if asked else "out of memory"
    return None


def describe(name: str) -> ResultDetails:
    """The instruction set that torch's kernels use here."""
    return ResultDetails(cpu_capability=torch.backends.cpu.get_cpu_capability())
