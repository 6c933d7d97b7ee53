"""Predicted durations."""

from __future__ import annotations

import math

import pytest

from dctbench.model import Case, RunSettings
from dctbench.scheduler.estimate import DEFAULT_RATE, MODE_WORK, estimate, exact_flops
from dctbench.scheduler.pace import Pace, pace_of, rounds_by_case
from dctbench.scheduler.plan import Plan
from tests.support.made import result
from tests.support.trained import trained


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


@pytest.mark.parametrize("counted", [0.0, 5e-324, 1e-12])
def test_figures_of_next_to_no_work_say_nothing_of_the_rate(counted: float) -> None:
    stored = [result("none", 512, 1e-3, values={"flops": ("FLOP", counted)})]
    longer, other = Case("none", 1024), Case("sdpa", 512)
    found = estimate([longer, other], {longer: 10**9, other: 10**9}, stored)
    assert found.calls == {longer: pytest.approx(10**9 / DEFAULT_RATE), other: pytest.approx(10**9 / DEFAULT_RATE)}


def test_a_figure_of_impossibly_much_work_predicts_no_call_without_a_duration() -> None:
    stored = [result("none", 512, 1e-9, values={"flops": ("FLOP", 1e308)})]
    case = Case("none", 1024)
    found = estimate([case], {case: 10**9}, stored, Pace(by_authors=True))
    assert found.calls[case] > 0
    assert math.isfinite(found.seconds(case, 1))


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
    fresh = estimate([case], {case: 10**11}, pace=Pace(isolation="fresh"))
    assert forked.seconds(case, 2) < forked.seconds(case, 1) < fresh.seconds(case, 1)
    assert forked.total({case: 3}) > forked.total({case: 1})


def test_the_energy_pass_of_a_processor_is_in_the_first_round_of_a_case_in_one_process() -> None:
    case, on_gpu, in_two = Case("sdpa", 4096), Case("sdpa", 4096, device="cuda:0"), Case("sdpa", 4096, ranks=2)

    def took(case: Case, round: int, pace: Pace) -> float:
        return estimate([case], {case: 10**11}, pace=pace).seconds(case, round)

    battery = Pace(cpu_energy=17.0)
    assert took(case, 1, battery) - took(case, 1, Pace()) == pytest.approx(17)
    assert took(case, 2, battery) == took(case, 2, Pace())
    assert took(case, 1, Pace(cpu_energy=17.0, energy=False)) == took(case, 1, Pace())
    for other in (on_gpu, in_two):
        assert took(other, 1, battery) == took(other, 1, Pace())


def planned(rounds: int = 3) -> Plan:
    cases = (Case("sdpa", 512), Case("sdpa", 4096))
    stored = [result("sdpa", 512, 0.01), result("sdpa", 4096, 0.2)]
    return Plan(dict.fromkeys(cases, rounds), "sdpa", estimate(cases, {}, stored))


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


def test_a_budget_has_no_share_for_what_samples_nothing() -> None:
    """A shard of a suite with tasks may hold trainings only; beside them, what is timed has all of the budget."""
    timed = Case("sdpa", 512)
    training = Case("sdpa", 64, batch=32, heads=4, head_dim=16, scope="encoder", mode="train", task="recall")

    def budgets(*cases: Case) -> dict[tuple[str, int], float]:
        return Plan(dict.fromkeys(cases, 2), "sdpa", estimate(cases, {}, [])).sampling_budgets(60.0)

    assert budgets(training) == {}
    assert budgets() == {}
    assert {key for key, seconds in budgets(training, timed).items() if seconds} == {(timed.id, 1), (timed.id, 2)}


def test_the_least_samples_are_taken_whatever_the_budget() -> None:
    case = Case("sdpa", 4096)
    found = estimate([case], {}, [result("sdpa", 4096, 0.2)], Pace(samples_least=7, later_samples=4, budget=1.0))
    assert found.sampling(case, 1) == pytest.approx(1.4)
    assert found.sampling(case, 2) == pytest.approx(0.8)
    asked = estimate([case], {}, [result("sdpa", 4096, 10.0)], Pace(samples_least=7, exactly=True))
    assert asked.sampling(case, 1) == pytest.approx(70.0)


def test_a_long_call_is_predicted_to_be_made_a_few_times_and_within_its_time_limit() -> None:
    """A first round: the first call, a sample, and four calls for memory, split and errors; a later one: two calls."""
    case = Case("dct-x", 16384, 16)

    def seconds(call: float, limit: float, round: int) -> float:
        found = estimate([case], {}, [result("dct-x", 16384, call, ratio=16)], Pace(limit=limit))
        return found.seconds(case, round) - found.exact[case] * (round == 1)

    assert seconds(4.0, math.inf, 1) == pytest.approx(6 * 4.0, abs=0.2)
    assert seconds(4.0, math.inf, 2) == pytest.approx(2 * 4.0, abs=0.2)
    assert seconds(70.0, 120.0, 2) == pytest.approx(140.0, abs=1)
    assert seconds(40.0, 120.0, 2) == pytest.approx(80.0, abs=1)


def test_a_call_beyond_its_time_limit_is_ended_at_the_limit_and_has_no_later_round() -> None:
    """A forked process is there after 0.15 s, and is ended 120 s later; every later one is left out."""
    case, rounds = Case("sdpa", 1 << 20), 6
    found = estimate([case], {}, [result("sdpa", 1 << 20, 3e4)], Pace(limit=120.0))
    assert found.seconds(case, 1) == pytest.approx(120.15)
    assert [found.seconds(case, number) for number in (2, 6)] == [0, 0]
    assert [found.sampling(case, number) for number in (1, 2)] == [0, 0]
    assert found.in_rounds(case, rounds) == pytest.approx(120.15)
    assert found.total({case: rounds}) == pytest.approx(120.15 + rounds * 2.5)


def test_the_time_of_a_schedule_comes_on_top_of_the_limit() -> None:
    """100 releases, and one more, of 2 s."""
    on_schedule = Case("sdpa", 4096, period=2.0, deadline=2.0)
    found = estimate([on_schedule], {on_schedule: 10**18}, (), Pace(limit=120.0, releases=100))
    assert found.seconds(on_schedule, 1) == pytest.approx(0.15 + 120 + 2 * 101)


def test_a_training_beyond_its_time_limit_is_ended_there_beside_another_one_and_has_no_later_seed() -> None:
    [training, *_] = trained("sdpa", [0.9])
    case = training.case
    slow, fast = (estimate([case], {case: flops}, (), Pace(limit=120.0, jobs=2)) for flops in (10**15, 10**10))
    assert slow.calls[case] > 120 > fast.calls[case]
    assert not slow.ends(case)
    assert slow.seconds(case, 1) == pytest.approx((0.15 + 120) / 2)
    assert slow.seconds(case, 2) == 0
    assert fast.seconds(case, 2) == fast.seconds(case, 1) > 0


def test_the_exact_outputs_are_predicted_once_for_each_shape_and_a_long_one_compares_few_rows() -> None:
    cases = [Case(name, n, ratio) for n in (16384, 32768) for name, ratio in (("sdpa", None), ("dct-x", 8))]
    found = estimate(cases, {})
    assert set(found.exact) == {Case("sdpa", 16384), Case("sdpa", 32768)}
    assert found.exact[Case("sdpa", 32768)] < found.exact[Case("sdpa", 16384)]


def test_a_later_round_takes_less_than_the_first_beside_the_exact_outputs() -> None:
    case = Case("dct-x", 512, 8)
    found = estimate([case], {}, [result("dct-x", 512, 1e-3, ratio=8)], pace_of(RunSettings(rounds=3)))
    assert found.seconds(case, 2) + found.exact[case] < found.seconds(case, 1)


ROUNDS = RunSettings(rounds=3, short_rounds=6)


def test_short_cases_and_the_reference_beside_them_have_more_rounds() -> None:
    seconds = {
        Case("sdpa", 512): 0.01, Case("full", 512): 0.01, Case("dct-x", 512, 8): 0.001,
        Case("sdpa", 4096): 0.9, Case("full", 4096): 2.0, Case("dct-x", 4096, 8): 0.03,
        Case("sdpa", 8192): 2.0, Case("full", 8192): 4.0,
        Case("sdpa", 65536): 60.0, Case("dct-x", 65536, 8): 0.1,
    }  # fmt: skip
    found = rounds_by_case(seconds, "sdpa", seconds.__getitem__, ROUNDS)
    assert [found[case] for case in seconds] == [6, 6, 6, 6, 3, 6, 3, 3, 3, 3]
    assert set(rounds_by_case(seconds, "sdpa", seconds.__getitem__, RunSettings(rounds=3)).values()) == {3}


def test_without_a_reference_short_cases_have_more_rounds() -> None:
    cases = {Case("dct-x", 512, 8): 0.001, Case("dct-x", 65536, 8): 1.0}
    assert list(rounds_by_case(cases, None, cases.__getitem__, ROUNDS).values()) == [6, 3]


@pytest.mark.parametrize(("rounds", "samples"), [(1, [20]), (3, [14, 3, 3]), (6, [5, 3, 3, 3, 3, 3]), (8, [3] * 8)])
def test_a_case_has_twenty_samples_over_all_rounds_and_three_in_each(rounds: int, samples: list[int]) -> None:
    pace = pace_of(RunSettings(rounds=rounds))
    assert [pace.samples(number) for number in range(1, rounds + 1)] == samples


def test_samples_that_were_asked_for_are_spread_evenly_and_are_single_calls() -> None:
    pace = pace_of(RunSettings(rounds=30, samples=300))
    assert [pace.sampling(number)["samples_least"] for number in (1, 2, 30)] == [10, 10, 10]
    assert all(pace.sampling(number)["calls_most"] == 1 for number in (1, 2))
    assert "calls_most" not in pace_of(RunSettings()).sampling(1)


def test_the_authors_protocol_takes_fifty_calls_in_a_process_more_and_fewer_long_ones_on_a_processor() -> None:
    """A call of theirs is taken for 1.5 of ours, and their memory for four calls. No more begin after ten seconds."""
    for seconds, calls in ((0.01, 50), (1.0, 7), (20.0, 3)):
        case = Case("sdpa", 512)
        stored = [result("sdpa", 512, seconds)]
        ours, both = (estimate([case], {}, stored, Pace(by_authors=asked)) for asked in (False, True))
        more = both.seconds(case, 1) - ours.seconds(case, 1)
        assert more == pytest.approx((calls + 4) * 1.5 * seconds, abs=0.2)
        assert both.seconds(case, 2) == ours.seconds(case, 2)


def test_a_plan_rests_on_what_was_measured_only_if_that_is_of_its_own_kind() -> None:
    """A latency says nothing of how long a training takes, nor the reverse."""
    [training, *_] = trained("sdpa", [0.9])
    timed = result("sdpa", 512, 0.25)
    for cases, stored, lacking in (
        ([training.case], [], "nothing"),
        ([training.case], [training], None),
        ([training.case], [timed], "no training"),
        ([timed.case], [training], "no latency"),
        ([timed.case, training.case], [timed], "no training"),
        ([timed.case, training.case], [timed, training], None),
    ):
        found = estimate(cases, {}, stored)
        assert found.measured is (lacking is None)
        assert found.caveat == ("" if lacking is None else f"rough: {lacking} measured in this environment yet")
