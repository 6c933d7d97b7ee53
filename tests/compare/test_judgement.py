"""Verdicts on made results: what is slower, what passes, what cannot be told, and what must never pass."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.analysis import Budgets, summarise
from dctbench.compare import CONFIRMING, Comparison, Judgement, Rules, judge
from dctbench.compare.stored import as_stored
from dctbench.model import CaseWarning, Reason, ReasonCode, ResultDetails, Verdict, VerdictKind, WarningCode
from tests.support.made import result

RULES = Rules(latency=0.10, pairs=5, max_pairs=15)
BASE_SECONDS = {"sdpa": 4e-3, "dct-x": 2e-3, "none": 1e-3}
COUNTED = {
    "flops": ("FLOP", 1000.0), "memory.tensor": ("B", 4096.0), "memory.state": ("B", 100.0),
    "error.smooth": ("1", 0.5), "error.noise": ("1", 0.9),
}  # fmt: skip


def side(rounds, factor=None, noise=0.0, seed=0, values=None, **changes):
    """Results of sdpa, dct-x and none in those rounds; `factor(name, round)` multiplies the seconds."""
    draw = random.Random(seed)
    made = []
    for number in rounds:
        for name, seconds in BASE_SECONDS.items():
            times = (factor(name, number) if factor else 1.0) * math.exp(draw.gauss(0, noise)) if noise or factor else 1
            counted = {**COUNTED, **(values or {})} if number == min(rounds) else {}
            ratio = 8 if name == "dct-x" else None
            made.append(result(name, 1024, seconds * times, ratio=ratio, round=number, values=counted, **changes))
    return made


def compare(base, head, *, paired=True, rules=RULES, judged=("dct-x",), further=(), **more):
    before, after, *others = ({s.case: s for s in summarise(results)} for results in (base, head, *further))
    more["further"] = others
    cases = [case for case in after if case.implementation in judged]
    return judge(Comparison(before, after, {case: case for case in cases}, paired, **more), rules)


def kinds(judgement, metric="latency"):
    return {verdict.case.implementation: verdict.kind for verdict in judgement.verdicts if verdict.metric == metric}


def reasons(judgement, metric="latency"):
    return [verdict.reason for verdict in judgement.verdicts if verdict.metric == metric]


def slow(by):
    return lambda name, number: by if name == "dct-x" else 1.0


def test_cases_that_wait_for_the_host_are_named():
    rounds = side(range(1, 6), noise=0.01)
    bound = [
        replace(one, warnings=(CaseWarning(WarningCode.LAUNCH_BOUND, {"share": 0.5}),))
        if one.case.implementation == "dct-x" else one for one in rounds
    ]  # fmt: skip
    assert {case.implementation for case in compare(rounds, bound).launch_bound} == {"dct-x"}
    assert compare(bound, rounds).launch_bound == ()


def test_the_same_code_passes_after_the_first_pairs_and_nothing_stays_open():
    judgement = compare(side(range(1, 6), noise=0.01), side(range(1, 6), noise=0.01, seed=1))
    assert kinds(judgement) == {"dct-x": VerdictKind.PASS}
    assert judgement.open == ()
    assert judgement.exit_code() == 0


def test_a_slowdown_is_slower_only_after_fresh_pairs_said_it_again():
    first = range(1, 11)
    judgement = compare(side(first, noise=0.01), side(first, slow(1.4), 0.01, 1))
    assert kinds(judgement) == {"dct-x": VerdictKind.INCONCLUSIVE}
    assert judgement.confirming
    assert [case.implementation for case in judgement.open] == ["dct-x"]
    both = [*first, *range(CONFIRMING + 1, CONFIRMING + 6)]
    judgement = compare(side(both, noise=0.01), side(both, slow(1.4), 0.01, 1))
    assert kinds(judgement) == {"dct-x": VerdictKind.SLOWER}
    assert judgement.open == ()
    assert judgement.exit_code() == 1
    [verdict] = [v for v in judgement.verdicts if v.metric == "latency"]
    assert (verdict.base, verdict.head) == (pytest.approx(2e-3, rel=0.05), pytest.approx(2.8e-3, rel=0.05))
    assert (verdict.raw, verdict.tolerance, verdict.reason) == (verdict.effect, 0.10, None)
    assert verdict.effect == pytest.approx(1.4, rel=0.05)
    assert verdict.low <= 1.4 * 1.02
    assert verdict.high >= 1.4 * 0.98


def test_a_slowdown_that_fresh_pairs_do_not_show_passes_and_says_so():
    both = [*range(1, 11), *range(CONFIRMING + 1, CONFIRMING + 6)]
    passing = lambda name, number: 1.4 if name == "dct-x" and number <= CONFIRMING else 1.0  # noqa: E731
    judgement = compare(side(both, noise=0.01), side(both, passing, 0.01, 1))
    assert kinds(judgement) == {"dct-x": VerdictKind.PASS}
    [verdict] = [v for v in judgement.verdicts if v.metric == "latency"]
    assert verdict.reason == Reason(ReasonCode.NOT_CONFIRMED, {"then": None, "first": "slower"})


def test_one_pair_in_which_base_was_held_up_does_not_hide_a_slowdown():
    both = [*range(1, 13), *range(CONFIRMING + 1, CONFIRMING + 13)]
    held_up = lambda name, number: 3.0 if name == "dct-x" and number in (2, CONFIRMING + 4) else 1.0  # noqa: E731
    judgement = compare(side(both, held_up, 0.01), side(both, slow(1.4), 0.01, 1))
    assert kinds(judgement) == {"dct-x": VerdictKind.SLOWER}


def test_a_machine_that_slows_down_everything_is_no_regression_and_no_pass_either():
    everything = lambda name, number: 1.4  # noqa: E731
    judgement = compare(side(range(1, 16)), side(range(1, 16), everything))
    assert kinds(judgement) == {"dct-x": VerdictKind.INCONCLUSIVE}
    [reason] = [verdict.reason for verdict in judgement.verdicts if verdict.metric == "latency"]
    assert reason == Reason(ReasonCode.REFERENCES_DISAGREE)
    assert (judgement.open, judgement.confirming) == ((), False)
    assert judgement.exit_code() == 3
    assert judgement.exit_code("pass") == 0
    assert judgement.exit_code("fail") == 1
    assert judgement.drift == {"sdpa": pytest.approx(1.4), "none": pytest.approx(1.4)}


def test_a_change_under_the_floor_in_seconds_passes_whatever_its_share():
    tiny = {name: seconds / 100 for name, seconds in BASE_SECONDS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.compare.test_judgement.BASE_SECONDS", tiny)
        judgement = compare(side(range(1, 16)), side(range(1, 16), slow(1.4)))
    assert kinds(judgement) == {"dct-x": VerdictKind.PASS}


def test_a_gain_that_the_first_pairs_cannot_prove_takes_more_and_is_not_lost_as_a_pass():
    rules = replace(RULES, pairs=3)
    first = compare(side(range(1, 4), noise=0.01), side(range(1, 4), slow(0.6), 0.01, 1), rules=rules)
    assert kinds(first) == {"dct-x": VerdictKind.INCONCLUSIVE}
    assert len(first.open) == 1
    more = compare(side(range(1, 6), noise=0.01), side(range(1, 6), slow(0.6), 0.01, 1), rules=rules)
    assert more.confirming
    both = [*range(1, 6), *range(CONFIRMING + 1, CONFIRMING + 6)]
    confirmed = compare(side(both, noise=0.01), side(both, slow(0.6), 0.01, 1), rules=rules)
    assert kinds(confirmed) == {"dct-x": VerdictKind.FASTER}
    assert confirmed.open == ()


def test_processes_against_a_stored_run_are_slower_only_at_the_looks_that_are_paid_for():
    base = side(range(1, 11))
    found = [compare(base, side(range(1, taken + 1), slow(1.5)), paired=False) for taken in range(1, 16)]
    slower = [taken for taken, judgement in enumerate(found, 1) if judgement.confirming]
    assert slower == [5, 15]


def test_a_gain_is_faster_by_the_evidence_of_a_loss():
    """Fresh pairs say it again, and the references did not gain with it."""
    both = [*range(1, 6), *range(CONFIRMING + 1, CONFIRMING + 6)]
    judgement = compare(side(both, noise=0.01), side(both, slow(0.6), 0.01, 1))
    assert kinds(judgement) == {"dct-x": VerdictKind.FASTER}
    assert judgement.exit_code() == 0
    passing = lambda name, number: 0.6 if name == "dct-x" and number <= CONFIRMING else 1.0  # noqa: E731
    unconfirmed = compare(side(both, noise=0.01), side(both, passing, 0.01, 1))
    assert kinds(unconfirmed) == {"dct-x": VerdictKind.PASS}
    [reason] = [verdict.reason for verdict in unconfirmed.verdicts if verdict.metric == "latency"]
    assert reason == Reason(ReasonCode.NOT_CONFIRMED, {"then": None, "first": "faster"})
    most = [*range(1, 16), *range(CONFIRMING + 1, CONFIRMING + 16)]
    everything = lambda name, number: 0.6  # noqa: E731
    assert kinds(compare(side(most), side(most, everything))) == {"dct-x": VerdictKind.PASS}


def test_fresh_pairs_that_say_the_opposite_leave_it_open():
    both = [*range(1, 16), *range(CONFIRMING + 1, CONFIRMING + 16)]
    turned = lambda name, number: 1.0 if name != "dct-x" else 0.6 if number <= CONFIRMING else 1.6  # noqa: E731
    judgement = compare(side(both, noise=0.01), side(both, turned, 0.01, 1))
    assert kinds(judgement) == {"dct-x": VerdictKind.INCONCLUSIVE}


def test_a_reference_that_was_asked_for_is_judged_raw():
    slower = lambda name, number: 1.5 if name == "sdpa" else 1.0  # noqa: E731
    both = [*range(1, 11), *range(CONFIRMING + 1, CONFIRMING + 6)]
    judgement = compare(side(both, noise=0.01), side(both, slower, 0.01, 1), judged=("sdpa",))
    assert kinds(judgement) == {"sdpa": VerdictKind.SLOWER}


@pytest.mark.parametrize(
    ("values", "metric", "kind"),
    [
        ({"flops": ("FLOP", 1001.0)}, "flops", VerdictKind.WORSE),
        ({"flops": ("FLOP", 999.0)}, "flops", VerdictKind.BETTER),
        ({"memory.tensor": ("B", 4097.0)}, "memory.tensor", VerdictKind.WORSE),
        ({"memory.state": ("B", 101.0)}, "memory.state", VerdictKind.WORSE),
        ({"error.smooth": ("1", 0.51)}, "error.smooth", VerdictKind.WORSE),
        ({"error.smooth": ("1", 0.504)}, "error.smooth", VerdictKind.PASS),
        ({"error.noise": ("1", 0.8)}, "error.noise", VerdictKind.BETTER),
    ],
)
def test_what_is_counted_needs_no_statistics(values, metric, kind):
    judgement = compare(side(range(1, 6)), side(range(1, 6), values=values))
    assert kinds(judgement, metric) == {"dct-x": kind}
    assert judgement.exit_code() == (1 if kind is VerdictKind.WORSE else 0)


def test_a_figure_that_one_side_lacks_is_not_comparable_and_never_a_pass():
    base = side(range(1, 6))
    without = [
        replace(found, measurements=tuple(m for m in found.measurements if m.metric != "flops")) for found in base
    ]
    judgement = compare(base, without)
    assert kinds(judgement, "flops") == {"dct-x": VerdictKind.INCOMPARABLE}
    assert judgement.exit_code() == 3


def one(implementation, status, **more):
    return result(implementation, 1024, None if status != "ok" else 2e-3, status=status, **more)


@pytest.mark.parametrize(
    ("base", "head", "kind", "code"),
    [
        ("ok", "error", VerdictKind.NEWLY_FAILING, 1),
        ("ok", "oom", VerdictKind.NEWLY_FAILING, 1),
        ("ok", "timeout", VerdictKind.NEWLY_FAILING, 1),
        ("ok", "unsupported", VerdictKind.NEWLY_FAILING, 1),
        ("ok", "skipped", VerdictKind.NEWLY_FAILING, 1),
        ("error", "ok", VerdictKind.FIXED, 3),
        ("oom", "ok", VerdictKind.FIXED, 3),
        ("error", "error", VerdictKind.INCOMPARABLE, 3),
        ("skipped", "skipped", VerdictKind.INCOMPARABLE, 3),
        (None, "ok", VerdictKind.NEW, 3),
        (None, "error", VerdictKind.NEWLY_FAILING, 1),
    ],
)
def test_a_case_that_does_not_run_on_both_sides_never_passes_silently(base, head, kind, code):
    before = [one("dct-x", base)] if base else []
    judgement = compare(before, [one("dct-x", head)])
    assert kinds(judgement, "status") == {"dct-x": kind}
    assert judgement.exit_code() == code


def failing(results, names, rounds):
    """The same results, those of the named methods in those rounds ended by a timeout."""
    return [
        replace(r, status="timeout", measurements=(), message="after 120 s")
        if r.case.implementation in names and r.round in rounds else r
        for r in results
    ]  # fmt: skip


@pytest.mark.parametrize("lost", [(7,), (2, 5), (2, 3, 4, 5, 6, 7)])
def test_a_base_that_fails_in_some_rounds_hides_no_regression_and_leaves_nothing_open(lost):
    base = failing(side(range(1, 8)), ["dct-x"], lost)
    worse = compare(base, side(range(1, 8), values={"memory.tensor": ("B", 4097.0)}))
    assert kinds(worse, "memory.tensor") == {"dct-x": VerdictKind.WORSE}
    assert worse.exit_code() == 1
    same = compare(base, side(range(1, 8), slow(3.0)))
    assert kinds(same, "memory.tensor") == {"dct-x": VerdictKind.PASS}
    assert kinds(same) == {"dct-x": VerdictKind.INCOMPARABLE}
    assert reasons(same) == [Reason(ReasonCode.BASE_FAILED_SOMETIMES, {"base": "timeout: after 120 s"})]
    assert same.open == ()
    assert [same.exit_code(said) for said in (None, "pass")] == [3, 3]


def test_a_base_that_ran_in_later_rounds_only_is_not_compared_by_the_figures_of_its_failure():
    base = failing(side(range(1, 4)), ["dct-x"], (1,))
    judgement = compare(base, side(range(1, 4)))
    assert kinds(judgement, "flops") == {"dct-x": VerdictKind.INCOMPARABLE}
    assert judgement.exit_code() == 3


@pytest.mark.parametrize(("paired", "rules"), [(False, RULES), (True, as_stored(RULES)), (False, as_stored(RULES))])
def test_a_failure_of_a_stored_base_is_fixed_at_once_since_nothing_repeats_it(paired, rules):
    judgement = compare(failing(side([1]), ["dct-x"], (1,)), side([1]), paired=paired, rules=rules)
    assert kinds(judgement, "status") == {"dct-x": VerdictKind.FIXED}
    assert judgement.open == ()


def test_a_base_that_never_runs_is_fixed_once_a_second_pair_says_so():
    both = ("dct-x", "sdpa")
    once = compare(failing(side([1]), ["dct-x"], (1,)), side([1]), judged=both)
    assert {case.implementation for case in once.open} == {"dct-x", "sdpa"}
    twice = compare(failing(side(range(1, 6)), ["dct-x"], range(1, 6)), side(range(1, 6)), judged=both)
    assert kinds(twice, "status") == {"dct-x": VerdictKind.FIXED}
    assert twice.open == ()
    assert twice.exit_code() == 0  # sdpa was compared


def many(rounds):
    """As `side`, each process with a fifth of the samples that a p99 takes."""
    samples = math.ceil(299 / 5)
    times = [(name, s, n) for n in rounds for name, s in BASE_SECONDS.items()]
    return [result(name, 1024, [s] * samples, ratio=8 if name == "dct-x" else None, round=n) for name, s, n in times]


@pytest.mark.parametrize("lost", [(1, 2, 3, 4, 5), (2,)])
def test_a_case_whose_base_fails_gets_the_samples_of_its_p99_all_the_same(lost):
    rules = replace(RULES, budgets=Budgets(latency_p99=1.0))
    for pairs in range(1, 6):
        rounds = range(1, pairs + 1)
        base = failing(many(rounds), ["dct-x"], [number for number in lost if number in rounds])
        judgement = compare(base, many(rounds), rules=rules)
        assert bool(judgement.open) is (pairs < 5)
        enough = VerdictKind.PASS if pairs == 5 else VerdictKind.INCONCLUSIVE
        assert kinds(judgement, "budget.latency.p99") == {"dct-x": enough}
    elsewhere = compare(failing(many([1, 2]), ["dct-x"], (1, 2)), many([1, 2]), rules=replace(rules, at={"seq_len": 9}))
    assert elsewhere.open == ()


def test_a_budget_of_p99_at_99_percent_is_open_until_the_samples_for_that_confidence_are_there():
    rules = replace(RULES, budgets=Budgets(latency_p99=1.0, confidence=0.99))
    two, one = side([1, 2]), math.ceil(math.log(0.01) / math.log(0.99))  # each sample is under the p99 with 0.99
    for samples, kind in ((one - 1, VerdictKind.INCONCLUSIVE), (one, VerdictKind.PASS)):
        head = [result("dct-x", 1024, [0.002] * n, ratio=8, round=r) for r, n in ((1, samples - 9), (2, 9))]
        judgement = compare(two, [*(r for r in two if r.case.implementation != "dct-x"), *head], rules=rules)
        assert kinds(judgement, "budget.latency.p99") == {"dct-x": kind}


@pytest.mark.parametrize("reference", ["sdpa", "none"])
def test_a_base_whose_references_do_not_run_either_is_broken_and_nothing_is_fixed(reference):
    base = failing(side(range(1, 6)), ["dct-x", reference], range(1, 6))
    judgement = compare(base, side(range(1, 6)), judged=("dct-x", "sdpa"))
    assert kinds(judgement, "status")["dct-x"] is VerdictKind.INCOMPARABLE
    assert reasons(judgement, "status")[0] == Reason(
        ReasonCode.BASE_BROKEN, {"base": "timeout: after 120 s", "reference": reference}
    )
    assert judgement.exit_code() == 3


def test_a_case_is_judged_as_a_whole_by_the_worst_of_its_verdicts_or_else_the_best():
    first, second = result("dct-x", 64, ratio=8).case, result("dct-x", 128, ratio=8).case

    def whole(*kinds):
        verdicts = [Verdict(first, f"metric {i}", kind) for i, kind in enumerate(kinds)]
        return Judgement((Verdict(second, "latency", VerdictKind.SLOWER), *verdicts)).by_case()

    for kinds, said in (
        ((VerdictKind.PASS, VerdictKind.FASTER, VerdictKind.WORSE), VerdictKind.WORSE),
        ((VerdictKind.FASTER, VerdictKind.INCONCLUSIVE), VerdictKind.INCONCLUSIVE),
        ((VerdictKind.INCOMPARABLE, VerdictKind.SLOWER), VerdictKind.SLOWER),
        ((VerdictKind.PASS, VerdictKind.BETTER, VerdictKind.PASS), VerdictKind.BETTER),
        ((VerdictKind.PASS, VerdictKind.PASS), VerdictKind.PASS),
        ((VerdictKind.NEW, VerdictKind.PASS), VerdictKind.NEW),
    ):
        for order in (kinds, kinds[::-1]):
            assert whole(*order) == {second: VerdictKind.SLOWER, first: said}


def test_a_reference_that_shares_no_round_with_its_other_side_has_no_drift():
    base, head = side(range(1, 6)), side(range(6, 11))
    assert compare(base, head).drift == {}


@pytest.mark.parametrize("lacks", ["base", "head"])
def test_a_side_that_ran_without_a_latency_has_no_change_of_it(lacks):
    sides = {
        name: [replace(one, measurements=()) if name == lacks else one for one in side(range(1, 6))]
        for name in ("base", "head")
    }
    judgement = compare(sides["base"], sides["head"])
    [verdict] = [verdict for verdict in judgement.verdicts if verdict.metric == "latency"]
    assert (verdict.kind, verdict.raw, getattr(verdict, lacks)) == (VerdictKind.INCOMPARABLE, None, None)
    assert judgement.exit_code() == 3


def test_budgets_alone_compare_nothing():
    rules = Rules(budgets=Budgets(memory=1e6))
    judgement = compare([], side(range(1, 6)), rules=rules)
    assert kinds(judgement, "budget.memory") == {"dct-x": VerdictKind.PASS}
    assert kinds(judgement, "status") == {"dct-x": VerdictKind.NEW}
    assert judgement.exit_code() == 3
    fixed = compare(failing(side([1, 2]), ["dct-x"], (1, 2)), side([1, 2]), rules=rules)
    assert kinds(fixed, "status") == {"dct-x": VerdictKind.FIXED}
    assert fixed.exit_code() == 3


@pytest.mark.parametrize(
    ("latency", "said"),
    [({"cpu": 0.25, "cuda": 0.07}, {"cpu": ("PASS", 0.25), "cuda:0": ("SLOWER", 0.07)}),
     (0.25, {"cpu": ("PASS", 0.25), "cuda:0": ("PASS", 0.25)}),
     (0.07, {"cpu": ("SLOWER", 0.07), "cuda:0": ("SLOWER", 0.07)})],
)  # fmt: skip
def test_each_device_is_held_to_its_own_tolerance_and_a_given_one_holds_for_all(latency, said):
    both = [*range(1, 16), *range(CONFIRMING + 1, CONFIRMING + 16)]
    base, head = (
        [one for device in ("cpu", "cuda:0") for one in side(both, slow(by), 0.005, seed, device=device)]
        for by, seed in ((1.0, 0), (1.15, 1))
    )
    found = [v for v in compare(base, head, rules=Rules(latency=latency)).verdicts if v.metric == "latency"]
    assert {v.case.device: (v.kind.value, v.tolerance) for v in found} == said


def test_the_first_failure_is_told_and_not_what_it_kept_from_running():
    head = [one("dct-x", "error", message="SIGSEGV"), one("dct-x", "skipped", round=2, message="error already")]
    [verdict] = compare([one("dct-x", "ok")], head).verdicts
    assert verdict.reason == Reason(ReasonCode.HEAD_FAILED, {"head": "error: SIGSEGV"})


def test_a_case_of_the_baseline_that_head_was_not_asked_for_is_missing():
    base = side(range(1, 6))
    judgement = compare(base, side(range(1, 6)), paired=False, missing=[])
    assert judgement.exit_code() == 0
    gone = result("dct-kv", 1024, 1e-3, ratio=8)
    judgement = compare([*base, gone], side(range(1, 6)), paired=False, missing=[gone.case])
    assert kinds(judgement, "status") == {"dct-kv": VerdictKind.MISSING}
    assert judgement.exit_code() == 1


def test_an_empty_comparison_cannot_be_judged():
    assert compare([], [], judged=()).exit_code() == 3


def test_the_drift_of_pairs_is_told_by_turns_whatever_share_of_the_samples_a_fast_one_has():
    def turned(turns):
        samples = [seconds for count, seconds in turns for _ in range(count)]
        details = ResultDetails(turns=tuple(count for count, _ in turns))
        return [replace(result("sdpa", 1024, samples, round=n), details=details) for n in (1, 2, 3)]

    base, head = turned([(3, 1e-3)] * 3), turned([(50, 2e-5), (3, 1e-3), (3, 1e-3)])
    assert compare(base, head, judged=("sdpa",)).drift == {"sdpa": pytest.approx(1.0)}
    assert compare(base, head, judged=("sdpa",), paired=False).drift == {"sdpa": pytest.approx(0.02)}


def test_without_its_reference_a_change_cannot_be_told_from_drift():
    base = [r for r in side(range(1, 6)) if r.case.implementation != "sdpa"]
    judgement = compare(base, side(range(1, 6), slow(3.0)))
    assert kinds(judgement) == {"dct-x": VerdictKind.INCOMPARABLE}
    assert reasons(judgement) == [Reason(ReasonCode.NO_REFERENCE, {"reference": "sdpa"})]
    [verdict] = [verdict for verdict in judgement.verdicts if verdict.metric == "latency"]
    assert (verdict.base, verdict.head, verdict.raw, verdict.effect) == pytest.approx((2e-3, 6e-3, 3.0, None))
    assert verdict.tolerance == 0.10
    assert judgement.exit_code() == 3


@pytest.mark.parametrize("reference", ["sdpa", "none"])
def test_a_case_that_shares_no_process_with_a_reference_is_told_from_the_others_or_not_at_all(reference):
    base = [r for r in side(range(1, 11)) if (r.case.implementation == reference) == (r.round > 5)]
    judgement = compare(base, side(range(1, 6)), paired=False)
    assert kinds(judgement) == {"dct-x": VerdictKind.INCOMPARABLE if reference == "sdpa" else VerdictKind.PASS}
    assert judgement.open == ()


@pytest.mark.parametrize("ratio", [4, 8])
@pytest.mark.parametrize("paired", [True, False])
def test_a_reference_with_a_ratio_is_the_same_case_on_both_sides_and_of_the_cases_own_ratio(paired, ratio):
    """dct-kv takes another time at each ratio, and is met in another order on each side."""

    def measured(order):
        return [
            one for number in range(1, 11) for r in order
            for one in (result("dct-kv", 1024, 1e-3 * r, ratio=r, round=number),
                        result("dct-x", 1024, 2e-3, ratio=r, round=number))
        ]  # fmt: skip

    rules = replace(RULES, reference="dct-kv")
    judgement = compare(measured([4, 8]), measured([8, 4]), paired=paired, rules=rules)
    assert {v.kind for v in judgement.verdicts} == {VerdictKind.PASS}
    assert [v.effect for v in judgement.verdicts] == pytest.approx([1.0] * len(judgement.verdicts))

    other = 12 - ratio  # there the reference itself takes twice as long in head
    head = [
        result("dct-kv", 1024, 2 * 1e-3 * other, ratio=other, round=r.round)
        if (r.case.implementation, r.case.ratio) == ("dct-kv", other) else r for r in measured([8, 4])
    ]  # fmt: skip
    moved = compare(measured([4, 8]), head, paired=False, rules=rules)
    assert {v.case.ratio: v.effect for v in moved.verdicts} == pytest.approx({ratio: 1.0, other: 0.5})


def test_budgets_are_held_against_the_cases_that_are_named():
    rules = Rules(latency=0.1, budgets=Budgets(memory=4000.0, latency_p99=1e-3), at={"seq_len": 1024})
    judgement = compare(side(range(1, 6)), side(range(1, 6)), rules=rules)
    assert kinds(judgement, "budget.memory") == {"dct-x": VerdictKind.OVER_BUDGET}
    assert kinds(judgement, "budget.latency.p99") == {"dct-x": VerdictKind.INCONCLUSIVE}  # 100 samples bound no p99
    elsewhere = Rules(latency=0.1, budgets=Budgets(memory=4000.0), at={"seq_len": 512})
    assert kinds(compare(side(range(1, 6)), side(range(1, 6)), rules=elsewhere), "budget.memory") == {}


@given(st.floats(0.5, 2.0), st.integers(0, 1000))
def test_turning_the_sides_round_never_gives_two_regressions(factor, seed):
    both = [*range(1, 16), *range(CONFIRMING + 1, CONFIRMING + 16)]
    base, head = side(both, noise=0.05, seed=seed), side(both, slow(factor), 0.05, seed + 1)
    there, back = kinds(compare(base, head)), kinds(compare(head, base))
    assert not (there["dct-x"] is VerdictKind.SLOWER and back["dct-x"] is VerdictKind.SLOWER)
