"""The sequential tests against enumerations of all signs and orders, and against SciPy."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dctbench.stats.sequential import least_paired_p, paired_p

changes = st.lists(st.floats(-2, 2, allow_subnormal=False), min_size=1, max_size=8)


@given(changes, st.floats(0.01, 1))
@settings(max_examples=40)
def test_stopping_at_will_alarms_at_most_as_often_as_the_level_under_random_signs(sizes, tolerance):
    # For equal code all 2^n signs are equally likely. Looking after every pair stops at the first p <= level.
    level = 0.05
    alarms = 0
    for signs in itertools.product((1, -1), repeat=len(sizes)):
        seen = [sign * size for sign, size in zip(signs, sizes, strict=True)]
        alarms += any(paired_p(seen[:k], tolerance) <= level for k in range(1, len(seen) + 1))
    assert alarms <= level * 2 ** len(sizes)


def test_eight_pairs_far_beyond_the_tolerance_give_nearly_the_p_value_of_a_sign_test():
    assert paired_p([0.4] * 8, 0.1) == pytest.approx(1 / 1.95**8, rel=0.01)
    assert paired_p([0.4] * 5, 0.1) > 1 / 2**5
    assert least_paired_p(8) == pytest.approx(paired_p([9.0] * 8, 0.1))


def test_no_single_pair_counts_for_more_than_a_factor_of_two():
    assert paired_p([50.0], 0.1) == pytest.approx(1 / 1.95)
    assert paired_p([50.0, -1e-4, 0.0], 0.1) > 0.5


@pytest.mark.parametrize("cases", [1, 10, 12])
def test_one_pair_far_in_the_other_direction_is_compensated_within_a_usual_check(cases):
    one_in_fifteen = [-2.0] + [math.log(1.4)] * 14
    assert paired_p(one_in_fifteen, 0.1) <= 0.05 / cases


def test_changes_in_the_other_direction_are_no_evidence():
    assert paired_p([-0.3] * 10, 0.1) == 1.0
    assert paired_p([], 0.1) == 1.0


def test_the_step_of_one_tolerance_counts_for_most_of_a_pair():
    assert 1 / paired_p([math.log(1.1)], 0.1) == pytest.approx(1 + 0.95 * 0.964, abs=1e-3)
