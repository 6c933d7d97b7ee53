"""Sampling on a clock that the tests turn by hand: what is counted, when it stops, and who may not touch the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dctbench.metrics import latency
from dctbench.metrics.latency import Samples, Sampling


class Clock:
    """Time that passes only when a call says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(latency, "_clock", made)
    return made


def work(clock: Clock, cost: Callable[[int], float]) -> Callable[[int], None]:
    def call(number: int) -> None:
        clock.now += cost(number)

    return call


def nothing() -> None:
    return


def number_itself(number: int) -> int:
    return number


def measure(call: Callable[[int], None], synchronize: Callable[[], None], sampling: Sampling) -> Samples:
    return latency.measure(number_itself, call, synchronize, sampling)


def test_a_steady_call_stops_when_its_median_is_precise(clock: Clock) -> None:
    samples = measure(work(clock, lambda i: 0.01), nothing, Sampling())
    assert samples.stop_reason == "precise"
    assert len(samples.seconds) == 20
    assert samples.calls_per_sample == 1
    assert samples.seconds == pytest.approx([0.01] * 20)


def test_a_short_call_is_repeated_inside_a_sample_and_reported_per_call(clock: Clock) -> None:
    samples = measure(work(clock, lambda i: 1e-5), nothing, Sampling())
    assert samples.calls_per_sample >= 100
    assert samples.seconds == pytest.approx([1e-5] * len(samples.seconds))


def test_a_slow_noisy_call_ends_with_its_budget_but_never_under_twenty_samples(clock: Clock) -> None:
    samples = measure(work(clock, lambda i: 0.5 + 0.4 * (i % 7)), nothing, Sampling(budget=2.0))
    assert (samples.stop_reason, len(samples.seconds)) == ("budget", 20)


def test_a_wild_fast_call_ends_at_the_most_samples(clock: Clock) -> None:
    samples = measure(work(clock, lambda i: 2e-3 * (1 + i % 2)), nothing, Sampling(samples_most=50, budget=1e9))
    assert (samples.stop_reason, len(samples.seconds)) == ("count", 50)


def test_warm_up_goes_on_until_two_windows_agree(clock: Clock) -> None:
    slow_start = work(clock, lambda i: 0.05 - 0.0033 * i if i < 12 else 0.01)
    samples = measure(slow_start, nothing, Sampling())
    assert samples.warmup_calls > 12
    assert max(samples.seconds) == pytest.approx(0.01)


def test_warm_up_ends_at_its_most_for_a_call_that_never_settles(clock: Clock) -> None:
    samples = measure(work(clock, lambda i: 0.02 * (1 + i)), nothing, Sampling(budget=0.1))
    assert samples.warmup_calls < 20


def test_calls_are_numbered_through_so_that_inputs_rotate(clock: Clock) -> None:
    seen: list[int] = []

    def call(number: int) -> None:
        seen.append(number)
        clock.now += 0.01

    measure(call, nothing, Sampling())
    assert seen == list(range(len(seen)))


def test_every_sample_waits_for_the_device_before_and_after(clock: Clock) -> None:
    waits: list[float] = []
    samples = measure(work(clock, lambda i: 0.01), lambda: waits.append(clock.now), Sampling())
    assert len(waits) == 2 * (samples.warmup_calls + len(samples.seconds))


def test_code_under_test_cannot_replace_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    samples = measure(lambda i: [*range(20_000)].clear(), nothing, Sampling(warmup_least=0.01, budget=0.05))
    assert min(samples.seconds) > 0


def test_what_prepares_a_call_is_not_timed(clock: Clock) -> None:
    def prepare(number: int) -> int:
        clock.now += 1.0
        return number

    samples = latency.measure(prepare, work(clock, lambda i: 0.01), nothing, Sampling())
    assert samples.seconds == pytest.approx([0.01] * 20)
