"""Statistics against NumPy and SciPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from dctbench.stats import robust

SAMPLES = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60)


@given(SAMPLES, st.floats(0, 1))
def test_quantile_is_numpys_linear_one(samples: list[float], q: float) -> None:
    assert robust.quantile(samples, q) == pytest.approx(np.quantile(samples, q), rel=1e-9)


def test_the_ends_of_a_quantile_are_the_least_and_the_largest_sample() -> None:
    assert [robust.quantile([3.0, 1.0, 2.0], q) for q in (0, 1)] == [1.0, 3.0]
    for outside in (-1e-9, 1 + 1e-9):
        with pytest.raises(ValueError, match="needs samples and 0 <= q <= 1"):
            robust.quantile([1.0], outside)


@given(SAMPLES)
def test_mad_is_scipys(samples: list[float]) -> None:
    assert robust.median_absolute_deviation(samples) == pytest.approx(
        scipy_stats.median_abs_deviation(samples), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("count", [6, 7, 10, 20, 33, 100, 299, 1000])
def test_median_interval_has_the_coverage_it_claims_and_is_the_narrowest_that_does(count: int) -> None:
    low, high = robust.median_ranks(count)
    assert low + high == count - 1
    assert 1 - 2 * scipy_stats.binom.cdf(low, count, 0.5) >= 0.95
    assert 1 - 2 * scipy_stats.binom.cdf(low + 1, count, 0.5) < 0.95


def test_under_six_samples_the_interval_is_everything_there_is() -> None:
    interval = robust.median_interval([3.0, 1.0, 2.0])
    assert (interval.low, interval.value, interval.high) == (1.0, 2.0, 3.0)


@given(SAMPLES)
def test_the_interval_contains_its_median(samples: list[float]) -> None:
    interval = robust.median_interval(samples)
    assert interval.value == pytest.approx(float(np.median(samples)))
    assert interval.low <= interval.value <= interval.high


def test_outliers_are_those_above_the_median_only() -> None:
    assert robust.outliers([1.0, 1.01, 0.99, 1.02, 0.98, 5.0, 0.1]) == [5]
    assert robust.outliers([1.0] * 10) == []


@pytest.mark.parametrize(("distance", "found"), [(4.99, []), (5.01, [5])])
def test_an_outlier_is_five_standard_deviations_above_the_median(distance: float, found: list[int]) -> None:
    """The median of 0, 1, 1, 2, 3 and something large is 1.5, and the deviations from it have the median 1."""
    samples = [0.0, 1.0, 1.0, 2.0, 3.0, 1.5 + distance * 1.4826]
    assert scipy_stats.median_abs_deviation(samples) == pytest.approx(1.0)
    assert robust.outliers(samples) == found
    assert robust.outliers(samples, threshold=distance + 0.1) == []
    assert robust.outliers(samples, threshold=distance - 0.1) == [5]


def test_where_most_samples_are_equal_nothing_is_an_outlier() -> None:
    assert robust.outliers([1.0, 1.0, 1.0, 1.0, 9.0]) == []


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.99])
def test_an_interval_has_the_confidence_that_is_asked_for(confidence: float) -> None:
    samples = [float(i) for i in range(1, 101)]
    found = robust.median_interval(samples, confidence)
    rank = int(found.low) - 1
    assert scipy_stats.binom.cdf(rank, 100, 0.5) <= (1 - confidence) / 2 < scipy_stats.binom.cdf(rank + 1, 100, 0.5)
    assert found.high == 101 - found.low
    values = [1.0, 2.0, 5.0]
    between = robust.log_mean_interval(values, confidence)
    expected = scipy_stats.t.interval(confidence, 2, np.mean(np.log(values)), scipy_stats.sem(np.log(values)))
    assert (between.low, between.high) == pytest.approx(np.exp(expected), rel=1e-9)


def test_95_percent_is_the_confidence_of_an_interval_without_one() -> None:
    samples = [float(i) for i in range(1, 101)]
    assert robust.median_interval(samples) == robust.median_interval(samples, 0.95)
    assert robust.log_mean_interval([1.0, 2.0, 4.0]) == robust.log_mean_interval([1.0, 2.0, 4.0], 0.95)
    thousand = list(range(1000))
    assert robust.quantile_upper_bound(thousand, 0.9) == robust.quantile_upper_bound(thousand, 0.9, 0.95)


SMALL = st.lists(st.integers(0, 5).map(float), min_size=0, max_size=12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_equal_values_share_their_mean_rank(values: list[float]) -> None:
    assert robust.mean_ranks(values) == [rank - 1 for rank in scipy_stats.rankdata(values)]


@given(SMALL.filter(lambda values: len(set(values)) > 1))
def test_the_trend_of_one_group_is_spearmans(values: list[float]) -> None:
    rho = scipy_stats.spearmanr(range(len(values)), values).statistic
    assert robust.trend([values]) == pytest.approx(rho * math.sqrt(len(values) - 1))


@given(st.lists(SMALL.map(lambda values: values[:4]), min_size=1, max_size=3))
def test_a_trend_is_in_standard_deviations_over_all_orders(groups: list[list[float]]) -> None:
    def covariance(values: Sequence[float]) -> float:
        return float(np.dot(np.arange(len(values)), scipy_stats.rankdata(values) - (len(values) + 1) / 2))

    over_orders = [[covariance(order) for order in permutations(values)] for values in groups if values]
    variance = sum(np.mean(np.square(found)) for found in over_orders)
    expected = sum(covariance(values) for values in groups if values) / math.sqrt(variance) if variance > 1e-9 else 0.0
    assert robust.trend(groups) == pytest.approx(expected)


def test_no_samples_have_no_quantile_and_no_median() -> None:
    with pytest.raises(ValueError, match=r"^a quantile needs samples"):
        robust.quantile([], 0.5)
    with pytest.raises(ValueError, match=r"^a median needs at least one sample$"):
        robust.median_interval([])


@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=12))
def test_the_interval_between_processes_is_the_textbook_one_on_logs(values: list[float]) -> None:
    found = robust.log_mean_interval(values)
    logs = np.log(values)
    half = scipy_stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    assert found.value == pytest.approx(scipy_stats.gmean(values))
    assert found.low == pytest.approx(np.exp(logs.mean() - half), rel=1e-6)
    assert found.high == pytest.approx(np.exp(logs.mean() + half), rel=1e-6)


def test_a_bound_on_p99_takes_299_samples() -> None:
    assert robust.quantile_upper_bound(range(298), 0.99) is None
    assert robust.quantile_upper_bound(range(299), 0.99) == 298
    assert robust.quantile_upper_bound(range(2000), 0.99) == scipy_stats.binom.ppf(0.95, 2000, 0.99)


@pytest.mark.parametrize("call", [lambda: robust.log_mean_interval([1.0]),
                                  lambda: robust.log_mean_interval([1.0, 0.0])])  # fmt: skip
def test_intervals_of_no_samples_raise(call: object) -> None:
    with pytest.raises(ValueError, match="at least"):
        call()  # type: ignore[operator]
