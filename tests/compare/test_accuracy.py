"""Whether accuracy fell: by seeds that both sides share, and by more than is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from scipy import stats as scipy_stats

from dctbench.compare import Comparison, Judgement, Rules, judge
from dctbench.compare.accuracy import accuracy_verdicts
from dctbench.model import Reason, ReasonCode, Result, Verdict, VerdictKind
from dctbench.wording import verdict_numbers
from tests.support.made import in_two_rounds, result
from tests.support.trained import learned, trained

BASE = [0.80, 0.81, 0.82, 0.805, 0.815]
WIGGLE = [-0.002, 0.001, 0.0, 0.002, -0.001]


def judged(base: Sequence[float | None], head: Sequence[float | None], allowed: float = 0.01) -> Judgement:
    before, now = ({s.case: s for s in learned(trained("dct-x", values, ratio=4))} for values in (base, head))
    return judge(Comparison(before, now, {case: case for case in now}, paired=False), Rules(accuracy=allowed))


def verdict(head: Sequence[float | None], allowed: float = 0.01, base: Sequence[float | None] = BASE) -> Verdict:
    [found] = judged(base, head, allowed).verdicts
    return found


def moved(by: float, times: float = 1.0) -> list[float]:
    return [value + by + times * swing for value, swing in zip(BASE, WIGGLE, strict=True)]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (BASE, VerdictKind.PASS),
        (moved(-0.004), VerdictKind.PASS),
        (moved(-0.03), VerdictKind.WORSE),
        (moved(+0.03), VerdictKind.BETTER),
        (moved(-0.008, 6), VerdictKind.INCONCLUSIVE),
    ],
)
def test_a_fall_beyond_what_is_allowed_is_worse_if_the_seeds_prove_it(head: list[float], kind: VerdictKind) -> None:
    found = verdict(head)
    assert (found.metric, found.kind) == ("accuracy", kind)
    assert found.head == pytest.approx(sum(head) / 5)
    assert found.effect == pytest.approx(sum(head) / sum(BASE))
    if kind is VerdictKind.INCONCLUSIVE:
        assert found.reason == Reason(ReasonCode.SEEDS_DO_NOT_TELL)


def test_the_interval_and_the_proof_are_those_of_scipys_paired_t_test() -> None:
    head = moved(-0.015, 4)
    fell = scipy_stats.ttest_rel(head, BASE, alternative="less").pvalue
    low = scipy_stats.ttest_rel(head, BASE).confidence_interval(0.95).low
    assert fell < 0.05
    assert verdict(head, 0.01).kind is VerdictKind.WORSE
    assert verdict(head, -low + 1e-6).kind is VerdictKind.PASS
    assert verdict(head, -low - 1e-6).kind is VerdictKind.INCONCLUSIVE


def test_equal_falls_are_known_to_one_example_of_the_test() -> None:
    """Two seeds that fall alike: p is that of Student's t with a standard deviation of one of a thousand examples."""
    base, by = [0.80, 0.81], 0.012
    p = scipy_stats.t.sf(by * 1000 * 2**0.5, 1)
    assert 0.01 < p < 0.05 / 2
    alone = verdict([value - by for value in base], base=base)
    assert alone.kind is VerdictKind.WORSE
    assert verdict([value - 0.004 for value in base], allowed=0.003, base=base).kind is VerdictKind.INCONCLUSIVE


def test_equal_seeds_pass_at_once_whatever_one_example_is_worth() -> None:
    for allowed in (0.0005, 0.0):
        assert verdict([0.8, 0.81], allowed=allowed, base=[0.8, 0.81]).kind is VerdictKind.PASS


def test_many_cases_need_more_proof_by_holms_correction() -> None:
    head = moved(-0.015, 6)
    pairs = [
        (trained("dct-x", BASE, ratio=r), trained("dct-x", head if r == 2 else BASE, ratio=r)) for r in range(2, 12)
    ]
    p = scipy_stats.ttest_rel(head, BASE, alternative="less").pvalue
    assert 0.05 / 10 < p < 0.05
    base, now = ({s.case: s for s in learned(*side)} for side in zip(*pairs, strict=True))
    found = judge(Comparison(base, now, {case: case for case in now}, paired=False), Rules())
    assert VerdictKind.WORSE not in {one.kind for one in found.verdicts}


def test_one_shared_seed_decides_nothing() -> None:
    found = verdict([0.5], base=[0.8])
    assert (found.kind, found.reason) == (VerdictKind.INCONCLUSIVE, Reason(ReasonCode.TOO_FEW_SEEDS))


def test_too_few_seeds_never_pass_whatever_an_inconclusive_verdict_counts_as() -> None:
    few = judged([0.8], [0.5])
    assert [few.exit_code(asked) for asked in (None, "pass", "fail")] == [3, 3, 1]
    wide = judged(BASE, moved(-0.008, 6))
    assert [wide.exit_code(asked) for asked in (None, "pass", "fail")] == [3, 0, 1]


@pytest.mark.parametrize(
    ("by", "kind"), [(-1.7, VerdictKind.WORSE), (-0.95, VerdictKind.WORSE), (0.0, VerdictKind.BETTER)]
)
def test_accuracies_below_zero_are_compared_by_their_difference_and_have_no_ratio(by: float, kind: VerdictKind) -> None:
    found = verdict(moved(by), base=[value - 0.9 for value in BASE])
    assert (found.kind, found.effect) == (kind, None)
    assert verdict_numbers.change(found) == f"{100 * (by + 0.9):+.1f} points"


@pytest.mark.parametrize(
    ("base", "head", "paired", "more"),
    [
        (3, 3, True, True),  # fewer than every case gets
        (5, 5, True, False),
        (7, 7, True, True),  # one that was undecided goes on to the most
        (10, 10, True, False),
        (5, 3, False, True),
        (3, 3, False, False),  # the stored run has no other seeds
        (10, 7, False, True),
    ],
)
def test_equal_trainings_get_the_fewest_seeds_or_the_most_and_no_more_than_a_stored_run_has(
    base: int, head: int, paired: bool, more: bool
) -> None:
    assert seeds_are_wanted(BASE * 2, BASE * 2, base, head, paired) is more


@pytest.mark.parametrize(("seeds", "more"), [(4, True), (5, True), (9, True), (10, False)])
def test_what_the_seeds_do_not_decide_gets_the_most(seeds: int, more: bool) -> None:
    assert seeds_are_wanted(BASE * 2, moved(-0.008, 20) * 2, seeds, seeds, True) is more


def seeds_are_wanted(base: Sequence[float], head: Sequence[float], of_base: int, of_head: int, paired: bool) -> bool:
    """Whether a gate of 5 to 10 pairs trains another seed of a case with so many on either side."""
    before, now = (
        {s.case: s for s in learned(trained("dct-x", values[:count], ratio=4))}
        for values, count in ((base, of_base), (head, of_head))
    )
    comparison = Comparison(before, now, {case: case for case in now}, paired=paired)
    found = judge(comparison, Rules(pairs=5, max_pairs=10))
    assert judge(comparison, Rules(pairs=5, max_pairs=10, confirm=False)).open == ()
    assert found.open in ((), tuple(now))
    return bool(found.open)


def test_trainings_of_other_lengths_are_not_compared() -> None:
    def found(head: list[Result], steps: int = 500) -> Judgement:
        base, now = ({s.case: s for s in learned(side)} for side in (trained("dct-x", BASE, steps=steps), head))
        return judge(Comparison(base, now, {case: case for case in now}, paired=True), Rules())

    other = found(trained("dct-x", moved(-0.3), steps=1000))
    [verdict] = other.verdicts
    assert (verdict.kind, verdict.reason) == (VerdictKind.INCOMPARABLE, Reason(ReasonCode.OTHER_STEPS))
    assert (verdict.base, verdict.head, other.open, other.exit_code("pass")) == (None, None, (), 3)
    some = [*trained("dct-x", [*BASE[:3], 0.1, 0.1], steps=1000)[3:], *trained("dct-x", BASE[:3])]
    [verdict] = found(some).verdicts
    assert verdict.kind is VerdictKind.PASS
    assert verdict.head == pytest.approx(sum(BASE[:3]) / 3)


def test_a_base_that_is_compared_with_several_cases_is_paired_by_its_seeds_and_not_by_its_rounds() -> None:
    twice = [replace(one, round=2 * one.round - first) for one in trained("dct-x", BASE) for first in (1, 0)]
    base, now = ({s.case: s for s in learned(side)} for side in (twice, trained("dct-x", BASE)))
    [verdict] = judge(Comparison(base, now, {case: case for case in now}, paired=True), Rules()).verdicts
    assert (verdict.kind, verdict.base) == (VerdictKind.PASS, verdict.head)


def test_a_training_that_crashes_in_head_is_newly_failing() -> None:
    assert verdict([0.8, None, 0.82, 0.8, 0.8]).kind is VerdictKind.NEWLY_FAILING


def test_exit_codes_follow_and_trainings_do_not_disturb_the_judgement_of_latency() -> None:
    assert judged(BASE, BASE).exit_code() == 0
    assert judged(BASE, moved(-0.03)).exit_code() == 1
    assert judged(BASE, moved(-0.008, 6)).exit_code() == 3
    timed = in_two_rounds([result("sdpa", 1024, 1e-3), result("dct-x", 1024, 2e-3, ratio=8)])
    base, now = (
        {s.case: s for s in learned(timed, trained("dct-x", values, ratio=4))} for values in (BASE, moved(-0.03))
    )
    cases = {case: case for case in now if case.implementation != "sdpa"}
    found = judge(Comparison(base, now, cases, paired=False), Rules(pairs=2, max_pairs=1000, confirm=False))
    assert {one.metric for one in found.verdicts if one.case.task} == {"accuracy"}
    assert "latency" in {one.metric for one in found.verdicts if not one.case.task}


def test_a_change_is_told_in_points() -> None:
    found = verdict(moved(-0.03))
    assert verdict_numbers.change(found) == "-3.0 points"
    assert verdict_numbers.limit(found) == "1 point"
    assert verdict_numbers.both(found) == ("0.810", "0.780")


def test_a_gate_shares_its_level_between_its_two_looks_and_so_does_a_comparison_of_its_pairs() -> None:
    head = moved(-0.012, 7)
    fell = scipy_stats.ttest_rel(head, BASE, alternative="less").pvalue
    assert 0.025 < fell < 0.05
    before, now = ({s.case: s for s in learned(trained("dct-x", values, ratio=4))} for values in (BASE, head))
    comparison = Comparison(before, now, {case: case for case in now}, paired=True)
    for confirm in (True, False):
        [found] = judge(comparison, Rules(accuracy=0.01, confirm=confirm)).verdicts
        assert found.kind is VerdictKind.INCONCLUSIVE
    sides = {case: (before[case], now[case]) for case in now}
    [alone] = accuracy_verdicts(sides, Rules(accuracy=0.01), 0.05).values()
    assert alone.kind is VerdictKind.WORSE
