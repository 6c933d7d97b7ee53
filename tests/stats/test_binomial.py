"""Exact bounds of counted proportions, against the beta distribution of SciPy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dctbench.stats.binomial import lower_bound, trials_for, upper_bound


@given(st.integers(1, 5000), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
def test_bounds_are_those_of_clopper_and_pearson(total: int, data: st.DataObject, confidence: float) -> None:
    count = data.draw(st.integers(0, total))
    upper = 1.0 if count == total else stats.beta.ppf(confidence, count + 1, total - count)
    lower = 0.0 if count == 0 else stats.beta.ppf(1 - confidence, count, total - count + 1)
    assert upper_bound(count, total, confidence) == pytest.approx(upper, abs=1e-9)
    assert lower_bound(count, total, confidence) == pytest.approx(lower, abs=1e-9)


def test_no_count_in_299_trials_bounds_a_rate_by_one_percent() -> None:
    assert trials_for(0.01) == 299
    assert upper_bound(0, 299) <= 0.01 < upper_bound(0, 298)
    assert trials_for(0.001) == 2995


@pytest.mark.parametrize(("count", "total"), [(-1, 3), (4, 3), (0, 0)])
def test_what_is_no_proportion_is_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        upper_bound(count, total)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_no_number_of_trials_shows_a_rate_of_zero(rate: float) -> None:
    with pytest.raises(ValueError, match="no number"):
        trials_for(rate)
