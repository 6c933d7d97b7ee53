"""Apple's GPU through Metal, as far as torch's interface goes: what it cannot tell is absent, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

import torch

from dctbench.errors import UnavailableError, UnsupportedError, text_of
from dctbench.model import NO_DETAILS, ResultDetails
from dctbench.worker.devices import Cache, EnergyCounter, Stopwatch, cpu

SAMPLING: Mapping[str, float] = {"precision": 0.01, "warmup_most": 5.0}
CACHE: Cache = "warm"
_clock = perf_counter
_wait = torch.mps.synchronize


def unavailable(name: str) -> str | None:
    """torch's own word for it."""
    if not torch.backends.mps.is_built():
        return f"{name}: this torch ({torch.__version__}) was built without Metal"
    return None if torch.backends.mps.is_available() else f"{name}: Metal needs macOS 14 on Apple silicon"


def use(name: str) -> None:
    """There is one."""


def synchronize(name: str) -> None:
    """Wait for Metal's queue."""
    _wait()


def stopwatch(name: str, cache: Cache) -> Stopwatch:
    """The wall clock around a call and the wait for Metal's queue, so that it holds one launch's latency too.

    Raises:
        UnsupportedError: for `cold`, since no interface says how large the cache is that would have to be emptied.
    """
    if cache == "cold":
        raise UnsupportedError("the size of the GPU's cache is not known on mps, so it cannot be emptied for certain")
    clock, wait = _clock, _wait

    def seconds(run: Callable[[], object]) -> float:
        wait()
        start = clock()
        run()
        wait()
        return clock() - start

    return seconds


def swept_bytes(name: str) -> int:
    """Nothing is swept."""
    return 0


def watch(name: str, paired: bool = False) -> cpu.Watch:
    """The GPU has no meters that a user may read; what launches its work is the processor, which is watched."""
    return cpu.Watch(paired)


def memory_bytes(name: str) -> int:
    """What Metal recommends to use at most, less what this process's driver holds already, in bytes."""
    return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())


def peak_tensor_bytes(name: str, call: Callable[[], object]) -> int:
    """Not counted.

    Raises:
        UnsupportedError: always: torch.mps has a current figure only, no peak.
    """
    raise UnsupportedError("torch counts no peak on mps")


def process_bytes(name: str, call: Callable[[], object]) -> int:
    """Not counted.

    Raises:
        UnsupportedError: always.
    """
    raise UnsupportedError("no system figure for Metal's memory per process")


def energy_counter(name: str) -> EnergyCounter:
    """None.

    Raises:
        UnavailableError: always: powermetrics needs root.
    """
    raise UnavailableError("macOS shows its energy meters to root only")


def kernel_seconds(name: str, call: Callable[[], object]) -> tuple[float, int] | None:
    """torch's profiler does not time Metal's kernels."""
    return None


def out_of_memory(error: BaseException) -> str | None:
    """Metal's own wording, or the processor's, since the memory is one."""
    text = text_of(error)
    if isinstance(error, RuntimeError) and "MPS backend out of memory" in text:
        return f"out of memory: {text.split('. ', maxsplit=1)[0]}"
    return cpu.out_of_memory(error)


def describe(name: str) -> ResultDetails:
    """Nothing that torch tells."""
    return NO_DETAILS
