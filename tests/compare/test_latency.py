"""The decision on latencies, from changes made by hand: each condition of "slower" alone, and what ends a case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import stats as scipy_stats

from dctbench.analysis.between import CLOCK_STEP, CLOCK_STEPS
from dctbench.compare import Rules
from dctbench.compare.change import Paired, Unpaired
from dctbench.compare.latency import LatencyCall, Timed, latency_calls
from dctbench.compare.rules import FLOORS
from dctbench.model import Case

CASE = Case("dct-x", 1024, 8)
RULES = Rules(latency=0.10, pairs=5, max_pairs=15)
STILL = {"sdpa": 1.0, "none": 1.0}


def pairs(ratios: Sequence[float], drifts: Mapping[str, float] = STILL, **timed: float) -> Timed:
    change = Paired(tuple(math.log(ratio) for ratio in ratios), drifts)
    return Timed(CASE, change, None, tuple(drifts), timed.get("seconds", 2e-3), timed.get("floor", 1e-4), 1e-7)


def processes(base: Sequence[float], head: Sequence[float], raw: float = 1.0) -> Timed:
    """Ratios to the reference on either side; `raw` is the change of the seconds, one process after the other."""
    seconds, ratios = ((1.0,) * len(base), (raw,) * len(head)), {"sdpa": (tuple(base), tuple(head))}
    return Timed(CASE, Unpaired(seconds, ratios, 2e-3, looks=2), "sdpa", (), 2e-3, 1e-4, 1e-7)


def call(one: Timed, rules: Rules = RULES, others: int = 0) -> LatencyCall:
    """The decision on one case beside `others` that did not change."""
    beside = {Case("dct-x", 64 * n, 4): pairs([1.0] * 5) for n in range(1, others + 1)}
    return latency_calls({CASE: one, **beside}, rules)[CASE]


def test_a_change_that_the_references_do_not_share_is_slower() -> None:
    assert call(pairs([1.5] * 10)) is LatencyCall.SLOWER


@pytest.mark.parametrize("moved", ["sdpa", "none"])
def test_a_change_that_one_reference_shares_is_open_and_then_disputed(moved: str) -> None:
    drifts = {**STILL, moved: 1.5}
    assert call(pairs([1.5] * 10, drifts)) is LatencyCall.OPEN
    assert call(pairs([1.5] * 15, drifts)) is LatencyCall.DISPUTED


def test_a_case_that_stayed_while_its_references_became_faster_is_disputed() -> None:
    assert call(pairs([1.0] * 15, {**STILL, "sdpa": 0.6})) is LatencyCall.DISPUTED


def test_a_median_beyond_the_tolerance_that_the_test_does_not_prove_is_unproven() -> None:
    assert call(pairs([1.5] * 8 + [0.67] * 7)) is LatencyCall.UNPROVEN


def test_a_proof_is_shared_among_all_cases_of_the_gate() -> None:
    """Five pairs far beyond the tolerance give 1.95^-5 = 0.035: enough for one case, and not for two."""
    assert call(pairs([4.0] * 5)) is LatencyCall.SLOWER
    assert call(pairs([4.0] * 5), others=1) is LatencyCall.OPEN
    assert call(pairs([4.0] * 7), others=1) is LatencyCall.SLOWER


@pytest.mark.parametrize("gain", [False, True])
def test_two_looks_at_a_stored_run_are_paid_for_by_a_loss_and_by_a_gain(gain: bool) -> None:
    base, head = (1.0, 1.3, 0.8, 1.1), (2.0, 1.5, 1.7, 2.2, 1.4)
    once = scipy_stats.ttest_ind(np.log(head), np.log(base), alternative="greater").pvalue
    one = processes(head, base, raw=0.5) if gain else processes(base, head)
    p_values = one.change.p_faster("sdpa", 0.1), one.change.p_slower("sdpa", 0.1)
    assert p_values == pytest.approx((2 * once, 1.0) if gain else (1.0, 2 * once))
    most = math.floor(0.05 / (2 * once))  # so many cases can share the level
    rules = Rules(latency=0.10, pairs=4 if gain else 5, max_pairs=15)
    called = LatencyCall.FASTER if gain else LatencyCall.SLOWER
    assert math.floor(0.05 / once) > most > 1
    assert call(one, rules, others=most - 1) is called
    assert call(one, rules, others=most) is LatencyCall.OPEN


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        (1.09, LatencyCall.WITHIN),
        (1.11, LatencyCall.OPEN),
        (1 / 1.09, LatencyCall.WITHIN),
        (1 / 1.11, LatencyCall.OPEN),
    ],
)
@pytest.mark.parametrize("name", ["sdpa", "none"])
def test_references_that_moved_by_more_than_a_tenth_take_more_pairs_before_anything_passes(
    name: str, moved: float, said: LatencyCall
) -> None:
    rules = Rules(latency=0.5, pairs=5, max_pairs=15)
    assert call(pairs([1.0, 1.01, 0.99, 1.0, 1.0], {**STILL, name: moved}), rules) is said
    assert call(pairs([1.0, 1.01, 0.99] * 5, {**STILL, name: moved}), rules) is LatencyCall.WITHIN


def test_a_case_passes_early_only_if_its_whole_interval_is_within_the_tolerance() -> None:
    assert call(pairs([1.0, 1.02, 0.98, 1.0, 1.0])) is LatencyCall.WITHIN
    assert call(pairs([1.0, 1.3, 0.8, 1.0, 1.0])) is LatencyCall.OPEN
    assert call(pairs([1.0, 1.3, 0.8, 1.0, 1.0] * 3)) is LatencyCall.WITHIN


def test_a_change_whose_interval_stays_under_the_floor_passes_early_whatever_its_share() -> None:
    ratios = [1.2, 1.25, 1.3, 1.25, 1.2]
    assert call(pairs(ratios, seconds=1e-4)) is LatencyCall.WITHIN
    assert call(pairs(ratios, seconds=3.8e-4)) is LatencyCall.OPEN  # the interval ends above it, the median below
    assert call(pairs([4.0] * 5, seconds=3e-5)) is LatencyCall.WITHIN
    assert call(pairs([4.0] * 5, seconds=4e-5)) is LatencyCall.SLOWER


@pytest.mark.parametrize(("seconds", "said"), [(0.9e-7, LatencyCall.WITHIN), (1.1e-7, LatencyCall.FASTER)])
def test_a_case_is_not_faster_by_less_than_a_step_of_the_clock(seconds: float, said: LatencyCall) -> None:
    """The reference takes twice as long in head. The case takes 2 ms less `seconds`; the clock has steps of 0.1 µs."""
    one = processes((1.0, 1.01, 0.99, 1.0, 1.0), (0.5, 0.51, 0.49, 0.5, 0.5), raw=1 - seconds / 2e-3)
    assert call(one, Rules(latency=0.10, pairs=5, max_pairs=5, confirm=False)) is said


def test_the_floor_of_every_device_is_longer_than_a_step_of_its_clock() -> None:
    assert all(floor > CLOCK_STEPS.get(kind, CLOCK_STEP) for kind, floor in FLOORS.items())


def test_fewer_pairs_than_the_rules_want_decide_nothing() -> None:
    assert call(pairs([4.0] * 4), Rules(latency=0.1, pairs=5, max_pairs=5)) is LatencyCall.OPEN
    assert call(pairs([1.0] * 4)) is LatencyCall.OPEN


def test_one_process_alone_does_not_show_that_a_case_stayed_within_the_tolerance() -> None:
    assert call(pairs([1.0]), Rules(latency=0.1, pairs=1, max_pairs=5)) is LatencyCall.OPEN
    assert call(processes((1.0,), (1.0,)), Rules(latency=0.1, pairs=1, max_pairs=5)) is LatencyCall.OPEN


def test_a_gain_is_beyond_the_tolerance_and_the_floor_and_its_seconds_are_fewer() -> None:
    assert call(pairs([0.5] * 5)) is LatencyCall.FASTER
    assert call(pairs([0.95] * 5)) is LatencyCall.WITHIN
    assert call(pairs([0.5] * 5, seconds=1e-4)) is LatencyCall.WITHIN
    ratios = (1.0, 1.01, 1.02, 1.0, 1.03), (0.5, 0.51, 0.52, 0.5, 0.53)
    assert call(processes(*ratios, raw=0.6)) is LatencyCall.FASTER
    assert call(processes(*ratios, raw=1.2)) is LatencyCall.WITHIN  # the reference became slower, not the case faster
