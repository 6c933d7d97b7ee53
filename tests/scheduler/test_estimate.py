"""Predicted durations."""

from __future__ import annotations

import pytest

from dctbench.model import Case
from dctbench.scheduler.estimate import MODE_WORK, Pace, estimate, exact_flops
from dctbench.scheduler.plan import Plan
from tests.support.made import result


def test_exact_flops_is_the_textbook_count() -> None:
    n, d = 1024, 512
    assert exact_flops(Case("sdpa", n)) == 8 * n * d * d + 4 * n * n * d


def test_the_same_case_is_predicted_by_its_own_latency() -> None:
    found = estimate([Case("sdpa", 512)], {}, [result("sdpa", 512, 0.25)])
    assert found.measured
    assert found.calls[Case("sdpa", 512)] == 0.25


def test_another_length_is_predicted_by_the_rate_at_the_nearest_one() -> None:
    stored = [
        result("sdpa", 512, 1.0, values={"flops": ("FLOP", 1e9)}),
        result("sdpa", 4096, 1.0, values={"flops": ("FLOP", 4e9)}),
        result("dct-x", 4096, 1.0, ratio=8, values={"flops": ("FLOP", 9e9)}),
    ]
    near, far, other = Case("sdpa", 600), Case("sdpa", 8192), Case("full", 512)
    found = estimate([near, far, other], dict.fromkeys([near, far, other], 10**9), stored)
    assert found.calls == {near: pytest.approx(1.0), far: pytest.approx(0.25), other: pytest.approx(0.25)}


def test_the_nearest_length_is_the_nearest_by_ratio() -> None:
    """1500 is 988 from 512 and 2596 from 4096, but 2.9 times the one and 2.7 times less than the other."""
    stored = [result("sdpa", n, 1.0, values={"flops": ("FLOP", rate)}) for n, rate in ((512, 1e9), (4096, 4e9))]
    for length, seconds in ((1500, 0.25), (1400, 1.0), (64, 1.0), (10**6, 0.25)):
        case = Case("sdpa", length)
        assert estimate([case], {case: 10**9}, stored).calls[case] == pytest.approx(seconds)


def test_without_results_it_says_so_and_longer_cases_still_take_longer() -> None:
    cases = [Case("mine:Layer", n) for n in (512, 2048, 8192)]
    found = estimate(cases, dict.fromkeys(cases))
    assert not found.measured
    seconds = [found.seconds(case, 1) for case in cases]
    assert seconds == sorted(seconds)
    assert seconds[0] < seconds[2]


def test_training_is_predicted_as_three_forward_passes() -> None:
    forward, train = Case("sdpa", 4096), Case("sdpa", 4096, mode="train")
    found = estimate([forward, train], {forward: 10**12, train: 10**12})
    assert found.calls[train] == pytest.approx(MODE_WORK["train"] * found.calls[forward])


def test_later_rounds_and_forked_processes_cost_less() -> None:
    case = Case("sdpa", 4096)
    forked = estimate([case], {case: 10**11})
    fresh = estimate([case], {case: 10**11}, pace=Pace(forked=False))
    assert forked.seconds(case, 2) < forked.seconds(case, 1) < fresh.seconds(case, 1)
    assert forked.total([case], 3) > forked.total([case], 1)


def planned(rounds: int = 3) -> Plan:
    cases = (Case("sdpa", 512), Case("sdpa", 4096))
    return Plan(cases, rounds, "sdpa", estimate(cases, {}, [result("sdpa", 512, 0.01), result("sdpa", 4096, 0.2)]))


def test_what_is_stored_already_takes_no_time_any_more() -> None:
    plan = planned()
    every = [result("sdpa", n, 0.1, round=number) for n in (512, 4096) for number in (1, 2, 3)]
    assert plan.seconds_left() == pytest.approx(plan.seconds)
    assert plan.seconds_left(stored=every) == pytest.approx(0)
    assert 0 < plan.seconds_left(stored=every[:3]) < plan.seconds
    assert plan.seconds_left(stored=every[3:]) < plan.seconds_left(stored=every[:3])


def test_a_budget_is_what_it_takes_between_the_least_and_all_that_could_be_used() -> None:
    plan = planned()
    between = (plan.least_seconds + plan.seconds) / 2
    assert plan.seconds_left(between) == pytest.approx(between)
    assert plan.seconds_left(0.1) == pytest.approx(plan.least_seconds)
    assert plan.seconds_left(1e6) == pytest.approx(plan.seconds)


def test_the_least_samples_are_taken_whatever_the_budget() -> None:
    case = Case("sdpa", 4096)
    found = estimate([case], {}, [result("sdpa", 4096, 10.0)], Pace(samples_least=7, budget=1.0))
    assert found.sampling(case) == pytest.approx(70.0)
