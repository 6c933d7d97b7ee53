"""How long one call takes: warm-up to steadiness, then samples until their median is known well enough.

The clock is bound when this module is imported, before any implementation is, so that code under test cannot
replace it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from dctbench.stats import median_interval

_clock = perf_counter


@dataclass(frozen=True, slots=True)
class Sampling:
    """When to stop.

    Seconds throughout: `warmup_least` and `warmup_most` bound the warm-up, `sample_least` is the least duration of
    one sample (shorter calls are repeated inside it, `calls_most` times at most), `budget` the time after which a
    case with enough samples ends. `precision` is the relative half width of the median's 95% interval that is enough.
    """

    warmup_least: float = 0.2
    warmup_most: float = 1.0
    warmup_calls: int = 3
    steadiness: float = 0.02
    sample_least: float = 1e-3
    calls_most: int = 1000
    samples_least: int = 20
    samples_most: int = 1000
    precision: float = 0.025
    budget: float = 2.0


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds per call in the order taken, and why sampling stopped: `precise`, `budget` or `count`."""

    seconds: tuple[float, ...]
    calls_per_sample: int
    warmup_calls: int
    stop_reason: str


def measure(
    prepare: Callable[[int], Any],
    call: Callable[[Any], object],
    synchronize: Callable[[], None],
    sampling: Sampling,
) -> Samples:
    """Samples of `call(prepare(number))`, of which only `call` is timed; calls are numbered through."""
    timer = _Timer(prepare, call, synchronize)
    per_call = _warm_up(timer, sampling)
    inner = 1
    if per_call < sampling.sample_least:
        inner = min(sampling.calls_most, max(1, round(sampling.sample_least / per_call + 0.5)))
    warmup_calls = timer.calls
    seconds: list[float] = []
    spent = 0.0
    reason = "count"
    while len(seconds) < sampling.samples_most:
        took = timer.time(inner)
        spent += took
        seconds.append(took / inner)
        if len(seconds) < sampling.samples_least:
            continue
        if spent >= sampling.budget:
            reason = "budget"
            break
        # A check costs a sort: every fifth sample is soon enough.
        if len(seconds) % 5 == 0 and median_interval(seconds).relative_half_width <= sampling.precision:
            reason = "precise"
            break
    return Samples(tuple(seconds), inner, warmup_calls, reason)


class _Timer:
    """Times blocks of calls, numbering the calls through."""

    def __init__(
        self, prepare: Callable[[int], Any], call: Callable[[Any], object], synchronize: Callable[[], None]
    ) -> None:
        self.prepare = prepare
        self.call = call
        self.synchronize = synchronize
        self.calls = 0

    def time(self, calls: int) -> float:
        """Seconds that `calls` calls take together."""
        call, synchronize = self.call, self.synchronize
        prepared = [self.prepare(number) for number in range(self.calls, self.calls + calls)]
        synchronize()
        start = _clock()
        for one in prepared:
            call(one)
        synchronize()
        took = _clock() - start
        self.calls += calls
        return took


def _warm_up(timer: _Timer, sampling: Sampling) -> float:
    """Call until two successive windows' medians agree within `steadiness`; returns seconds per call."""
    seconds: list[float] = []
    total = 0.0
    previous: float | None = None
    window: list[float] = []
    while True:
        took = timer.time(1)
        seconds.append(took)
        window.append(took)
        total += took
        if total >= sampling.warmup_most and len(seconds) >= sampling.warmup_calls:
            break
        if len(window) < 3 or sum(window) < sampling.warmup_least / 4:
            continue
        current = statistics.median(window)
        steady = previous is not None and abs(current - previous) <= sampling.steadiness * previous
        if steady and total >= sampling.warmup_least:
            break
        previous, window = current, []
    return statistics.median(seconds[-10:])
