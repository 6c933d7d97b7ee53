"""Verdicts on runs that were stored: measured apart, perhaps elsewhere, so that less can be told than of pairs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.compare import CONFIRMING
from dctbench.compare.stored import as_stored
from dctbench.model import Reason, ReasonCode, ResultDetails, VerdictKind
from tests.compare.test_judgement import RULES, compare, failing, kinds, reasons, side, slow
from tests.support.made import elsewhere


def test_processes_of_another_environment_are_counted_but_not_timed_against_each_other():
    judgement = compare(elsewhere(side(range(1, 6))), side(range(1, 2), slow(3.0)), paired=False)
    assert kinds(judgement) == {"dct-x": VerdictKind.INCOMPARABLE}
    assert reasons(judgement, "latency") == [Reason(ReasonCode.OTHER_ENVIRONMENT)]
    assert kinds(judgement, "flops") == {"dct-x": VerdictKind.PASS}
    assert (judgement.open, judgement.drift, judgement.exit_code()) == ((), {}, 3)


def test_an_environment_that_a_file_does_not_name_is_no_ones():
    unnamed = [replace(one, fingerprint="") for one in side(range(1, 6))]
    judgement = compare(unnamed, unnamed, paired=False)
    assert reasons(judgement, "latency") == [Reason(ReasonCode.OTHER_ENVIRONMENT)]


def test_sides_that_took_turns_compare_whatever_else_differs_between_them():
    """As with another version of torch in the interpreter of base."""
    judgement = compare(elsewhere(side(range(1, 6))), side(range(1, 6)))
    assert kinds(judgement) == {"dct-x": VerdictKind.PASS}
    assert judgement.drift == {"sdpa": pytest.approx(1.0), "none": pytest.approx(1.0)}


@pytest.mark.parametrize("parts", [(True, False), (False, True), (True, True)])
def test_a_reference_of_another_environment_than_its_case_cancels_nothing(parts):
    def merged(results, moved):
        return [found for one in results for found in (elsewhere([one]) if moved and one.case.ratio is None else [one])]

    sides = [merged(side(range(1, 6)), moved) for moved in parts]
    judgement = compare(*sides, paired=False)
    assert kinds(judgement) == {"dct-x": VerdictKind.INCOMPARABLE}
    assert reasons(judgement, "latency") == [Reason(ReasonCode.NO_REFERENCE, {"reference": "sdpa"})]
    assert bool(judgement.drift) is all(parts)


def test_flops_of_another_transform_plan_compare_only_where_one_machine_chose_both_by_the_same_rates():
    def planned(name, rates=None):
        return [replace(found, details=ResultDetails(plan=name, plan_rates=rates)) for found in side(range(1, 6))]

    base, head = planned("fft"), planned("basis")
    for before, now in ((elsewhere(base), head), (base, planned("basis", "a" * 16))):
        apart = compare(before, now, paired=False)
        assert kinds(apart, "flops") == {"dct-x": VerdictKind.INCOMPARABLE}
        assert reasons(apart, "flops") == [Reason(ReasonCode.OTHER_PLAN, {"base": "fft", "head": "basis"})]
    assert kinds(compare(base, head, paired=False), "flops") == {"dct-x": VerdictKind.PASS}
    alike = compare(planned("fft"), planned("fft", "a" * 16), paired=False)
    assert kinds(alike, "flops") == {"dct-x": VerdictKind.PASS}


def test_stored_runs_are_compared_by_the_ratio_to_the_reference():
    drifted = lambda name, number: 1.5  # noqa: E731
    judgement = compare(side(range(1, 6), noise=0.01), side(range(1, 6), drifted, 0.01, 1), paired=False)
    assert kinds(judgement) == {"dct-x": VerdictKind.PASS}


BOTH = [*range(1, 16), *range(CONFIRMING + 1, CONFIRMING + 16)]


@pytest.mark.parametrize(("factor", "kind"), [(1.4, VerdictKind.INCONCLUSIVE), (0.6, VerdictKind.PASS)])
def test_beside_a_single_stored_run_latencies_are_advisory(factor, kind):
    judgement = compare(side(range(1, 6), noise=0.01), side(BOTH, slow(factor), 0.01, 1), paired=False)
    assert kinds(judgement) == {"dct-x": kind}
    first = "slower" if factor > 1 else "faster"
    assert reasons(judgement, "latency") == [Reason(ReasonCode.RUN_TO_RUN, {"first": first})]
    assert judgement.advisory
    assert judgement.exit_code() == (3 if factor > 1 else 0)
    assert judgement.exit_code("pass") == 0


def test_a_second_run_of_base_shows_how_much_runs_differ():
    """Student's test with the run as the unit: one degree of freedom from two runs of base."""
    base, head = side(range(1, 6), noise=0.01), side(BOTH, slow(1.4), 0.01, 1)
    known = compare(base, head, paired=False, further=[side(range(1, 6), noise=0.01, seed=2)] * 4)
    assert kinds(known) == {"dct-x": VerdictKind.SLOWER}
    assert not known.advisory
    apart = compare(base, head, paired=False, further=[side(range(1, 6), slow(1.35), 0.01, 3)])
    assert kinds(apart) == {"dct-x": VerdictKind.INCONCLUSIVE}
    assert reasons(apart, "latency") == [Reason(ReasonCode.TOO_FEW_RUNS)]


def test_a_case_with_a_single_process_stays_open_beside_one_whose_fresh_processes_are_asked():
    both = [*range(1, 6), *range(CONFIRMING + 1, CONFIRMING + 6)]
    found = side(both, slow(1.4), 0.01, 1)
    head = [one for one in found if one.case.implementation != "none" or one.round == 1]
    judgement = compare(
        side(range(1, 6), noise=0.01), head, paired=False, rules=as_stored(RULES), judged=("dct-x", "none")
    )
    assert kinds(judgement) == {"dct-x": VerdictKind.SLOWER, "none": VerdictKind.INCONCLUSIVE}
    assert judgement.confirming
    assert [case.implementation for case in judgement.open] == ["none"]


AGAIN = {"noise": 0.01, "seed": 2}


def lacking(name):
    """A second run of base without a method."""
    return [one for one in side(range(1, 6), **AGAIN) if one.case.implementation != name]


SOMETIMES = failing(side(range(1, 6), **AGAIN), ["dct-x"], (3,))
# The case and its reference ran, but never in one process, so that no ratio of the two is known.
APART = [replace(one, round=one.round + 5) if one.case.ratio else one for one in side(range(1, 6), **AGAIN)]


@pytest.mark.parametrize(
    "second", [lacking("dct-x"), lacking("sdpa"), SOMETIMES, APART, elsewhere(side(range(1, 6), **AGAIN))]
)
def test_a_second_run_of_base_that_lacks_a_case_shows_nothing_of_it(second):
    base, head = side(range(1, 6), noise=0.01), side(BOTH, slow(1.4), 0.01, 1)
    judgement = compare(base, head, paired=False, further=[second])
    assert kinds(judgement) == {"dct-x": VerdictKind.INCONCLUSIVE}
    assert reasons(judgement, "latency") == [Reason(ReasonCode.RUN_TO_RUN, {"first": "slower"})]
    assert [case.implementation for case in judgement.advisory] == ["dct-x"]
    assert judgement.exit_code() == 3


def test_a_run_of_base_that_lacks_a_case_takes_nothing_from_the_others():
    base, head = side(range(1, 6), noise=0.01), side(BOTH, slow(1.4), 0.01, 1)
    others = [side(range(1, 6), noise=0.01, seed=2)] * 4
    known = compare(base, head, paired=False, further=[*others, lacking("dct-x")])
    assert kinds(known) == {"dct-x": VerdictKind.SLOWER}
    everything = compare(base, head, paired=False, further=[lacking("dct-x")], judged=("dct-x", "none"))
    assert [case.implementation for case in everything.advisory] == ["dct-x"]


def test_the_figures_of_several_runs_of_base_are_their_means():
    """Geometric ones, so that head / base is the raw change."""
    base, again, head = side(range(1, 6)), side(range(1, 6), slow(1.44)), side(range(1, 6), lambda name, number: 1.5)
    judgement = compare(base, head, paired=False, further=[again])
    [verdict] = [v for v in judgement.verdicts if v.metric == "latency"]
    assert verdict.base == pytest.approx(2e-3 * 1.2)
    assert verdict.head == pytest.approx(3e-3)
    assert verdict.raw == pytest.approx(1.5 / 1.2)
    assert verdict.effect == pytest.approx(1 / 1.2)
    steady = compare(base, base, paired=False, further=[side(range(1, 6), lambda name, number: 1.44)])
    assert steady.drift == {name: pytest.approx(1 / 1.2) for name in ("sdpa", "none")}


STORED = as_stored(RULES)
EIGHT = range(1, 9)


def without_control(results):
    return [one for one in results if one.case.implementation != "none"]


@pytest.mark.parametrize("factor", [1.4, 0.7])
def test_a_machine_that_was_slower_on_the_second_day_made_no_reference_slower(factor):
    base, head = side(EIGHT, noise=0.01), side(EIGHT, lambda name, number: factor, 0.01, 1)
    both = {"rules": STORED, "paired": False, "judged": ("sdpa", "dct-x")}
    beside = compare(base, head, **both)
    assert kinds(beside) == {"sdpa": VerdictKind.PASS, "dct-x": VerdictKind.PASS}
    alone = compare(without_control(base), without_control(head), **both)
    assert kinds(alone) == {"sdpa": VerdictKind.INCONCLUSIVE, "dct-x": VerdictKind.PASS}
    [reason] = [v.reason for v in alone.verdicts if v.kind is VerdictKind.INCONCLUSIVE]
    assert reason == Reason(ReasonCode.MAY_BE_DRIFT)


def test_a_reference_that_changed_beside_the_control_is_slower():
    base, head = side(EIGHT, noise=0.01), side(EIGHT, lambda name, _: 1.5 if name == "sdpa" else 1.0, 0.01, 1)
    found = compare(base, head, rules=STORED, paired=False, judged=("sdpa",))
    assert kinds(found) == {"sdpa": VerdictKind.SLOWER}
    [verdict] = [v for v in found.verdicts if v.metric == "latency"]
    assert verdict.effect == pytest.approx(1.5, rel=0.02)
