"""The midpoint of a psychometric curve and its interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from dctbench.stats.midpoint import midpoint

WIDTHS = [1, 2, 4, 8, 16]


def test_the_midpoint_is_interpolated_over_the_logarithm_of_the_width() -> None:
    found = midpoint(WIDTHS, [[0.1, 0.4, 0.8, 1, 1]])
    assert found.value == pytest.approx(2 * 2 ** ((0.5 - 0.4) / (0.8 - 0.4)))
    assert (found.low, found.high, found.beyond) == (None, None, None)


@given(st.floats(0.2, 3.8))
def test_the_midpoint_of_a_straight_line_is_where_numpy_puts_it(octave: float) -> None:
    curve = 0.5 + 0.1 * (np.log2(WIDTHS) - octave)
    found = midpoint(WIDTHS, [list(curve)] * 3)
    expected = 2 ** np.interp(0.5, curve, np.log2(WIDTHS))
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((expected, expected), rel=1e-6)


def test_of_several_passes_the_one_at_the_widest_width_counts() -> None:
    assert midpoint(WIDTHS, [[0.9, 0.2, 0.8, 0.2, 0.8]]).value == pytest.approx(8 * math.sqrt(2))


def test_a_curve_above_one_half_everywhere_is_finer_than_the_narrowest_width() -> None:
    found = midpoint(WIDTHS, [[0.9, 1, 1, 1, 1], [0.8, 1, 1, 1, 1], [0.85, 1, 1, 1, 1]])
    assert (found.value, found.beyond, found.low, found.high) == (None, "finer", None, 1)


def test_a_curve_below_one_half_everywhere_is_coarser_than_the_widest_width() -> None:
    found = midpoint(WIDTHS, [[0, 0, 0, 0, 0.1], [0, 0, 0.01, 0, 0.2], [0.02, 0, 0, 0, 0.1]])
    assert (found.value, found.beyond, found.low, found.high) == (None, "coarser", 16, None)


def test_equal_curves_prove_no_more_than_one_answer_is_worth() -> None:
    """Two equal seeds at 0.51: Student's t with a standard deviation of one step reaches from 0.51 to 0.5."""
    curves = [[0.51, 0.9, 1, 1, 1]] * 2
    reaches = 0.01 / scipy_stats.t.ppf(0.975, 1) * math.sqrt(2)
    assert midpoint(WIDTHS, curves, step=0.99 * reaches).proven
    assert not midpoint(WIDTHS, curves, step=1.01 * reaches).proven


def test_the_ends_are_where_scipys_t_test_turns() -> None:
    rng = np.random.default_rng(3)
    curves = np.clip(np.array([0.1, 0.3, 0.7, 0.95, 1.0]) + rng.normal(0, 0.05, (5, 5)), 0, 1)
    found = midpoint(WIDTHS, curves.tolist())
    assert found.low is not None
    assert found.high is not None
    for end in (found.low, found.high):
        there = [np.interp(math.log(end), np.log(WIDTHS), curve) for curve in curves]
        assert scipy_stats.ttest_1samp(there, 0.5).pvalue == pytest.approx(0.05, abs=1e-6)


def test_an_interval_that_reaches_an_end_is_open_there() -> None:
    curves = [[0.45, 0.9, 1, 1, 1], [0.55, 0.9, 1, 1, 1], [0.40, 0.9, 1, 1, 1]]
    found = midpoint(WIDTHS, curves)
    assert found.low is None
    assert found.value is not None
    assert found.high is not None
    assert 1 < found.value < found.high < 2


@pytest.mark.parametrize(("widths", "curves"), [([1], [[0.5]]), ([1, 2], []), ([1, 2], [[0.5]])])
def test_a_midpoint_needs_two_widths_and_a_curve(widths: list[int], curves: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least two widths"):
        midpoint(widths, curves)


def test_the_interval_holds_the_true_midpoint_in_95_percent_of_simulations() -> None:
    rng = np.random.default_rng(4)
    true = np.array([0.15, 0.35, 0.8, 0.97, 1.0])
    middle = 2 * 2 ** ((0.5 - 0.35) / (0.8 - 0.35))
    hits = []
    for _ in range(1000):
        curves = true + rng.normal(0, 0.04, (4, 1)) + rng.normal(0, 0.02, (4, 5))
        found = midpoint(WIDTHS, curves.tolist())
        hits.append((found.low or 0) <= middle <= (found.high or math.inf))
    assert np.mean(hits) == pytest.approx(0.95, abs=0.02)
