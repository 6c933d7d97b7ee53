"""The latency of a call: warm up until it is stable, then sample until the median is known precisely enough.

The device provides the stopwatch. It is created before any implementation is imported, so the code under test cannot
replace it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from dctbench.errors import DctbenchError
from dctbench.machine.periodic import RELEASES
from dctbench.model import CaseWarning, WarningCode
from dctbench.stats.robust import median_interval, quantile
from dctbench.worker.devices import Stopwatch

_EVERY_CHECK_UNTIL = 20
_SETTLED_CHECKS = 8


class ImplausibleError(DctbenchError):
    """The measured time is impossible."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The rules that end warm-up and sampling. Times are in seconds.

    `warmup_least` and `warmup_most` bound the warm-up. `sample_least` is the least duration of one sample; shorter
    calls are repeated within it, at most `calls_most` times. Sampling ends after `budget` seconds if there are at least
    `samples_least` samples, or when the relative half width of the median's 95% interval is at most `precision`, or
    when noise has settled: the relative interquartile range has stayed within `settled` of itself over eight checks,
    so further samples would not change it. A disturbed sample is taken again at most `retakes` times.

    With `turns`, sampling consists of that many blocks of at least `turn_seconds`, with `samples_least` samples in
    total, and no other rule ends it. Each block waits for its turn, so two processes that take turns measure under the
    same conditions.

    A case with a schedule then gets at least `releases` calls on it, with raised priority if `priority` is not 0,
    and then a search for the highest rate that it sustains if `search` is not 0.
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
    releases: int = RELEASES
    priority: int = 0
    search: int = 0


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds per call in order, and why sampling stopped: `precise`, `settled`, `budget`, `count` or `turns`.

    `retaken` are the samples that were taken again, which no statistic includes. `noisy` is the reason if taking them
    again did not help. `turns` are the numbers of samples by turn.
    """

    seconds: tuple[float, ...]
    calls_per_sample: int
    warmup_calls: int
    stop_reason: str
    retaken: tuple[float, ...] = ()
    noisy: str | None = None
    turns: tuple[int, ...] = ()


class Timer:
    """Times blocks of `call(prepare(number))` with increasing numbers; only `call` is timed.

    `clock` returns wall-clock seconds, which include preparing a call and emptying the cache before it.
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
        """Return the seconds of `calls` calls together.

        Raises:
            ImplausibleError: if they took no time.
        """
        call, prepared = self._call, self._prepare_next(calls)

        def run() -> None:
            for one in prepared:
                call(one)

        seconds = self._stopwatch(run)
        if seconds <= 0:
            raise ImplausibleError(f"implausible: {calls} call(s) in {seconds:g} s")
        return seconds

    def output(self, calls: int) -> tuple[int, object]:
        """Time one more block, and return the number of its last call with the output of that call.

        Other timed blocks drop the outputs, as users' loops do. The code under test cannot distinguish this block.
        """
        call, prepared = self._call, self._prepare_next(calls)
        kept: list[object] = [None]

        def run() -> None:
            for one in prepared:
                kept[0] = call(one)

        self._stopwatch(run)
        return self.calls - 1, kept[0]

    def _prepare_next(self, calls: int) -> list[Any]:
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
        timer: the timer of the call.
        sampling: the rules that end warm-up and sampling.
        disturbed: called after each sample; returns why to take it again, or None.
        turn: returns when it is this process's turn; called only with `sampling.turns`.
    """
    per_call = _warm_up(timer, sampling)
    calls = 1
    if per_call < sampling.sample_least:
        calls = max(1, min(sampling.calls_most, round(sampling.sample_least / per_call + 0.5)))
    if sampling.turns:
        return _in_turns(timer, sampling, calls, per_call, turn)
    return _until_precise(timer, sampling, calls, disturbed)


def _until_precise(timer: Timer, sampling: Sampling, calls: int, disturbed: Callable[[], str | None]) -> Samples:
    """Take samples of `calls` calls each until a rule of `sampling` ends them."""
    warmup_calls = timer.calls
    seconds: list[float] = []
    retaken: list[float] = []
    spreads: list[float] = []
    noisy: str | None = None
    retakes, began = 0, timer.clock()
    reason: str | None = None
    while reason is None and len(seconds) < sampling.samples_most:
        took = timer.time(calls) / calls
        disturbance = None if noisy else disturbed()
        if disturbance and retakes < sampling.retakes:
            retakes += 1
            retaken.append(took)
            continue
        if disturbance:
            noisy = f"{disturbance}, after {retakes} retakes too"
        retakes = 0
        seconds.append(took)
        if len(seconds) >= sampling.samples_least:
            reason = _stop_reason(seconds, spreads, timer.clock() - began, sampling)
    return Samples(tuple(seconds), calls, warmup_calls, reason or "count", tuple(retaken), noisy)


def _stop_reason(seconds: list[float], spreads: list[float], elapsed: float, sampling: Sampling) -> str | None:
    """Return why sampling should stop now, or None. A check for settled noise appends to `spreads`."""
    if elapsed >= sampling.budget:
        return "budget"
    # A check costs a sort: once there are many samples, every fifth is soon enough.
    if len(seconds) > _EVERY_CHECK_UNTIL and len(seconds) % 5:
        return None
    if median_interval(seconds).relative_half_width <= sampling.precision:
        return "precise"
    spreads.append(spread(seconds))
    return "settled" if _settled(spreads, sampling.settled) else None


def _in_turns(timer: Timer, sampling: Sampling, calls: int, per_call: float, turn: Callable[[], None]) -> Samples:
    """Take one block of samples per turn.

    A disturbed block is not taken again, since the other process has already measured its own.
    """
    warmup_calls = timer.calls
    least = -(-sampling.samples_least // sampling.turns)
    seconds: list[float] = []
    counts: list[int] = []
    for _ in range(sampling.turns):
        turn()
        if per_call < sampling.turn_seconds:  # a longer call refills the caches that the other process used by itself
            timer.time(1)
        spent, before = 0.0, len(seconds)
        while spent < sampling.turn_seconds or len(seconds) - before < least:
            took = timer.time(calls)
            spent += took
            seconds.append(took / calls)
        counts.append(len(seconds) - before)
    turn()  # later work must not run while the other process measures its last block
    return Samples(tuple(seconds), calls, warmup_calls, "turns", turns=tuple(counts))


def spread(seconds: tuple[float, ...] | list[float]) -> float:
    """Return the interquartile range as a share of the median."""
    return (quantile(seconds, 0.75) - quantile(seconds, 0.25)) / statistics.median(seconds)


def drift(seconds: tuple[float, ...] | list[float]) -> float:
    """Return by how much the last third is slower than the first, by medians: 0.1 means 10%. 0 for under 12 samples."""
    third = len(seconds) // 3
    return statistics.median(seconds[-third:]) / statistics.median(seconds[:third]) - 1 if third >= 4 else 0.0


def warnings(samples: Samples) -> list[CaseWarning]:
    """Return warnings about the samples."""
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
    """Call until the medians of two successive windows agree within `stability`; return seconds per call.

    The calls alone must take `warmup_least` seconds. The limit `warmup_most` includes the time between calls.
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
