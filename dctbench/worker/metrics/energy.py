"""Joules per call: the increase of an energy counter over seconds of calls, less the idle energy of the device.

Counters are coarse (NVML updates its counter about every 100 ms). So a window lasts seconds and begins and ends with an
update of the counter. It is a separate pass, in which nothing else is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

from dctbench.errors import UnsupportedError
from dctbench.worker.devices import EnergyCounter

_clock = monotonic
_sleep = sleep
_TICKS_WAITED = 5


@dataclass(frozen=True, slots=True)
class Windows:
    """Seconds of the idle window and of the window of calls. The pass takes a few ticks and one call longer."""

    idle: float = 1.0
    busy: float = 2.0


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules of one call above idle, the idle power in watts, and the number of calls in the window."""

    joules: float
    idle_watts: float
    calls: int


def measure(
    call: Callable[[int], object],
    synchronize: Callable[[], None],
    counter: EnergyCounter,
    windows: Windows = Windows(),
) -> Energy:
    """Measure the energy of `call(number)`, with increasing numbers.

    Raises:
        UnsupportedError: if the calls used no more energy than an idle device.
    """
    synchronize()
    joules, began = _edge(counter, lambda: _sleep(counter.tick / 50))
    _sleep(windows.idle)
    more, ended = _edge(counter, lambda: _sleep(counter.tick / 50))
    idle_watts = (more - joules) / (ended - began)

    calls = 0

    def work() -> None:
        nonlocal calls
        call(calls)
        synchronize()
        calls += 1

    joules, began = _edge(counter, work)
    calls = 0
    while _clock() - began < windows.busy:
        work()
    more, ended = _edge(counter, work)
    above = (more - joules) - idle_watts * (ended - began)
    if above <= 0:
        raise UnsupportedError(
            f"{calls} calls used no more energy than an idle device ({idle_watts:.1f} W by {counter.source})"
        )
    return Energy(above / calls, idle_watts, calls)


def _edge(counter: EnergyCounter, meanwhile: Callable[[], object]) -> tuple[float, float]:
    """Return the counter right after its next update, and the time; after five ticks without one, its value."""
    first = counter.joules()
    began = _clock()
    while _clock() - began < _TICKS_WAITED * counter.tick:
        meanwhile()
        now = counter.joules()
        if now != first:
            return now, _clock()
    return counter.joules(), _clock()
