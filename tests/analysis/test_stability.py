"""How steady a case was, against NumPy and SciPy, and what is called unsteady."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from dctbench import analysis
from dctbench.analysis import Instability, Stability
from dctbench.model import ResultDetails
from tests.support.made import result

ROUNDS = st.lists(st.lists(st.floats(1e-4, 1e-1), min_size=3, max_size=15), min_size=1, max_size=4)


def judged(rounds: Iterable[Iterable[float]], **details: Any) -> Stability:
    results = [result(seconds=tuple(samples), round=i) for i, samples in enumerate(rounds, 1)]
    results[-1] = replace(results[-1], details=ResultDetails.from_json({**results[-1].details.to_json(), **details}))
    found = analysis.stability(analysis.summarise(results)[0])
    assert found is not None
    return found


def steady(seed: int, rounds: int = 3, count: int = 20, noise: float = 0.02) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(math.log(1e-3), noise, (rounds, count))


@given(ROUNDS)
def test_spreads_are_those_of_numpy(rounds: list[list[float]]) -> None:
    found = judged(rounds)
    relative = np.concatenate([np.array(samples) / np.median(samples) for samples in rounds])
    assert found.within == pytest.approx(1.4826 * np.median(np.abs(relative - 1)))
    medians = [np.median(samples) for samples in rounds]
    expected = None if len(rounds) == 1 else pytest.approx(np.std(np.log(medians), ddof=1), abs=1e-12)
    assert found.between == expected
    count = np.median([len(samples) for samples in rounds])
    assert analysis.by_luck(found) == pytest.approx(1.2533141 * found.within / np.sqrt(count))


@given(ROUNDS)
def test_outliers_are_told_from_the_samples_of_their_own_process(rounds: list[list[float]]) -> None:
    found = judged(rounds)
    expected = []
    for samples in rounds:
        distance = np.array(samples) - np.median(samples)
        mad = scipy_stats.median_abs_deviation(samples)
        assume(not np.any(np.isclose(distance, 5 * 1.4826 * mad)))
        expected += [bool(mad) and far > 5 * 1.4826 * mad for far in distance]
    assert found.flagged == tuple(np.flatnonzero(expected))


@given(ROUNDS)
def test_the_drift_compares_the_last_thirds_with_the_first(rounds: list[list[float]]) -> None:
    first, last = [], []
    for samples in rounds:
        scaled = np.array(samples) / np.median(samples)
        first += list(np.array_split(scaled, [len(samples) // 3])[0])
        last += list(scaled[::-1][: len(samples) // 3])
    found = judged(rounds)
    if len(first) < 4:
        assert found.drift is None
    else:
        assert found.drift == pytest.approx(np.median(last) / np.median(first) - 1)


def test_a_machine_that_heats_up_within_each_process_drifts() -> None:
    heating = steady(1) * np.linspace(1, 1.15, 20)
    found = judged(heating)
    assert found.troubles == (Instability.DRIFT,)
    assert found.drift == pytest.approx(0.1, abs=0.03)
    assert found.trend is not None
    rho = [scipy_stats.spearmanr(range(20), samples).statistic for samples in heating]
    assert found.trend == pytest.approx(sum(rho) * math.sqrt(19) / math.sqrt(3))
    cooling = judged(heating[:, ::-1])
    assert cooling.troubles == (Instability.DRIFT,)
    assert cooling.trend == pytest.approx(-found.trend)


def test_the_order_of_the_samples_alone_makes_no_drift() -> None:
    drifting = [Instability.DRIFT in judged(steady(seed, noise=0.2)).troubles for seed in range(200)]
    assert sum(drifting) <= scipy_stats.binom.ppf(0.999, 200, 0.01)
    assert not any(judged(steady(seed)).troubles for seed in range(20))


def test_processes_that_differ_are_wide_though_each_is_steady() -> None:
    found = judged(steady(1) * np.array([[1.0], [1.2], [1.4]]))
    assert found.troubles == (Instability.WIDE,)
    assert found.between is not None
    assert found.between > 10 * analysis.by_luck(found)


def test_many_outliers_and_samples_that_stayed_disturbed_are_troubles() -> None:
    samples = steady(1)
    samples[:, [0, 10, 19]] *= 3
    assert judged(samples).troubles == (Instability.OUTLIERS,)
    samples[:, [0, 19]] /= 3
    found = judged(samples, retaken=[4e-3, 5e-3], noisy="the clock fell, after 3 retakes too")
    assert found.troubles == (Instability.DISTURBED,)
    assert found.retaken == (4e-3, 5e-3)
    assert len(found.flagged) == 3


TWO_SPEEDS = (1.0, 2.0, 1.01, 1.99, 2.01, 1.0)


def test_processes_of_two_speeds_are_told_with_the_mean_of_each() -> None:
    found = judged(1e-3 * np.outer(TWO_SPEEDS, np.ones(20)))
    assert found.troubles == (Instability.WIDE, Instability.TWO_MODES)
    assert found.modes is not None
    assert (found.modes.below, found.modes.above) == (3, 3)
    assert found.modes.low == pytest.approx(scipy_stats.gmean([1e-3, 1.01e-3, 1e-3]))
    assert found.modes.high == pytest.approx(scipy_stats.gmean([2e-3, 1.99e-3, 2.01e-3]))
    assert judged(steady(1, rounds=6)).modes is None


def test_two_speeds_are_those_of_processes_and_not_of_samples() -> None:
    """Each process has both: their medians agree."""
    samples = 1e-3 * np.outer(np.ones(6), [1.0] * 12 + [2.0] * 8)
    found = judged(samples)
    assert found.modes is None
    assert Instability.TWO_MODES not in found.troubles


@pytest.mark.parametrize("retaken", ["much", 3, ["x", None, float("nan"), -1.0, 1e300, {}], {"a": 1}])
def test_what_a_file_calls_retaken_counts_as_far_as_it_is_times(retaken: object) -> None:
    assert judged(steady(1), retaken=retaken).retaken == ()


def test_a_case_that_was_not_timed_is_neither_steady_nor_not() -> None:
    [failed] = analysis.summarise([result(seconds=None, status="oom")])
    assert analysis.stability(failed) is None


def test_a_case_that_failed_in_a_round_is_neither_and_moves_no_level() -> None:
    rounds = [result("full", seconds=(factor * 1e-3,) * 3, round=n) for n, factor in enumerate((1, 3), 1)]
    half = [*rounds, result("full", seconds=None, round=3, status="error")]
    summaries = analysis.summarise(half)
    assert summaries[0].latency is not None
    assert analysis.stability(summaries[0]) is None
    assert analysis.round_levels(summaries) == {}
    assert analysis.common_shape(summaries) is None


@given(st.lists(st.lists(st.floats(1e-4, 1e-1), min_size=3, max_size=3), min_size=1, max_size=6))
def test_what_a_round_does_to_all_cases_is_its_level(cases: list[list[float]]) -> None:
    summaries = analysis.summarise(
        result("sdpa", 2**i, (seconds,) * 3, round=number)
        for i, rounds in enumerate(cases)
        for number, seconds in enumerate(rounds, 1)
    )
    table = np.array(cases)
    expected = np.median(table / scipy_stats.gmean(table, axis=1, keepdims=True), axis=0)
    assert list(analysis.round_levels(summaries).values()) == pytest.approx(list(expected))


def test_rounds_are_not_compared_where_there_is_one() -> None:
    assert analysis.round_levels(analysis.summarise([result()])) == {}


def test_the_common_shape_is_the_longest_where_most_was_timed() -> None:
    results = [
        *(result(name, n) for name in ("sdpa", "full") for n in (512, 1024)),
        result("sdpa", 2048), result("full", 2048, None, status="oom"), result("full", 256),
    ]  # fmt: skip
    summaries = analysis.summarise(results)
    assert analysis.common_shape(summaries) == result("sdpa", 1024).case.shape
    assert analysis.common_shape(summaries[-2:-1]) is None


def test_stop_reasons_are_counted_by_process() -> None:
    results = [result(round=i) for i in (1, 2)]
    results.append(replace(result("full"), details=ResultDetails(stop_reason="budget")))
    results.append(result("dct-x", seconds=None, status="error"))
    assert analysis.stop_reasons(analysis.summarise(results)) == {"precise": 2, "budget": 1}
