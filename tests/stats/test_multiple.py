"""Corrections for several claims, against their definitions and SciPy."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dctbench.stats.multiple import benjamini_hochberg, holm


@given(st.lists(st.floats(0, 1), max_size=6), st.floats(0.001, 0.2))
def test_holm_is_the_closure_of_bonferroni(p_values: list[float], alpha: float) -> None:
    # A claim holds if Bonferroni rejects every set of null hypotheses that contains its own.
    everyone = range(len(p_values))
    for i, held in enumerate(holm(p_values, alpha)):
        sets = (s for size in range(1, len(p_values) + 1) for s in itertools.combinations(everyone, size) if i in s)
        assert held == all(min(p_values[j] for j in s) <= alpha / len(s) for s in sets)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=12))
def test_claims_of_a_limited_false_discovery_rate_are_those_of_scipy(thousandths: list[int]) -> None:
    p_values = [number / 1000 + 1e-6 for number in thousandths]  # never just at the limit, where rounding decides
    adjusted = stats.false_discovery_control(p_values, method="bh")
    assert benjamini_hochberg(p_values, 0.05) == [bool(p <= 0.05) for p in adjusted]


def test_no_claims_hold_none() -> None:
    assert benjamini_hochberg([], 0.05) == holm([], 0.05) == []
