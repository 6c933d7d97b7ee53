"""Joules per call: what a counter rose by over seconds of calls, less what the idle device would have used anyway.

Counters are coarse (NVML's moves about every 100 ms), so a window is seconds long, begins and ends where the counter
moves, and is a pass of its own: nothing else is measured in it.
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
    """Seconds of the idle baseline and of the calls; together they bound the pass, one call and a few ticks aside."""

    idle: float = 1.0
    busy: float = 2.0


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules of one call above idle, the idle power in watts, and how many calls the window held."""

    joules: float
    idle_watts: float
    calls: int


def measure(
    call: Callable[[int], object],
    synchronize: Callable[[], None],
    counter: EnergyCounter,
    windows: Windows = Windows(),
) -> Energy:
    """Energy of `call(number)`, with numbers counting up.

    Raises:
        UnsupportedError: when the window rose by no more than idling does, so that there is nothing to tell.
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
        raise UnsupportedError(f"{calls} calls used no more than idling does ({idle_watts:.1f} W by {counter.source})")
    return Energy(above / calls, idle_watts, calls)


def _edge(counter: EnergyCounter, meanwhile: Callable[[], object]) -> tuple[float, float]:
    """The counter just after it moved, and when; after five ticks without a move, as it stands."""
    first = counter.joules()
    began = _clock()
    while _clock() - began < _TICKS_WAITED * counter.tick:
        meanwhile()
        now = counter.joules()
        if now != first:
            return now, _clock()
    return counter.joules(), _clock()
