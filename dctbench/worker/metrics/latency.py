"""The latency of a call: warm up until it is stable, then sample until the median is known precisely enough.

A long call needs little: its first call warms it up, and few samples suffice, since processes differ more than calls.
If the time limit of the case leaves no room for another call, the first one is the sample.

The device provides the stopwatch. It is created before any implementation is imported, so the code under test cannot
replace it.
"""

from __future__ import annotations

import math
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
from dctbench.worker.progress import LONG_CALL, Progress

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

    A call of at least `long_call` seconds is long: after its first call nothing else warms it up, and it needs only as
    many samples as take `long_seconds`, up to `samples_least`. No sample begins that would end after `limit` seconds of
    the process, except the first of a short call.

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
    long_call: float = LONG_CALL
    long_seconds: float = 1.5
    limit: float = math.inf

    def least(self, seconds: float) -> int:
        """Return the fewest samples of a call that takes that many seconds."""
        if seconds < self.long_call:
            return self.samples_least
        return max(1, math.ceil(min(self.samples_least, self.long_seconds / seconds)))


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds per call in order, and why sampling stopped: `precise`, `settled`, `budget`, `count`, `turns`,
    `long` (the call is long, so few samples suffice) or `limit` (the time limit of the case).

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

    Args:
        prepare: makes what a call needs.
        call: the timed call.
        stopwatch: times a block.
        clock: returns wall-clock seconds, which include preparing a call and emptying the cache before it.
        renew: gives the inputs of the calls with these numbers new values, before the calls of a block are prepared.
    """

    def __init__(
        self,
        prepare: Callable[[int], Any],
        call: Callable[[Any], object],
        stopwatch: Stopwatch,
        clock: Callable[[], float] = perf_counter,
        renew: Callable[[range], None] = lambda numbers: None,
    ) -> None:
        self._prepare = prepare
        self._call = call
        self._stopwatch = stopwatch
        self.clock = clock
        self._renew = renew
        self.calls = 0
        self.last: object = None

    def time(self, calls: int, *, keep: bool = False) -> float:
        """Return the seconds of `calls` calls together.

        The outputs are dropped, as users' loops do. With `keep` that of the last call stays in `last`, for a call so
        long that the time in which its output is freed does not count.

        Raises:
            ImplausibleError: if they took no time.
        """
        self.last = None
        call, prepared = self._call, self._prepare_next(calls)

        def run() -> None:
            for one in prepared:
                call(one)

        def run_and_keep() -> None:
            for one in prepared:
                self.last = call(one)

        seconds = self._stopwatch(run_and_keep if keep else run)
        if seconds <= 0:
            raise ImplausibleError(f"implausible: {calls} call(s) in {seconds:g} s")
        return seconds

    def output(self, calls: int, period: int, renew: Callable[[range], None] | None = None) -> object:
        """Time one more block, whose last call has a number that `period` divides, and return the output of that call.

        The code under test cannot distinguish this block from others. `renew` replaces that of the timer for once.
        """
        self.calls += -(self.calls + calls - 1) % period
        self.last = None
        call, prepared = self._call, self._prepare_next(calls, renew)
        kept: list[object] = [None]

        def run() -> None:
            for one in prepared:
                kept[0] = call(one)

        self._stopwatch(run)
        return kept[0]

    def _prepare_next(self, calls: int, renew: Callable[[range], None] | None = None) -> list[Any]:
        numbers = range(self.calls, self.calls + calls)
        self.calls += calls
        (renew or self._renew)(numbers)
        return [self._prepare(number) for number in numbers]


def measure(
    timer: Timer,
    sampling: Sampling,
    disturbed: Callable[[], str | None] = lambda: None,
    turn: Callable[[], None] = lambda: None,
    *,
    first: float | None = None,
    progress: Progress | None = None,
) -> Samples:
    """Warm up, then take samples.

    Args:
        timer: the timer of the call.
        sampling: the rules that end warm-up and sampling.
        disturbed: called after each sample; returns why to take it again, or None.
        turn: returns when it is this process's turn; called only with `sampling.turns`.
        first: the seconds of the first call, which was made before; None if there was none.
        progress: how much of the time limit of the case is left; None for a case that begins now.
    """
    progress = progress or Progress(sampling.limit, clock=timer.clock)
    per_call: float | None = None
    if first is not None and first >= sampling.long_call:
        if sampling.turns:
            per_call = _long_again(timer, sampling, first, progress)
        elif (long := _of_a_long_call(timer, sampling, first, disturbed, progress)) is not None:
            return long
    per_call = per_call or _warm_up(timer, sampling, progress)
    calls = 1
    if per_call < sampling.sample_least:
        calls = max(1, min(sampling.calls_most, round(sampling.sample_least / per_call + 0.5)))
    if sampling.turns:
        return _in_turns(timer, sampling, calls, per_call, turn, progress)
    return _until_precise(timer, sampling, calls, disturbed, progress)


def _long_again(timer: Timer, sampling: Sampling, first: float, progress: Progress) -> float | None:
    """Make one more call. Return its seconds if it is long like the first, which has warmed it up; else None.

    A first call may load kernels, or compile. If the time limit leaves no room for another, it is believed.
    """
    if not progress.allows(first):
        return first
    seconds = timer.time(1)
    progress.step()
    return seconds if seconds >= sampling.long_call else None


def _of_a_long_call(
    timer: Timer, sampling: Sampling, first: float, disturbed: Callable[[], str | None], progress: Progress
) -> Samples | None:
    """Take the few samples of a long call, which its first call has warmed up; None if the next one is not long.

    If not even one more call fits into the time limit, the first call is the sample.
    """
    seconds: list[float] = []
    noisy: str | None = None
    while len(seconds) < sampling.least(latest := seconds[-1] if seconds else first):
        if not progress.allows(latest):
            return Samples(tuple(seconds) or (first,), 1, 1 if seconds else 0, "limit", noisy=noisy)
        seconds.append(timer.time(1, keep=True))
        progress.step()
        if len(seconds) == 1 and seconds[0] < sampling.long_call:
            return None
        noisy = noisy or disturbed()
    return Samples(tuple(seconds), 1, 1, "long", noisy=noisy)


def _until_precise(
    timer: Timer, sampling: Sampling, calls: int, disturbed: Callable[[], str | None], progress: Progress
) -> Samples:
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
        progress.step()
        disturbance = None if noisy else disturbed()
        if disturbance and retakes < sampling.retakes:
            retakes += 1
            retaken.append(took)
            continue
        if disturbance:
            noisy = f"{disturbance}, after {retakes} retakes too"
        retakes = 0
        seconds.append(took)
        if not progress.allows(took * calls):
            reason = "limit"
        elif len(seconds) >= (least := sampling.least(statistics.median(seconds))):
            short = least == sampling.samples_least
            reason = _stop_reason(seconds, spreads, timer.clock() - began, sampling) if short else "long"
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


def _in_turns(
    timer: Timer, sampling: Sampling, calls: int, per_call: float, turn: Callable[[], None], progress: Progress
) -> Samples:
    """Take one block of samples per turn, until the time limit of the case. Waiting for a turn does not count for it.

    A disturbed block is not taken again, since the other process has already measured its own.
    """
    warmup_calls = timer.calls
    least = -(-sampling.samples_least // sampling.turns)

    def wait() -> None:
        asked = timer.clock()
        turn()
        progress.excuse(timer.clock() - asked)

    seconds: list[float] = []
    counts: list[int] = []
    reason = "turns"
    for _ in range(sampling.turns):
        if counts and not progress.allows(least * per_call):
            reason = "limit"
            break
        wait()
        if per_call < sampling.turn_seconds:  # a longer call refills the caches that the other process used by itself
            timer.time(1)
        spent, before = 0.0, len(seconds)
        while spent < sampling.turn_seconds or len(seconds) - before < least:
            took = timer.time(calls)
            spent += took
            seconds.append(took / calls)
            progress.step()
        counts.append(len(seconds) - before)
    wait()  # later work must not run while the other process measures its last block
    return Samples(tuple(seconds), calls, warmup_calls, reason, turns=tuple(counts))


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


def _warm_up(timer: Timer, sampling: Sampling, progress: Progress) -> float:
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
        progress.step()
        if not progress.allows(took):
            break
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
