"""Paired differences and quotients against SciPy and against definitions in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from dctbench.stats.paired import mean_of, quotient

VALUES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=3, max_size=12)


@given(VALUES, st.floats(-1, 1))
def test_mean_interval_and_p_value_are_those_of_scipys_t_test(values: list[float], bound: float) -> None:
    assume(np.std(values) > 1e-4)
    found = mean_of(values)
    expected = scipy_stats.ttest_1samp(values, bound, alternative="greater")
    interval = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.p_above(bound) == pytest.approx(expected.pvalue, rel=1e-7, abs=1e-12)
    assert (found.interval().low, found.interval().high) == pytest.approx((interval.low, interval.high), rel=1e-7)


def test_equal_differences_are_sure() -> None:
    found = mean_of([0.25, 0.25, 0.25])
    assert (found.interval().low, found.interval().high) == (0.25, 0.25)
    assert (found.p_above(0.1), found.p_above(0.25)) == (0.0, 1.0)


@pytest.mark.parametrize("values", [[0.25, 0.25, 0.25], [0.25, 0.2501, 0.2499]])
def test_values_that_are_read_in_steps_are_not_known_better_than_one_step(values: list[float]) -> None:
    found = mean_of(values, step=0.01)
    assert found.error == pytest.approx(0.01 / math.sqrt(3))
    assert found.p_above(0.24) == pytest.approx(scipy_stats.t.sf(math.sqrt(3), 2))
    wide = [0.2, 0.3, 0.25]
    assert mean_of(wide, step=0.01) == mean_of(wide)


@pytest.mark.parametrize("values", [[0.1], []])
def test_one_repetition_has_no_standard_error(values: list[float]) -> None:
    with pytest.raises(ValueError, match="two repetitions"):
        mean_of(values)


@given(VALUES, st.randoms(use_true_random=False), st.sampled_from([0.0, 1e-6, 0.05, 0.5]))
def test_fiellers_ends_are_where_the_t_test_of_the_difference_turns(
    above: list[float], random: object, step: float
) -> None:
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    below = 1 + rng.normal(0, 0.05, len(above))
    assume(np.std(above) > 1e-3)
    found = quotient(above, list(below), step)
    assert found is not None
    count = len(above)
    t = scipy_stats.t.ppf(0.975, count - 1)
    for end in (found.low, found.high):
        left = np.array(above) - end * below
        statistic = left.mean() / (max(left.std(ddof=1), step) / math.sqrt(count))
        assert abs(statistic) == pytest.approx(t, rel=1e-5)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(np.mean(above) / np.mean(below))


def test_a_quotient_has_no_interval_if_the_divisor_may_be_zero() -> None:
    assert quotient([0.5, 0.6, 0.7], [0.1, -0.1, 0.05]) is None


def test_a_quotient_of_equal_values_is_one_without_doubt() -> None:
    found = quotient([0.4, 0.5, 0.6], [0.4, 0.5, 0.6])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))


def test_a_quotient_needs_pairs() -> None:
    with pytest.raises(ValueError, match="two pairs"):
        quotient([0.4], [0.4])
    with pytest.raises(ValueError, match="two pairs"):
        quotient([0.4, 0.5], [0.4, 0.5, 0.6])


def test_fiellers_interval_holds_the_true_quotient_in_95_percent_of_simulations() -> None:
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(2000):
        shared = rng.normal(0, 0.02, 5)
        below = 0.8 + shared + rng.normal(0, 0.02, 5)
        above = 0.8 * (0.8 + shared) + rng.normal(0, 0.03, 5)
        found = quotient(list(above), list(below))
        assert found is not None
        hits.append(found.low <= 0.8 <= found.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)
