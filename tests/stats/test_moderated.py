"""Moderated variances: against the model that they assume, drawn by NumPy, and at its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from dctbench.stats.distributions import f_upper_quantile
from dctbench.stats.moderated import LEAST_CASES, NOTHING_KNOWN, Prior, Spread, fit_prior, levels, spread_of

DEGREES = 2


def drawn(
    cases: int, prior_degrees: float, seed: int, slope: float = -0.6, level: float = 0.02
) -> tuple[list[Spread], list[float]]:
    """Spreads by Smyth's model: 1 / sigma^2 ~ chi^2(d0) / (d0 s0^2), s^2 ~ sigma^2 chi^2(d) / d."""
    rng = np.random.default_rng(seed)
    seconds = np.exp(rng.uniform(math.log(1e-4), math.log(1.0), cases))
    expected = level * (seconds / 1e-2) ** slope
    true = expected * prior_degrees / rng.chisquare(prior_degrees, cases)
    found = true * rng.chisquare(DEGREES, cases) / DEGREES
    return [Spread(float(one), DEGREES) for one in found], [float(one) for one in seconds]


@pytest.mark.parametrize("logs", [[-7.0, -6.5], [-7.0, -6.9, -6.0], [3.0] * 4])
def test_a_spread_is_the_sample_variance_with_its_degrees_of_freedom(logs: list[float]) -> None:
    found = spread_of(logs)
    assert found.variance == pytest.approx(np.var(logs, ddof=1))
    assert found.degrees == len(logs) - 1


def test_a_sum_of_independent_parts_has_the_degrees_of_freedom_of_satterthwaite() -> None:
    """Equal parts with equal degrees have twice as many; a part without variance adds none."""
    assert Spread(0.02, 4).plus(Spread(0.02, 4)) == Spread(0.04, 8)
    assert Spread(0.02, 4).plus(Spread(0.0, 1)) == Spread(0.02, 4)
    assert Spread(0.0, 4).plus(Spread(0.0, 1)) == Spread(0.0, 4)
    assert Spread(0.03, 3).plus(Spread(0.01, 1)).degrees == pytest.approx(0.04**2 / (0.03**2 / 3 + 0.01**2), abs=1 / 16)


def test_levels_are_the_median_differences_of_the_cases_from_their_own_means() -> None:
    cases = [{1: 0.0, 2: 0.2}, {1: -5.0, 2: -4.8}, {1: 1.0, 2: 3.0}, {2: 7.0}]
    assert levels(cases) == pytest.approx({1: -0.1, 2: 0.1})
    assert levels([]) == {}


def test_the_prior_is_that_of_the_model() -> None:
    prior = fit_prior(*drawn(20_000, 3.0, seed=1))
    assert prior.degrees == pytest.approx(3.0, rel=0.25)  # winsorising trusts the cases a little more
    assert prior.slope == pytest.approx(-0.6, abs=0.03)
    assert prior.at(1e-2) == pytest.approx(0.02, rel=0.1)


def test_prior_degrees_are_capped_where_all_cases_are_alike() -> None:
    assert fit_prior(*drawn(2_000, 500.0, seed=2)).degrees == 4.0


def test_a_few_wild_cases_do_not_move_the_trend() -> None:
    spreads, seconds = drawn(100, 4.0, seed=3)
    wild = [Spread(one.variance * 1e4, one.degrees) if i % 25 == 0 else one for i, one in enumerate(spreads)]
    plain, disturbed = fit_prior(spreads, seconds), fit_prior(wild, seconds)
    assert disturbed.at(1e-2) == pytest.approx(plain.at(1e-2), rel=0.5)
    assert disturbed.slope == pytest.approx(plain.slope, abs=0.2)


def test_the_moderated_variance_is_the_mean_weighted_by_degrees_of_freedom() -> None:
    prior = Prior(math.log(0.02), 0.0, 4.0)
    found = prior.moderate(Spread(0.05, 2), 1e-3)
    assert found.variance == pytest.approx((4 * 0.02 + 2 * 0.05) / 6)
    assert found.degrees == 6


def test_a_variance_that_the_model_cannot_explain_is_kept() -> None:
    prior = Prior(math.log(0.02), 0.0, 4.0)
    limit = 0.02 * 18.0  # the 99th percentile of F(2, 4) is 18.0
    assert prior.moderate(Spread(limit * 1.01, 2), 1e-3) == Spread(limit * 1.01, 2)
    assert prior.moderate(Spread(limit * 0.99, 2), 1e-3).degrees == 6


def test_the_limit_of_a_variance_is_computed_once_for_equal_degrees_of_freedom() -> None:
    prior = Prior(math.log(0.02), -0.3, 3.7)
    before = f_upper_quantile.cache_info().misses
    for number in range(1, 1001):
        prior.moderate(Spread(0.001 * number, 5), 1e-5 * number)
    assert f_upper_quantile.cache_info().misses - before <= 1


@given(st.floats(1e-6, 1e2), st.integers(1, 20), st.floats(0.1, 4))
def test_a_variance_is_kept_where_its_probability_is_below_one_percent(
    variance: float, degrees: int, prior_degrees: float
) -> None:
    probability = stats.f.sf(variance / 0.02, degrees, prior_degrees)
    assume(abs(probability - 0.01) > 1e-6)
    prior, spread = Prior(math.log(0.02), 0.0, prior_degrees), Spread(variance, degrees)
    assert (prior.moderate(spread, 1e-3) == spread) == (probability < 0.01)


def test_few_cases_or_no_noise_at_all_say_nothing_about_others() -> None:
    spreads, seconds = drawn(LEAST_CASES - 1, 4.0, seed=4)
    assert fit_prior(spreads, seconds) == NOTHING_KNOWN
    assert NOTHING_KNOWN.moderate(spreads[0], 1.0) == spreads[0]
    assert fit_prior([Spread(0.0, 2)] * 20, [1e-3] * 20) == NOTHING_KNOWN


def test_cases_of_one_latency_and_one_case_without_noise_have_a_prior() -> None:
    spreads = [*drawn(30, 4.0, seed=5, slope=0.0)[0], Spread(0.0, 2)]
    prior = fit_prior(spreads, [1e-3] * 31)
    assert prior.slope == 0.0
    assert 0.005 < prior.at(1e-3) < 0.08
