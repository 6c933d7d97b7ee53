"""How long one call takes: warm-up to steadiness, then samples until their median is known well enough.

The device gives the stopwatch, so that nothing here knows what a second is measured with. It is made before any
implementation is imported: code under test cannot replace it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from dctbench.errors import DctbenchError
from dctbench.model import CaseWarning, WarningCode
from dctbench.stats.robust import median_interval, quantile
from dctbench.worker.devices import Stopwatch

_EVERY_CHECK_UNTIL = 20
_SETTLED_CHECKS = 8


class ImplausibleError(DctbenchError):
    """A time that no call can have taken."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """When to stop.

    Seconds throughout: `warmup_least` and `warmup_most` bound the warm-up, `sample_least` is the least duration of
    one sample (shorter calls are repeated inside it, `calls_most` times at most), `budget` the time after which a
    case with enough samples ends. `precision` is the relative half width of the median's 95% interval that is enough.
    Noise has settled when the relative interquartile range has stayed within `settled` of itself over eight checks:
    what more samples would say is then known. A disturbed sample is taken again `retakes` times at most.

    With `turns`, sampling is cut into that many blocks of at least `turn_seconds`, with `samples_least` over all of
    them, and before each the turn is asked for: two processes that take turns see the same moments of the machine.
    Nothing else ends it then.
    """

    warmup_least: float = 0.2
    warmup_most: float = 1.0
    warmup_calls: int = 3
    stability: float = 0.02
    sample_least: float = 1e-3
    calls_most: int = 1000
    samples_least: int = 20
    samples_most: int = 1000
    precision: float = 0.025
    settled: float = 0.05
    budget: float = 2.0
    retakes: int = 3
    turns: int = 0
    turn_seconds: float = 0.008


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds per call in the order taken, and why sampling stopped: `precise`, `settled`, `budget`, `count`, `turns`.

    `retaken` holds the samples that were taken again, which enter no statistic; `noisy` why that did not help;
    `turns` how many samples belong to each turn.
    """

    seconds: tuple[float, ...]
    calls_per_sample: int
    warmup_calls: int
    stop_reason: str
    retaken: tuple[float, ...] = ()
    noisy: str | None = None
    turns: tuple[int, ...] = ()


class Timer:
    """Times blocks of `call(prepare(number))`, of which only `call` is timed; calls are numbered through.

    `clock` gives seconds that go by, with what is not timed: preparing, and emptying a cache before a call.
    """

    def __init__(
        self,
        prepare: Callable[[int], Any],
        call: Callable[[Any], object],
        stopwatch: Stopwatch,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._prepare = prepare
        self._call = call
        self._stopwatch = stopwatch
        self.clock = clock
        self.calls = 0

    def time(self, calls: int) -> float:
        """Seconds that `calls` calls take together.

        Raises:
            ImplausibleError: for none.
        """
        call, prepared = self._call, self._ready(calls)

        def run() -> None:
            for one in prepared:
                call(one)

        seconds = self._stopwatch(run)
        if seconds <= 0:
            raise ImplausibleError(f"implausible: {calls} call(s) in {seconds:g} s")
        return seconds

    def output(self, calls: int) -> tuple[int, object]:
        """The number of the last call of one more block, timed as every other, and what that call returned.

        Timed blocks drop what calls return, as users' loops do; this one keeps it, and the code under test cannot
        tell that it is the one.
        """
        call, prepared = self._call, self._ready(calls)
        kept: list[object] = [None]

        def run() -> None:
            for one in prepared:
                kept[0] = call(one)

        self._stopwatch(run)
        return self.calls - 1, kept[0]

    def _ready(self, calls: int) -> list[Any]:
        numbers = range(self.calls, self.calls + calls)
        self.calls += calls
        return [self._prepare(number) for number in numbers]


def measure(
    timer: Timer,
    sampling: Sampling,
    disturbed: Callable[[], str | None] = lambda: None,
    turn: Callable[[], None] = lambda: None,
) -> Samples:
    """Warm up, then take samples.

    Args:
        timer: of the call.
        sampling: when to stop.
        disturbed: asked after each sample whether to take it again.
        turn: returns when it is this process's turn; called with `sampling.turns` only.
    """
    per_call = _warm_up(timer, sampling)
    inner = 1
    if per_call < sampling.sample_least:
        inner = max(1, min(sampling.calls_most, round(sampling.sample_least / per_call + 0.5)))
    warmup_calls = timer.calls
    if sampling.turns:
        return _in_turns(timer, sampling, inner, per_call, turn)
    seconds: list[float] = []
    retaken: list[float] = []
    spreads: list[float] = []
    noisy: str | None = None
    tries, began = 0, timer.clock()
    reason = "count"
    while len(seconds) < sampling.samples_most:
        took = timer.time(inner)
        trouble = None if noisy else disturbed()
        if trouble and tries < sampling.retakes:
            tries += 1
            retaken.append(took / inner)
            continue
        if trouble:
            noisy = f"{trouble}, after {tries} retakes too"
        tries = 0
        seconds.append(took / inner)
        if len(seconds) < sampling.samples_least:
            continue
        if timer.clock() - began >= sampling.budget:
            reason = "budget"
            break
        # A check costs a sort: once there are many samples, every fifth is soon enough.
        if len(seconds) > _EVERY_CHECK_UNTIL and len(seconds) % 5:
            continue
        if median_interval(seconds).relative_half_width <= sampling.precision:
            reason = "precise"
            break
        spreads.append(spread(seconds))
        if _settled(spreads, sampling.settled):
            reason = "settled"
            break
    return Samples(tuple(seconds), inner, warmup_calls, reason, tuple(retaken), noisy)


def _in_turns(timer: Timer, sampling: Sampling, inner: int, per_call: float, turn: Callable[[], None]) -> Samples:
    """Blocks of samples, one per turn. A disturbed block is not taken again: the other process's has passed."""
    warmup_calls = timer.calls
    least = -(-sampling.samples_least // sampling.turns)
    seconds: list[float] = []
    counts: list[int] = []
    for _ in range(sampling.turns):
        turn()
        if per_call < sampling.turn_seconds:  # a longer call soon has back the caches that the other process has had
            timer.time(1)
        spent, before = 0.0, len(seconds)
        while spent < sampling.turn_seconds or len(seconds) - before < least:
            took = timer.time(inner)
            spent += took
            seconds.append(took / inner)
        counts.append(len(seconds) - before)
    turn()  # what comes after the last block waits, so that it does not part the other's last block from this one
    return Samples(tuple(seconds), inner, warmup_calls, "turns", turns=tuple(counts))


def spread(seconds: tuple[float, ...] | list[float]) -> float:
    """The interquartile range as a share of the median."""
    return (quantile(seconds, 0.75) - quantile(seconds, 0.25)) / statistics.median(seconds)


def drift(seconds: tuple[float, ...] | list[float]) -> float:
    """How much slower the last third was than the first, by medians; 0.1 reads 10% slower. 0 under 12 samples."""
    third = len(seconds) // 3
    return statistics.median(seconds[-third:]) / statistics.median(seconds[:third]) - 1 if third >= 4 else 0.0


def warnings(samples: Samples) -> list[CaseWarning]:
    """What a reader of the figures should know about them."""
    found = []
    wide, moved = spread(samples.seconds), drift(samples.seconds)
    if len(samples.seconds) >= 5 and wide > 0.1:
        found.append(CaseWarning(WarningCode.SPREAD, {"spread": round(wide, 4)}))
    if abs(moved) > max(0.05, wide):
        found.append(CaseWarning(WarningCode.DRIFT, {"drift": round(moved, 4)}))
    if samples.noisy:
        found.append(CaseWarning(WarningCode.DISTURBED, {"reason": samples.noisy}))
    return found


def _settled(spreads: list[float], within: float) -> bool:
    last = spreads[-_SETTLED_CHECKS:]
    return len(last) == _SETTLED_CHECKS and max(last) - min(last) <= within * statistics.fmean(last)


def _warm_up(timer: Timer, sampling: Sampling) -> float:
    """Call until two successive windows' medians agree within `stability`; returns seconds per call.

    It is the calls that warm up, and they must take `warmup_least`; what goes by between them counts for the end.
    """
    seconds: list[float] = []
    total, began = 0.0, timer.clock()
    previous: float | None = None
    window: list[float] = []
    while True:
        took = timer.time(1)
        seconds.append(took)
        window.append(took)
        total += took
        if timer.clock() - began >= sampling.warmup_most and len(seconds) >= sampling.warmup_calls:
            break
        if len(window) < 3 or sum(window) < sampling.warmup_least / 4:
            continue
        current = statistics.median(window)
        steady = previous is not None and abs(current - previous) <= sampling.stability * previous
        if steady and total >= sampling.warmup_least:
            break
        previous, window = current, []
    return statistics.median(seconds[-10:])
