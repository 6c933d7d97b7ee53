"""Distributions against SciPy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from scipy import stats as scipy_stats

from dctbench.stats import distributions

DEGREES = [1, 1.5, 2, 3, 4, 5.25, 9, 30, 200]


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.999])
def test_quantiles_of_students_t_are_scipys(degrees: float, confidence: float) -> None:
    expected = scipy_stats.t.ppf((1 + confidence) / 2, degrees)
    assert distributions.student_t_quantile(degrees, confidence) == pytest.approx(expected, rel=1e-9)


@given(st.floats(1e-3, 1e4), st.sampled_from(DEGREES))
def test_tails_of_students_t_are_scipys(t: float, degrees: float) -> None:
    expected = 2 * scipy_stats.t.sf(t, degrees)
    assert distributions.student_t_two_sided(t, degrees) == pytest.approx(expected, rel=1e-8)
    assert distributions.student_t_two_sided(-t, degrees) == distributions.student_t_two_sided(t, degrees)


def test_an_infinite_t_has_no_tail() -> None:
    assert distributions.student_t_two_sided(float("inf"), 2) == 0.0


@given(st.floats(1e-3, 1e4), st.floats(0.5, 100), st.floats(0.5, 100))
def test_tails_of_f_are_scipys(ratio: float, above: float, below: float) -> None:
    expected = scipy_stats.f.sf(ratio, above, below)
    assert distributions.f_upper_tail(ratio, above, below) == pytest.approx(expected, rel=1e-7, abs=1e-12)


@given(st.floats(1e-4, 0.5), st.floats(0.5, 100), st.floats(0.5, 100))
def test_quantiles_of_f_are_scipys(probability: float, above: float, below: float) -> None:
    expected = scipy_stats.f.isf(probability, above, below)
    assert distributions.f_upper_quantile(probability, above, below) == pytest.approx(expected, rel=1e-5)


def test_hardly_any_degree_of_freedom_has_a_quantile_beyond_all_ratios() -> None:
    assert distributions.f_upper_quantile(0.01, 2, 0.001) > 1e290


@given(st.floats(1e-3, 1e6))
def test_digamma_and_trigamma_are_scipys_and_trigamma_has_its_inverse(x: float) -> None:
    assert distributions.digamma(x) == pytest.approx(special.digamma(x), rel=1e-9, abs=1e-11)
    assert distributions.trigamma(x) == pytest.approx(special.polygamma(1, x), rel=1e-10)
    assert distributions.inverse_trigamma(distributions.trigamma(x)) == pytest.approx(x, rel=1e-6)


@pytest.mark.parametrize("degrees", [0, -1])
def test_students_t_needs_degrees_of_freedom(degrees: float) -> None:
    with pytest.raises(ValueError, match="degrees of freedom"):
        distributions.student_t_quantile(degrees)
