"""Times of a call on an NVIDIA GPU: its span, the same with its launches queued ahead, and its kernels alone.

The *span* is what users wait for: the time between two events on the stream of an idle device. It includes gaps in
which the GPU waits for the host to launch the next kernel, so the span of a small call is a time of the host. The
*queued* time has no such gaps, because the GPU is kept busy until every launch of the call is queued. *Kernel time* is
the sum over kernels. All three begin with the same state of the L2 cache.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch

from dctbench.errors import DctbenchError, UnavailableError, UnsupportedError
from dctbench.machine import nvml
from dctbench.worker.devices import Cache, Stopwatch

_LATE = 100e-6
_LATE_CALLS = 3
_LATE_SHARE = 1 / 4
"""So many late calls, and such a share of all calls.

A host is delayed between two readings of its clock only now and then.
"""
_UNKNOWN_L2 = 128 << 20
_PROFILED_CALLS = 3
QUEUED_CALLS = 15
_SPINS = 8
"""How often the GPU is kept busy for twice as long, until the launches of a call are queued in that time."""
_LEAST_SPIN = 1e-3
_MOST_SPIN = 1.0
_CYCLES_PER_SECOND = 2e9
"""Of the SM clock, at most: a lower clock makes the spin longer than planned, which does no harm."""
# Bound before any implementation is imported, so that none can replace them.
_Event = torch.cuda.Event
_wait = torch.cuda.synchronize
_stream = torch.cuda.current_stream
_spin: Callable[[int], object] = torch.cuda._sleep
_sum = torch.sum
_clock = perf_counter


class EscapedWorkError(DctbenchError):
    """The implementation left work running on a stream that the timed one does not wait for."""


def swept_bytes(name: str) -> int:
    """Return twice the size of the L2 cache."""
    size = getattr(torch.cuda.get_device_properties(nvml.parse_index(name)), "L2_cache_size", 0)
    return 2 * (int(size) or _UNKNOWN_L2)


def sweep(name: str, cache: Cache) -> Callable[[], object]:
    """Return what empties the L2 cache before a call, or does nothing for a warm cache.

    It reads a buffer. If it wrote one, the call would wait until the modified lines are written back to memory.
    """
    if cache == "warm":
        return lambda: None
    device = f"cuda:{nvml.parse_index(name)}"
    buffer = torch.ones(swept_bytes(name) // 4, device=device)
    total = torch.empty((), device=device)
    return lambda: _sum(buffer, dim=0, out=total)


def stopwatch(name: str, cache: Cache) -> Stopwatch:
    """Return a stopwatch that measures the span of a call, and of what it leaves running on other streams.

    Raises:
        EscapedWorkError: by the stopwatch, if a quarter of the calls so far, and at least three, were late: work on
            another stream was running for more than 0.1 ms after their own stream was done.
    """
    index = nvml.parse_index(name)
    start, end = _Event(enable_timing=True), _Event(enable_timing=True)
    empty = sweep(name, cache)
    wait, clock, current = _wait, _clock, _stream
    calls = late_calls = 0

    def seconds(run: Callable[[], object]) -> float:
        nonlocal calls, late_calls
        stream = current(index)
        empty()
        wait(index)  # also for the sweep: launches hidden behind it would not be in the span
        start.record(stream)
        run()
        end.record(stream)
        end.synchronize()
        ended = clock()
        wait(index)
        late = clock() - ended
        took = float(start.elapsed_time(end)) * 1e-3
        calls += 1
        if late <= _LATE:
            return took
        late_calls += 1
        if late_calls >= max(_LATE_CALLS, _LATE_SHARE * calls):
            raise EscapedWorkError(
                f"{late * 1e3:.2f} ms of work on another stream were still running after the call's own had ended"
            )
        return took + late

    return seconds


def queued_seconds(
    name: str, prepare: Callable[[int], Any], call: Callable[[Any], object], cache: Cache, calls: int = QUEUED_CALLS
) -> list[float]:
    """Return the seconds of calls whose launches were all queued before the first kernel started.

    Args:
        name: the device.
        prepare: makes what call `number` needs; not timed.
        call: the timed call.
        cache: what the L2 cache holds when a call begins.
        calls: how many calls are timed.

    Raises:
        UnsupportedError: for a call that waits for the GPU, or takes longer to launch than the GPU can be kept busy.
    """
    index = nvml.parse_index(name)
    stream = _stream(index)
    start, end = _Event(enable_timing=True), _Event(enable_timing=True)
    empty = sweep(name, cache)
    prepared = prepare(0)
    _wait(index)
    began = _clock()
    call(prepared)
    busy = max(_LEAST_SPIN, 2 * (_clock() - began))
    samples: list[float] = []
    retries = 0
    while len(samples) < calls:
        prepared = prepare(len(samples))
        empty()
        _wait(index)
        _spin(int(min(busy, _MOST_SPIN) * _CYCLES_PER_SECOND))
        start.record(stream)
        call(prepared)
        end.record(stream)
        hidden = not start.query()
        end.synchronize()
        if hidden:
            samples.append(float(start.elapsed_time(end)) * 1e-3)
            continue
        retries += 1
        if retries > _SPINS or busy > _MOST_SPIN:
            raise UnsupportedError("its launches cannot be queued ahead: it waits for the GPU, or launches too long")
        busy *= 2
    return samples


def kernels(name: str, call: Callable[[], object], cache: Cache) -> list[tuple[str, float]]:
    """Return the names and seconds of the kernels and copies of one call, by torch's profiler, in their order.

    Raises:
        UnavailableError: if the profiler records no kernel.
    """
    from torch.profiler import ProfilerActivity, profile

    index = nvml.parse_index(name)
    sweep(name, cache)()
    _wait(index)  # before the profile begins, so that the sweep is not in it
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        call()
        _wait(index)
    found = [
        event
        for event in profiled.events() or ()
        if event.device_type.name == "CUDA" and not getattr(event, "is_user_annotation", False)
    ]
    if not found:
        raise UnavailableError("the profiler saw no kernel: another tool may hold the GPU's counters (CUPTI)")
    found.sort(key=lambda event: event.time_range.start)
    return [(event.name, event.time_range.elapsed_us() * 1e-6) for event in found]


def kernel_seconds(name: str, call: Callable[[], object], cache: Cache) -> tuple[float, int] | None:
    """Return total seconds and number of the kernels and copies of one call, without gaps, the median of three.

    Raises:
        UnavailableError: if the profiler records no kernel.
    """
    call()
    seen = sorted(
        ((sum(seconds for _, seconds in found), len(found)) for found in
         (kernels(name, call, cache) for _ in range(_PROFILED_CALLS))),
    )  # fmt: skip
    return seen[len(seen) // 2]
