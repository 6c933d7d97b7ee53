"""Sampling with a clock that the tests control: what is counted, when it stops, and that the clock is safe."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from dctbench.model import WarningCode
from dctbench.wording.warnings import message
from dctbench.worker.devices import Stopwatch, cpu
from dctbench.worker.metrics import latency
from dctbench.worker.metrics.latency import ImplausibleError, Samples, Sampling, Timer
from dctbench.worker.progress import Progress


class Clock:
    """A clock that advances only when a call does so."""

    def __init__(self) -> None:
        self.now = 0.0

    def stopwatch(self, run: Callable[[], object]) -> float:
        before = self.now
        run()
        return self.now - before

    def timer(self, prepare: Callable[[int], object], call: Callable[[int], object]) -> Timer:
        return Timer(prepare, call, self.stopwatch, lambda: self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def work(clock: Clock, cost: Callable[[int], float]) -> Callable[[int], int]:
    def call(number: int) -> int:
        clock.now += cost(number)
        return number

    return call


def number_itself(number: int) -> int:
    return number


def measure(clock: Clock, cost: Callable[[int], float], **sampling: Any) -> Samples:
    return latency.measure(clock.timer(number_itself, work(clock, cost)), Sampling(**sampling))


def test_a_steady_call_stops_when_its_median_is_precise(clock: Clock) -> None:
    samples = measure(clock, lambda i: 0.01)
    assert samples.stop_reason == "precise"
    assert len(samples.seconds) == Sampling().samples_least
    assert samples.calls_per_sample == 1
    assert samples.seconds == pytest.approx([0.01] * len(samples.seconds))
    assert (samples.retaken, samples.noisy) == ((), None)


def test_time_between_calls_counts_for_the_budget_but_not_for_samples(clock: Clock) -> None:
    def swept(run: Callable[[], object]) -> float:
        clock.now += 0.1  # as for emptying a large cache
        return clock.stopwatch(run)

    timer = Timer(number_itself, work(clock, lambda i: 1e-4 * (1 + i % 7)), swept, lambda: clock.now)
    samples = latency.measure(timer, Sampling(calls_most=1, budget=3.0))
    assert samples.warmup_calls <= 11  # within the one second of the warm-up
    assert samples.stop_reason == "budget"
    assert len(samples.seconds) <= 31
    assert max(samples.seconds) < 1e-3


def test_a_short_call_is_repeated_inside_a_sample_and_reported_per_call(clock: Clock) -> None:
    samples = measure(clock, lambda i: 1e-5)
    assert samples.calls_per_sample >= 100
    assert samples.seconds == pytest.approx([1e-5] * len(samples.seconds))


def test_a_call_is_never_repeated_where_that_would_spoil_it(clock: Clock) -> None:
    assert measure(clock, lambda i: 1e-5, calls_most=1).calls_per_sample == 1


def test_a_slow_noisy_call_ends_with_its_budget_but_never_under_the_least_samples(clock: Clock) -> None:
    samples = measure(clock, lambda i: 0.05 + 0.04 * (i % 5), budget=0.2, samples_least=20)
    assert (samples.stop_reason, len(samples.seconds)) == ("budget", 20)


def test_a_noisy_fast_call_ends_at_the_most_samples(clock: Clock) -> None:
    samples = measure(clock, lambda i: 2e-3 * (1 + i % 2), samples_most=50, budget=1e9, settled=-1)
    assert (samples.stop_reason, len(samples.seconds)) == ("count", 50)


def test_noise_that_stays_as_it_is_has_settled(clock: Clock) -> None:
    samples = measure(clock, lambda i: 2e-3 * (1 + 0.2 * (i % 5)), budget=1e9)
    assert samples.stop_reason == "settled"
    assert len(samples.seconds) < 200


def test_noise_that_still_grows_has_not_settled(clock: Clock) -> None:
    draw = random.Random(0).random
    samples = measure(clock, lambda i: 5e-3 * (1 + i / 10 * draw()), budget=1e9, samples_most=60)
    assert samples.stop_reason == "count"


def test_warm_up_continues_until_two_windows_agree(clock: Clock) -> None:
    samples = measure(clock, lambda i: 0.05 - 0.0033 * i if i < 12 else 0.01)
    assert samples.warmup_calls > 12
    assert max(samples.seconds) == pytest.approx(0.01)


def test_warm_up_ends_at_its_most_for_a_call_that_never_settles(clock: Clock) -> None:
    assert measure(clock, lambda i: 0.02 * (1 + i), budget=0.1).warmup_calls < 20


def test_warm_up_makes_at_least_three_calls_however_long_they_take(clock: Clock) -> None:
    assert measure(clock, lambda i: 100.0).warmup_calls == 3


def test_warm_up_takes_its_least_time_in_calls_alone_however_steady_they_are(clock: Clock) -> None:
    def prepare(number: int) -> int:
        clock.now += 0.01
        return number

    timer = clock.timer(prepare, work(clock, lambda i: 0.015625))  # exact in binary
    samples = latency.measure(timer, Sampling(warmup_least=0.25, warmup_most=10.0))
    assert samples.warmup_calls * 0.015625 >= 0.25
    assert samples.warmup_calls <= 2 * 0.25 / 0.015625


def test_calls_have_increasing_numbers_so_that_inputs_rotate(clock: Clock) -> None:
    seen: list[int] = []

    def call(number: int) -> None:
        seen.append(number)
        clock.now += 0.01

    latency.measure(clock.timer(number_itself, call), Sampling())
    assert seen == list(range(len(seen)))


def test_the_output_of_one_more_block_is_kept_with_its_number(clock: Clock) -> None:
    timed: list[float] = []

    def stopwatch(run: Callable[[], object]) -> float:
        timed.append(clock.stopwatch(run))
        return timed[-1]

    timer = Timer(number_itself, work(clock, lambda i: 0.01), stopwatch, lambda: clock.now)
    timer.time(3)
    assert timer.output(2, period=4) == 4
    assert timer.output(3, period=4) == 8  # and not 7: the number of the last call is one that the period divides
    assert timed == pytest.approx([0.03, 0.02, 0.03])


def test_the_inputs_of_a_block_are_renewed_before_its_calls_are_prepared(clock: Clock) -> None:
    seen: list[object] = []

    def prepare(number: int) -> int:
        seen.append(number)
        return number

    timer = Timer(prepare, work(clock, lambda i: 0.01), clock.stopwatch, lambda: clock.now, renew=seen.append)
    timer.time(2)
    timer.output(1, period=4, renew=lambda numbers: seen.append("restored"))
    assert seen == [range(2), 0, 1, "restored", 4]


def long(clock: Clock, *seconds: float, **sampling: Any) -> Samples:
    """Measure a call whose first call, made before, and whose further calls take so many seconds."""
    first, *later = seconds
    progress = Progress(sampling.get("limit", math.inf), clock=lambda: clock.now)
    clock.now += first
    timer = clock.timer(number_itself, work(clock, lambda i: later[min(i, len(later) - 1)]))
    return latency.measure(timer, Sampling(**sampling), first=first, progress=progress)


def test_a_long_call_is_warmed_up_by_its_first_call_and_takes_few_samples(clock: Clock) -> None:
    assert long(clock, 4.0, 4.0) == Samples((4.0,), 1, 1, "long")
    assert long(clock, 0.5, 0.5) == Samples((0.5,) * 3, 1, 1, "long")
    assert long(clock, 0.375, 0.375, samples_least=3) == Samples((0.375,) * 3, 1, 1, "long")


def test_a_call_that_is_long_only_once_is_warmed_up_and_sampled_like_a_short_one(clock: Clock) -> None:
    samples = long(clock, 3.0, 0.01)
    assert (samples.stop_reason, len(samples.seconds)) == ("precise", Sampling().samples_least)
    assert samples.warmup_calls * 0.01 >= Sampling().warmup_least


def test_the_time_limit_ends_sampling_and_keeps_what_was_taken(clock: Clock) -> None:
    assert long(clock, 1.0, 1.0, limit=2.5, long_seconds=math.inf) == Samples((1.0,), 1, 1, "limit")
    samples = long(clock, 0.2, 0.2, limit=10.0, precision=-1, settled=-1, budget=math.inf)
    assert samples.stop_reason == "limit"
    assert 20 < len(samples.seconds) + samples.warmup_calls <= 49


def test_the_first_call_is_the_sample_where_the_time_limit_leaves_no_room_for_another(clock: Clock) -> None:
    assert long(clock, 70.0, 70.0, limit=120.0) == Samples((70.0,), 1, 0, "limit")


def test_as_many_samples_as_were_asked_for_are_taken_of_a_long_call_too(clock: Clock) -> None:
    assert len(long(clock, 2.0, 2.0, samples_least=9, long_seconds=math.inf).seconds) == 9


def test_in_turns_a_time_limit_ends_sampling_between_two_turns_and_waiting_does_not_count(clock: Clock) -> None:
    def turn() -> None:
        clock.now += 100.0  # in which the other process measures

    timer = clock.timer(number_itself, work(clock, lambda i: 2.0))
    progress = Progress(11.0, clock=lambda: clock.now)
    samples = latency.measure(timer, Sampling(turns=7, samples_least=7), turn=turn, first=2.0, progress=progress)
    assert (samples.stop_reason, samples.turns, samples.warmup_calls) == ("limit", (1, 1, 1, 1), 1)


def test_in_turns_too_a_call_that_is_long_only_once_is_warmed_up(clock: Clock) -> None:
    timer = clock.timer(number_itself, work(clock, lambda i: 1e-4))
    samples = latency.measure(timer, Sampling(turns=4), first=3.0)
    assert samples.warmup_calls * 1e-4 >= Sampling().warmup_least
    assert samples.calls_per_sample >= 10


def test_in_turns_a_long_first_call_is_believed_where_the_time_limit_leaves_no_room_for_another(clock: Clock) -> None:
    timer = clock.timer(number_itself, work(clock, lambda i: 70.0))
    progress = Progress(60.0, clock=lambda: clock.now)
    samples = latency.measure(timer, Sampling(turns=4), first=70.0, progress=progress)
    assert (samples.warmup_calls, samples.stop_reason, samples.turns) == (0, "limit", (5,))


def test_a_sign_of_life_is_given_about_once_a_second(clock: Clock) -> None:
    told: list[float] = []
    progress = Progress(alive=lambda: told.append(clock.now), clock=lambda: clock.now)
    timer = clock.timer(number_itself, work(clock, lambda i: 0.125))
    latency.measure(timer, Sampling(samples_least=40, precision=-1, settled=-1), progress=progress)
    assert told == list(range(1, len(told) + 1))
    assert len(told) >= 5


def test_what_prepares_a_call_is_not_timed(clock: Clock) -> None:
    def prepare(number: int) -> int:
        clock.now += 1.0
        return number

    samples = latency.measure(clock.timer(prepare, work(clock, lambda i: 0.01)), Sampling())
    assert samples.seconds == pytest.approx([0.01] * len(samples.seconds))


def test_a_call_that_takes_no_time_is_refused(clock: Clock) -> None:
    with pytest.raises(ImplausibleError, match="implausible"):
        measure(clock, lambda i: 0.0)


def test_a_disturbed_sample_is_taken_again_and_stored_apart(clock: Clock) -> None:
    answers = iter([None, "slow clock", "slow clock"])
    timer = clock.timer(number_itself, work(clock, lambda i: 0.01))
    samples = latency.measure(timer, Sampling(samples_least=5), lambda: next(answers, None))
    assert samples.retaken == pytest.approx((0.01, 0.01))
    assert (len(samples.seconds), samples.noisy) == (5, None)


def test_each_sample_has_retakes_of_its_own(clock: Clock) -> None:
    answers = iter([*["slow clock"] * 3, None, *["slow clock"] * 3, None])
    timer = clock.timer(number_itself, work(clock, lambda i: 0.01))
    samples = latency.measure(timer, Sampling(samples_least=5), lambda: next(answers, None))
    assert len(samples.retaken) == 6
    assert (len(samples.seconds), samples.noisy) == (5, None)


def test_after_three_retakes_the_sample_stays_and_the_result_is_noisy(clock: Clock) -> None:
    timer = clock.timer(number_itself, work(clock, lambda i: 0.01))
    samples = latency.measure(timer, Sampling(samples_least=5), lambda: "slow clock")
    assert len(samples.retaken) == 3
    assert len(samples.seconds) == 5
    assert samples.noisy == "slow clock, after 3 retakes too"
    assert [w.values for w in latency.warnings(samples) if w.code is WarningCode.DISTURBED] == [
        {"reason": samples.noisy}
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ([1.0, 1.01] * 10, []),
        ([1.0, 1.15] * 10, ["range is 14% of the median: quieten the machine, or take more rounds"]),
        ([1.0, 2.0] * 10, ["range is 67% of the median: quieten the machine, or do not compare below that"]),
        ([1.0 + 0.01 * i for i in range(12)], ["8% slower than the first"]),
        ([1.2] * 6 + [1.0] * 18, ["17% faster than the first"]),
    ],
)
def test_spread_and_drift_are_warnings_with_a_remedy(seconds: list[float], words: list[str]) -> None:
    said = [message(warning) for warning in latency.warnings(Samples(tuple(seconds), 1, 3, "precise"))]
    assert len(said) == len(words)
    assert all(word in text for word, text in zip(words, said, strict=True))


@pytest.mark.parametrize("cache", ["warm", "cold"])
def test_code_under_test_cannot_replace_the_clock(monkeypatch: pytest.MonkeyPatch, cache: str) -> None:
    stopwatch: Stopwatch = cpu.stopwatch("cpu", cache)  # type: ignore[arg-type]
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(cpu, "_clock", lambda: 0.0)
    assert stopwatch([*range(20_000)].copy) > 0


def test_in_turns_every_block_waits_for_its_turn_and_nothing_else_ends_sampling(clock: Clock) -> None:
    asked: list[float] = []
    timer = clock.timer(number_itself, work(clock, lambda i: 2**-8))  # exact in binary
    sampling = Sampling(turns=3, turn_seconds=5 * 2**-8, samples_least=5)
    samples = latency.measure(timer, sampling, turn=lambda: asked.append(clock.now))
    assert samples.turns == (5, 5, 5)
    assert samples.seconds == pytest.approx([2**-8] * 15)
    assert samples.stop_reason == "turns"
    # The turn is awaited before each block and after the last one, with an untimed call and a block in between.
    assert [b - a for a, b in itertools.pairwise(asked)] == pytest.approx([6 * 2**-8] * 3)


def test_in_turns_the_least_samples_are_spread_over_the_blocks(clock: Clock) -> None:
    timer = clock.timer(number_itself, work(clock, lambda i: 0.5))
    samples = latency.measure(timer, Sampling(turns=4, samples_least=10), turn=lambda: None)
    assert samples.turns == (3, 3, 3, 3)


def test_a_disturbance_in_one_turn_affects_that_turn_only(clock: Clock) -> None:
    slow: list[bool] = []
    timer = clock.timer(number_itself, work(clock, lambda i: 0.04 if slow and slow[-1] else 0.01))
    samples = latency.measure(timer, Sampling(turns=4), turn=lambda: slow.append(len(slow) == 1))
    ends = [sum(samples.turns[:k]) for k in range(5)]
    blocks = [set(samples.seconds[a:b]) for a, b in itertools.pairwise(ends)]
    assert [max(block) == pytest.approx(0.04) for block in blocks] == [False, True, False, False]


@pytest.mark.parametrize(
    ("seconds", "codes"),
    [
        ([1.0, 2.0, 1.0, 2.0], []),  # four samples have no spread that is known
        ([1.0, 2.0, 1.0, 2.0, 1.0], [WarningCode.SPREAD]),
        ([1.0] * 8 + [1.5] * 3, [WarningCode.SPREAD]),  # thirds of three samples tell no drift
        ([1.0] * 9 + [1.5] * 4, [WarningCode.SPREAD]),  # a drift within the spread
        ([1.0] * 16 + [1.051] * 5, [WarningCode.DRIFT]),
        ([1.0] * 16 + [1.049] * 5, []),
        ([1.051] * 5 + [1.0] * 16, []),
        ([1.053] * 5 + [1.0] * 16, [WarningCode.DRIFT]),
    ],
)
def test_spread_and_drift_are_warned_of_from_enough_samples_and_beyond_their_limits(
    seconds: list[float], codes: list[WarningCode]
) -> None:
    assert [warning.code for warning in latency.warnings(Samples(tuple(seconds), 1, 3, "precise"))] == codes


@pytest.mark.parametrize(("count", "told"), [(11, 0.0), (12, 0.5)])
def test_a_drift_is_told_from_twelve_samples_on(count: int, told: float) -> None:
    assert latency.drift([1.0] * (count - 4) + [1.5] * 4) == pytest.approx(told)
