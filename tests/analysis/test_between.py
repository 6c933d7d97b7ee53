"""What the cases of a run say of the differences between processes: against NumPy, and by drawing runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as scipy_stats

from dctbench import analysis
from dctbench.model import Result
from dctbench.stats.moderated import LEAST_CASES, NOTHING_KNOWN, Prior
from tests.support.made import in_two_rounds, result

LENGTHS = [2**k for k in range(6, 14)]


def run(rng: np.random.Generator, rounds: int, between: float, shared: float = 0.0) -> Iterator[Result]:
    """A run of sdpa and four ratios of dct-x at eight lengths: true latencies 1 ms and 1 / ratio ms."""
    level = rng.normal(0, shared, rounds)
    for number in range(1, rounds + 1):
        for n in LENGTHS:
            for ratio in (None, 2, 4, 8, 16):
                seconds = 1e-3 / (ratio or 1) * math.exp(level[number - 1] + rng.normal(0, between))
                yield result("dct-x" if ratio else "sdpa", n, seconds, ratio=ratio, round=number)


def test_few_cases_have_students_interval_of_their_own() -> None:
    seconds = [1e-3, 1.3e-3, 0.9e-3]
    [summary] = analysis.summarise(result("sdpa", 512, one, round=number) for number, one in enumerate(seconds, 1))
    logs = np.log(seconds)
    low, high = scipy_stats.t.interval(0.95, 2, logs.mean(), scipy_stats.sem(logs))
    assert summary.latency is not None
    assert summary.latency.value == pytest.approx(scipy_stats.gmean(seconds))
    assert (summary.latency.low, summary.latency.high) == pytest.approx((np.exp(low), np.exp(high)))
    assert summary.between.ratio == NOTHING_KNOWN


def test_a_moderated_ratio_is_students_with_the_weighted_variance() -> None:
    rng = np.random.default_rng(1)
    summaries = analysis.summarise(run(rng, 3, 0.1))
    reference, method = summaries[0], summaries[3]
    found = analysis.compare(method, reference)
    logs = np.log([reference.medians[i] / method.medians[i] for i in (1, 2, 3)])
    prior = method.between.ratio
    assert prior.degrees > 0
    assert method.latency is not None
    expected = math.exp(prior.intercept + prior.slope * math.log(method.latency.value))
    degrees = prior.degrees + 2
    error = math.sqrt((prior.degrees * expected + 2 * logs.var(ddof=1)) / degrees / 3)
    low, high = scipy_stats.t.interval(0.95, degrees, logs.mean(), error)
    assert found is not None
    assert (found.ratio, found.low, found.high) == pytest.approx(tuple(np.exp([logs.mean(), low, high])), rel=1e-6)


def test_a_moderated_latency_has_the_variance_of_the_case_and_that_of_the_rounds() -> None:
    """Combined by Satterthwaite's approximation, whose degrees of freedom are rounded down to sixteenths."""
    summaries = analysis.summarise(run(np.random.default_rng(4), 4, 0.1, shared=0.1))
    logs = np.log([list(summary.medians.values()) for summary in summaries])
    level = np.median(logs - logs.mean(axis=1, keepdims=True), axis=0)
    method = summaries[3]
    prior = method.between.own
    assert method.between.level == pytest.approx(dict(enumerate(level, 1)))
    assert prior.degrees > 0
    mean, beside = logs[3].mean(), logs[3] - level
    usual = math.exp(prior.intercept + prior.slope * mean)
    variances = np.array([(prior.degrees * usual + 3 * beside.var(ddof=1)) / (prior.degrees + 3), level.var(ddof=1)])
    degrees = variances.sum() ** 2 / (variances**2 / np.array([prior.degrees + 3, 3])).sum()
    low, high = scipy_stats.t.interval(0.95, math.floor(16 * degrees) / 16, mean, math.sqrt(variances.sum() / 4))
    assert method.latency is not None
    assert (method.latency.value, method.latency.low, method.latency.high) == pytest.approx(
        tuple(np.exp([mean, low, high])), rel=1e-6
    )


@pytest.mark.parametrize("cases", [LEAST_CASES - 1, LEAST_CASES])
def test_so_many_cases_show_what_the_rounds_have_in_common_and_fewer_do_not(cases: int) -> None:
    found = analysis.summarise(
        result("sdpa", 64 * n, n * seconds, round=number)
        for n in range(1, cases + 1)
        for number, seconds in enumerate((1e-3, 1.1e-3), 1)
    )
    assert (found[0].between.level is not None) is (cases == LEAST_CASES)


@pytest.mark.parametrize("rounds", [3, 6])
def test_ninety_five_percent_are_that_many_and_narrower_than_each_case_alone_could_say(rounds: int) -> None:
    """Ratios and absolute latencies, with rounds that are slower or faster as a whole."""
    rng = np.random.default_rng(2)
    ratio_hits, latency_hits, widths, alone = [], [], [], []
    for _ in range(60):
        summaries = analysis.summarise(run(rng, rounds, 0.1, shared=0.12))
        found = analysis.reference_by_shape(summaries)
        for summary in summaries:
            true = 1e-3 / (summary.case.ratio or 1)
            assert summary.latency is not None
            latency_hits.append(summary.latency.low <= true <= summary.latency.high)
            speedup = analysis.compare(summary, found[summary.case.shape])
            if summary.case.ratio and speedup and speedup.low and speedup.high:
                ratio_hits.append(speedup.low <= summary.case.ratio <= speedup.high)
                widths.append(math.log(speedup.high / speedup.low) / 2)
                logs = [
                    math.log(found[summary.case.shape].medians[i] / summary.medians[i]) for i in range(1, rounds + 1)
                ]
                alone.append(scipy_stats.t.ppf(0.975, rounds - 1) * scipy_stats.sem(logs))
    assert 0.93 <= np.mean(ratio_hits) <= 0.975
    assert np.mean(latency_hits) >= 0.92  # cases of one run share the rounds, so that hits come in clusters
    assert np.median(widths) < (0.75 if rounds == 3 else 0.98) * np.median(alone)


def nine_pairs(rng: np.random.Generator, rounds: int) -> Iterator[Result]:
    """A run of sdpa and dct-x, twice as fast, at nine lengths: too few ratios to show how ratios vary."""
    level = rng.normal(0, 0.12, rounds)
    for number in range(1, rounds + 1):
        for n in range(64, 64 * 10, 64):
            for method, factor in (("sdpa", 1.0), ("dct-x", 0.5)):
                seconds = factor * 1e-3 * math.exp(level[number - 1] + rng.normal(0, 0.05))
                yield result(method, n, seconds, ratio=4 if method == "dct-x" else None, round=number)


def test_of_few_ratios_the_variance_is_that_of_both_latencies_apart_from_the_rounds() -> None:
    summaries = analysis.summarise(nine_pairs(np.random.default_rng(4), 3))
    reference, method = summaries[0], summaries[1]
    between = method.between
    assert between.ratio == NOTHING_KNOWN
    table = np.log([[summary.medians[number] for number in (1, 2, 3)] for summary in summaries])
    level = np.median(table - table.mean(axis=1, keepdims=True), axis=0)
    variances, degrees = [], between.own.degrees + 2
    for logs in table[:2]:
        expected = math.exp(between.own.intercept + between.own.slope * logs.mean())
        variances.append((between.own.degrees * expected + 2 * (logs - level).var(ddof=1)) / degrees)
    ratios = table[0] - table[1]
    low, high = scipy_stats.t.interval(0.95, degrees, ratios.mean(), math.sqrt(sum(variances) / 3))
    found = analysis.compare(method, reference)
    assert found is not None
    assert (found.ratio, found.low, found.high) == pytest.approx(tuple(np.exp([ratios.mean(), low, high])), rel=1e-6)


@pytest.mark.parametrize("rounds", [3, 6])
def test_ninety_five_percent_hold_of_few_ratios_too(rounds: int) -> None:
    rng = np.random.default_rng(5)
    hits = []
    for _ in range(150):
        summaries = analysis.summarise(nine_pairs(rng, rounds))
        for reference, method in zip(summaries[::2], summaries[1::2], strict=True):
            found = analysis.compare(method, reference)
            assert found is not None
            assert found.low is not None
            assert found.high is not None
            hits.append(found.low <= 2 <= found.high)
    assert 0.94 <= np.mean(hits) <= 0.975


def test_the_rounds_own_component_is_not_known_better_by_more_cases() -> None:
    """The same noise of 1% in every case, and rounds that differ by 20%: the interval is that of the rounds."""
    rng = np.random.default_rng(3)
    [first, *_] = analysis.summarise(run(rng, 3, 0.01, shared=0.2))
    assert first.latency is not None
    half = math.log(first.latency.high / first.latency.low) / 2
    assert half == pytest.approx(
        scipy_stats.t.ppf(0.975, 2) * scipy_stats.sem(np.log(list(first.medians.values()))), rel=0.1
    )


def test_a_prior_is_never_above_what_was_seen() -> None:
    assert Prior(0.0, 5.0, 4.0, most=0.02).at(1e3) == 0.02


@pytest.mark.parametrize(("device", "step", "calls"), [("cpu", 1e-7, 1), ("cuda:0", 5e-7, 1), ("cuda:0", 5e-7, 10)])
def test_equal_rounds_are_known_to_one_step_of_the_clock(device: str, step: float, calls: int) -> None:
    """Two rounds with the same ratio are no proof beyond what the clock tells apart."""
    for seconds in (1.0001e-3, 1.001e-3, 1.1e-3):
        made = [result("sdpa", 512, 1e-3, device=device), result("full", 512, seconds, device=device)]
        timed = [replace(one, details=replace(one.details, calls_per_sample=calls)) for one in made]
        reference, method = analysis.summarise(in_two_rounds(timed))
        one = analysis.compare(method, reference)
        error = step / calls / 1e-3 / math.sqrt(2)
        low, high = scipy_stats.t.interval(0.95, 1, -math.log(seconds / 1e-3), error)
        assert one is not None
        assert one.p is not None
        assert (one.low, one.high) == pytest.approx((math.exp(low), math.exp(high)), rel=1e-9)
        assert one.p == pytest.approx(2 * scipy_stats.t.sf(math.log(seconds / 1e-3) / error, 1), rel=1e-6)
        assert method.latency is not None
        assert method.latency.low < method.latency.value < method.latency.high
        [ranking] = analysis.rankings([reference, method], "sdpa")
        assert (len(ranking.leaders) == 1) is (one.p / 2 <= 0.025)


@pytest.mark.parametrize(("device", "step"), [("cpu", 1e-7), ("cuda:0", 5e-7)])
def test_a_sample_of_many_calls_tells_smaller_steps_of_one_call(device: str, step: float) -> None:
    one = result("sdpa", 512, 1e-3, device=device)
    ten = replace(one, details=replace(one.details, calls_per_sample=10))
    for measured, told in ((one, step), (ten, step / 10)):
        [summary] = analysis.summarise([measured])
        assert summary.step_of_a_call == pytest.approx(told)
        assert summary.clock_step == pytest.approx(told / 1e-3)


def test_what_a_processor_does_says_nothing_of_a_gpu_in_the_same_run() -> None:
    def gpu(rng: np.random.Generator) -> list[Result]:
        found = run(rng, 3, 0.003)
        return [replace(one, case=replace(one.case, device="cuda:0")) for one in found]

    alone = analysis.summarise(gpu(np.random.default_rng(1)))
    beside = [*run(np.random.default_rng(2), 3, 0.05, shared=0.3), *gpu(np.random.default_rng(1))]
    together = [summary for summary in analysis.summarise(beside) if summary.case.device == "cuda:0"]
    assert [summary.latency for summary in together] == [summary.latency for summary in alone]
