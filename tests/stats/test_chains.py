"""Chains of claims: Holm's procedure, fixed sequences, and the error rate of both together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from dctbench.stats.chains import chains
from dctbench.stats.multiple import holm

P = st.floats(0, 1)


@given(st.lists(P, max_size=8))
def test_chains_of_one_claim_are_holms_procedure(p_values: list[float]) -> None:
    assert [bool(n) for n in chains([[p] for p in p_values], 0.05)] == holm(p_values, 0.05)


@given(st.lists(P, max_size=6))
def test_a_single_chain_is_tested_in_sequence_at_the_full_level(p_values: list[float]) -> None:
    failed = [i for i, p in enumerate(p_values) if p > 0.05]
    assert chains([p_values], 0.05) == [failed[0] if failed else len(p_values)]


def test_a_claim_after_one_that_failed_is_not_tested() -> None:
    assert chains([[0.001, 0.5, 0.0001]], 0.05) == [1]


def test_a_finished_chain_passes_its_share_on() -> None:
    assert chains([[0.04], [0.02]], 0.05) == [1, 1]
    assert chains([[0.04], [0.03]], 0.05) == [0, 0]
    assert chains([[0.04], [0.02, 0.9]], 0.05) == [0, 1]


def test_any_false_claim_in_three_chains_is_at_most_as_likely_as_the_level() -> None:
    rng = np.random.default_rng(2)
    false = 0
    truths = [2, 0, 1]  # of the four claims of each chain, how many are true
    shift = np.array([[6 if place < true else 0 for place in range(4)] for true in truths])
    for p_values in scipy_stats.norm.sf(rng.normal(shift, 1, (4000, 3, 4))).tolist():
        held = chains(p_values, 0.05)
        false += any(count > true for count, true in zip(held, truths, strict=True))
    assert false / 4000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
    assert false / 4000 >= 0.02  # the level is used, not wasted
