"""Statistics against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from dctbench import stats

SAMPLES = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60)


@given(SAMPLES, st.floats(0, 1))
def test_quantile_is_numpys_linear_one(samples: list[float], q: float) -> None:
    assert stats.quantile(samples, q) == pytest.approx(np.quantile(samples, q), rel=1e-9)


@given(SAMPLES)
def test_mad_is_scipys(samples: list[float]) -> None:
    assert stats.median_absolute_deviation(samples) == pytest.approx(
        scipy_stats.median_abs_deviation(samples), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("count", [6, 7, 10, 20, 33, 100, 299, 1000])
def test_median_interval_has_the_coverage_it_claims_and_is_the_narrowest_that_does(count: int) -> None:
    low, high = stats.median_ranks(count)
    assert low + high == count - 1
    assert 1 - 2 * scipy_stats.binom.cdf(low, count, 0.5) >= 0.95
    assert 1 - 2 * scipy_stats.binom.cdf(low + 1, count, 0.5) < 0.95


def test_under_six_samples_the_interval_is_everything_there_is() -> None:
    interval = stats.median_interval([3.0, 1.0, 2.0])
    assert (interval.low, interval.value, interval.high) == (1.0, 2.0, 3.0)


@given(SAMPLES)
def test_the_interval_holds_its_median(samples: list[float]) -> None:
    interval = stats.median_interval(samples)
    assert interval.value == pytest.approx(float(np.median(samples)))
    assert interval.holds(interval.value)


def test_outliers_are_counted_above_the_median_only() -> None:
    assert stats.outliers([1.0, 1.01, 0.99, 1.02, 0.98, 5.0, 0.1]) == 1
    assert stats.outliers([1.0] * 10) == 0


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20))
def test_geometric_mean_is_scipys(values: list[float]) -> None:
    assert stats.geometric_mean(values) == pytest.approx(float(scipy_stats.gmean(values)), rel=1e-9)


@pytest.mark.parametrize("call", [lambda: stats.quantile([], 0.5), lambda: stats.quantile([1.0], 2),
                                  lambda: stats.median_interval([]), lambda: stats.geometric_mean([0.0])])  # fmt: skip
def test_nonsense_raises(call: object) -> None:
    with pytest.raises(ValueError, match="needs"):
        call()  # type: ignore[operator]
