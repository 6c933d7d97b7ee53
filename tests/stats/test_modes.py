"""Two centres are found where there are two, and chance seldom shows them."""

from __future__ import annotations

import numpy as np
import pytest

from dctbench.stats.modes import CHANCE, two_modes


@pytest.mark.parametrize("count", [4, 5, 6, 7, 8, 9, 10, 12, 15, 20])
def test_values_around_one_centre_look_like_two_as_often_as_is_said(count: int) -> None:
    """For counts between two entries of the table the test is that of fewer values, which asks for more."""
    rng = np.random.default_rng(count)
    drawn = np.exp(rng.normal(0, 0.3, (4000, count)))  # so wide that every gap is wide enough to be of interest
    found = np.mean([two_modes(row) is not None for row in drawn.tolist()])
    assert (0 if count == 9 else CHANCE / 2) <= found <= 2 * CHANCE


@pytest.mark.parametrize("count", range(4, 26))
def test_centres_far_apart_are_found(count: int) -> None:
    """20 standard deviations, and 40 for the fewest values, of which the deviation is hardly known."""
    rng = np.random.default_rng(count)
    logs = rng.normal(0, 0.01, (200, count))
    logs[:, : count // 2] += 0.01 * (20 if count > 5 else 40)
    found = [two_modes(row) for row in np.exp(logs).tolist()]
    counted = [one is not None and (one.below, one.above) == (count - count // 2, count // 2) for one in found]
    assert np.mean(counted) >= 0.9


def test_two_centres_are_told_with_their_values() -> None:
    found = two_modes([2.0, 3.1, 2.02, 1.98, 3.0, 2.9])
    assert found is not None
    assert (found.below, found.above) == (3, 3)
    assert (found.low, found.high) == pytest.approx((np.cbrt(2.0 * 2.02 * 1.98), np.cbrt(3.1 * 3.0 * 2.9)))


def test_two_equal_pairs_are_two_modes_and_equal_values_are_one() -> None:
    assert two_modes([1.0, 2.0, 1.0, 2.0]) is not None
    assert two_modes([1.0] * 6) is None


def test_one_value_far_away_is_an_outlier_and_three_values_say_nothing() -> None:
    assert two_modes([2.0, 2.01, 1.99, 2.0, 2.02, 9.0]) is None
    assert two_modes([1.0, 2.0, 2.0]) is None


def test_a_gap_of_a_few_percent_is_of_no_interest() -> None:
    assert two_modes([1.0, 1.05, 1.0, 1.05, 1.0, 1.05]) is None
