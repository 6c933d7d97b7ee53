"""Apple's GPU through Metal. Values that torch does not report are absent, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import torch

from dctbench.errors import UnavailableError, UnsupportedError, text_of
from dctbench.machine.energy import Meter
from dctbench.model import NO_DETAILS, ResultDetails
from dctbench.worker.devices import Cache, Stopwatch, cpu

SAMPLING: Mapping[str, float] = {"precision": 0.01, "warmup_most": 5.0}
CACHE: Cache = "warm"
_clock = perf_counter
_wait = torch.mps.synchronize


def unavailable(name: str) -> str | None:
    """Return why torch in this process cannot use Metal, or None."""
    if not torch.backends.mps.is_built():
        return f"{name}: this torch ({torch.__version__}) was built without Metal"
    return None if torch.backends.mps.is_available() else f"{name}: Metal needs macOS 14 on Apple silicon"


def use(name: str) -> None:
    """Do nothing: there is only one such device."""


def synchronize(name: str) -> None:
    """Wait for Metal's queue."""
    _wait()


def stopwatch(name: str, cache: Cache) -> Stopwatch:
    """Return a wall clock around a call and the wait for Metal's queue, which includes the latency of a launch.

    Raises:
        UnsupportedError: for `cold`, since the size of the cache to empty is not known.
    """
    if cache == "cold":
        raise UnsupportedError("the size of the GPU's cache is not known on mps, so it cannot be emptied reliably")
    clock, wait = _clock, _wait

    def seconds(run: Callable[[], object]) -> float:
        wait()
        start = clock()
        run()
        wait()
        return clock() - start

    return seconds


def swept_bytes(name: str) -> int:
    """Return 0: the cache is never emptied."""
    return 0


def watch(name: str, paired: bool = False) -> cpu.Watch:
    """Start to watch the CPU, which launches the work; the GPU has no sensors that a user may read."""
    return cpu.Watch(paired)


def memory_bytes(name: str) -> int:
    """Return the bytes that Metal recommends as a maximum, less those that this process already holds."""
    return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())


def peak_tensor_bytes(name: str, call: Callable[[], object]) -> int:
    """Not supported.

    Raises:
        UnsupportedError: always, since torch.mps reports current use only and no peak.
    """
    raise UnsupportedError("torch counts no peak on mps")


def process_bytes(name: str, call: Callable[[], object]) -> int:
    """Not supported.

    Raises:
        UnsupportedError: always, since the system has no such figure per process.
    """
    raise UnsupportedError("no system figure for Metal's memory per process")


def energy_counter(name: str) -> Meter:
    """Not available.

    Raises:
        UnavailableError: always, since powermetrics needs root.
    """
    raise UnavailableError("macOS shows its energy meters to root only")


def queued_seconds(
    name: str, prepare: Callable[[int], Any], call: Callable[[Any], object], cache: Cache
) -> list[float] | None:
    """Return None: torch cannot keep Metal's queue busy meanwhile."""
    return None


def kernel_seconds(name: str, call: Callable[[], object], cache: Cache) -> tuple[float, int] | None:
    """Return None: torch's profiler does not time Metal's kernels."""
    return None


def out_of_memory(error: BaseException) -> str | None:
    """Recognise Metal's text, and those of the CPU, since they share the memory."""
    text = text_of(error)
    if isinstance(error, RuntimeError) and "MPS backend out of memory" in text:
        return f"out of memory: {text.split('. ', maxsplit=1)[0]}"
    return cpu.out_of_memory(error)


def tf32_products(name: str) -> bool:
    """Return False: only NVIDIA's GPUs have TF32."""
    return False


def describe(name: str) -> ResultDetails:
    """Return no details: torch reports no properties."""
    return NO_DETAILS
