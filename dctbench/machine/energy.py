"""Joules per call: the increase of an energy meter over seconds of calls, less the idle energy of the device.

Meters are coarse (NVML updates its counter about every 100 ms). So a window lasts seconds and begins and ends with an
update of the meter. It is a separate pass, in which nothing else is measured.

This module imports nothing but the standard library, and runs under Python 3.9: a bundle carries a copy of it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from time import monotonic, sleep
from typing import NamedTuple, Protocol

_clock = monotonic
_sleep = sleep
_TICKS_WAITED = 5
_EDGES = 4
"""Updates of the meter that a pass waits for: each of its two windows begins and ends with one."""
_LONGEST_SLEEP = 0.5
"""Seconds. An idle pass says that it is alive at least so often."""


class NoEnergyError(Exception):
    """No energy could be measured. `hint` is a remedy, or None."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Windows(NamedTuple):
    """Seconds of the idle window and of the window of calls. The pass takes a few ticks and one call longer."""

    idle: float = 1.0
    busy: float = 2.0


class Meter(Protocol):
    """An energy meter that only increases. `source` is its name, `tick` the seconds between its updates."""

    source: str
    tick: float
    windows: Windows

    def joules(self) -> float:
        """Return the joules since a fixed moment.

        Raises:
            NoEnergyError: if it stopped answering.
        """

    def close(self) -> None:
        """End what it does between readings."""


class Energy(NamedTuple):
    """Joules of one call above idle, the idle power in watts, the number of calls in the window, and seconds of one."""

    joules: float
    idle_watts: float
    calls: int
    seconds: float


def most_seconds(meter: Meter) -> float:
    """Return the seconds within which a pass with this meter ends, beside its last calls, if the meter is updated."""
    return sum(meter.windows) + _EDGES * meter.tick


def measure(
    call: Callable[[int], object],
    synchronize: Callable[[], None],
    meter: Meter,
    alive: Callable[[], object] = lambda: None,
) -> Energy:
    """Measure the energy of `call(number)`, with increasing numbers.

    Args:
        call: to be measured.
        synchronize: waits until the device has done its calls.
        meter: of the device. It is closed.
        alive: called many times a second, to say that the pass makes progress.

    Raises:
        NoEnergyError: if the calls used no more energy than an idle device, or the meter stopped answering.
    """
    try:
        return _above_idle(call, synchronize, meter, alive)
    finally:
        meter.close()


def _above_idle(
    call: Callable[[int], object], synchronize: Callable[[], None], meter: Meter, alive: Callable[[], object]
) -> Energy:
    windows = meter.windows

    def rest() -> None:
        _sleep(meter.tick / 50)
        alive()

    synchronize()
    joules, began = _edge(meter, rest)
    naps = max(1, ceil(windows.idle / _LONGEST_SLEEP))
    for _ in range(naps):
        _sleep(windows.idle / naps)
        alive()
    more, ended = _edge(meter, rest)
    idle_watts = (more - joules) / (ended - began)

    calls = 0

    def work() -> None:
        nonlocal calls
        call(calls)
        synchronize()
        calls += 1
        alive()

    joules, began = _edge(meter, work)
    calls = 0
    while _clock() - began < windows.busy:
        work()
    more, ended = _edge(meter, work)
    above = (more - joules) - idle_watts * (ended - began)
    if above <= 0:
        raise NoEnergyError(
            f"{calls} calls used no more energy than an idle device ({idle_watts:.1f} W by {meter.source})"
        )
    return Energy(above / calls, idle_watts, calls, (ended - began) / calls)


def _edge(meter: Meter, meanwhile: Callable[[], object]) -> tuple[float, float]:
    """Return the meter right after its next update, and the time; after five ticks without one, its value."""
    first = meter.joules()
    began = _clock()
    while _clock() - began < _TICKS_WAITED * meter.tick:
        meanwhile()
        now = meter.joules()
        if now != first:
            return now, _clock()
    return meter.joules(), _clock()
