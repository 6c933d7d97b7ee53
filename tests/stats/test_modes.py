"""Two centres are found where there are two, and chance seldom shows them."""

from __future__ import annotations

import numpy as np
import pytest

from dctbench.stats.modes import CHANCE, two_modes


@pytest.mark.parametrize("count", [4, 6, 9, 20])
def test_values_around_one_centre_seldom_look_like_two(count: int) -> None:
    rng = np.random.default_rng(count)
    drawn = np.exp(rng.normal(0, 0.3, (4000, count)))  # so wide that every gap is wide enough to be of interest
    assert np.mean([two_modes(row) is not None for row in drawn.tolist()]) <= 2 * CHANCE


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
