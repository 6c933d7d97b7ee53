"""What accuracy says of methods: standings, sensitivity, kept shares, and what is not known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as scipy_stats

from dctbench.analysis.accuracy import Compared, Doubt, Standing, TaskResults, task_results
from dctbench.model import NO_DETAILS, Result, Training
from tests.support.trained import learned, trained

FULL = [0.80, 0.82, 0.81]
NONE = [0.30, 0.31, 0.32]


def shifted(by: float, spread: float = 0.0) -> list[float]:
    return [full + by + spread * sign for full, sign in zip(FULL, (-1, 0, 1), strict=True)]


def results(*more: list, reference: list[float] = FULL, control: list[float] | None = NONE) -> TaskResults:  # type: ignore[type-arg]
    known = [trained("sdpa", reference)] + ([trained("none", control)] if control else [])
    [found] = task_results(learned(*known, *more))
    return found


def method(found: TaskResults, name: str) -> Compared:
    [one] = [one for one in found.methods if one.case.name == name]
    return one


@pytest.mark.parametrize(
    ("accuracies", "standing"),
    [
        (shifted(+0.05, 0.001), Standing.BETTER),
        (shifted(+0.001, 0.003), Standing.AS_GOOD),
        (shifted(-0.01, 0.001), Standing.AS_GOOD),
        (shifted(-0.05, 0.001), Standing.WORSE),
        (shifted(-0.01, 0.05), Standing.UNDECIDED),
    ],
)
def test_standings_follow_the_paired_interval_and_the_margin(accuracies: list[float], standing: Standing) -> None:
    one = method(results(trained("dct-x", accuracies, ratio=4)), "dct-x r=4")
    assert one.standing is standing
    expected = scipy_stats.ttest_rel(accuracies, FULL).confidence_interval(0.95)
    assert one.difference is not None
    assert (one.difference.low, one.difference.high) == pytest.approx((expected.low, expected.high))
    assert one.doubt is (Doubt.WIDE if standing is Standing.UNDECIDED else None)


def test_a_wider_margin_lets_a_larger_loss_pass() -> None:
    summaries = learned(trained("sdpa", FULL), trained("none", NONE), trained("dct-x", shifted(-0.04, 0.001), ratio=4))
    assert method(task_results(summaries)[0], "dct-x r=4").standing is Standing.WORSE
    assert method(task_results(summaries, margin=0.06)[0], "dct-x r=4").standing is Standing.AS_GOOD


def test_a_task_says_nothing_unless_exact_attention_surely_gains_four_margins() -> None:
    half = scipy_stats.t.ppf(0.975, 2) * 1e-3 / math.sqrt(3)  # equal gains are known to one of a thousand examples
    none = [full - 0.0801 - half for full in FULL]
    assert results(control=none).sensitive is True
    none = [full - 0.0799 - half for full in FULL]
    found = results(trained("dct-x", shifted(0.1), ratio=4), control=none)
    assert found.sensitive is False
    assert method(found, "dct-x r=4").standing is Standing.SILENT
    assert method(found, "dct-x r=4").kept is None
    assert found.held == {}


def test_a_task_that_none_solves_is_marked() -> None:
    assert results(control=[full - 0.01 for full in FULL]).solved_without_attention
    assert not results().solved_without_attention


def test_a_task_is_not_solved_where_nothing_was_learned_or_seeds_do_not_tell() -> None:
    guesses = results(reference=[0.11, 0.10, 0.12], control=[0.10, 0.11, 0.10])
    assert guesses.gain is not None
    assert not guesses.solved_without_attention
    unsure = results(control=[0.80 - 0.16, 0.82 - 0.01, 0.81 - 0.04])
    assert unsure.gain is not None
    assert unsure.gain.value < 0.08 < unsure.gain.high
    assert not unsure.solved_without_attention


def test_one_of_many_that_are_better_by_themselves_is_not_better_in_the_joint_test() -> None:
    others = [trained("dct-x", shifted(-0.005, 0.001), ratio=4), trained("fnet", shifted(-0.005, 0.001))]
    close = trained("pool", shifted(0.02, 0.0075), ratio=4)
    found = results(*others, close)
    one = method(found, "pool r=4")
    assert (one.standing, one.held, one.held_better) == (Standing.BETTER, True, False)
    sure = method(results(trained("pool", shifted(0.05, 0.001), ratio=4)), "pool r=4")
    assert (sure.standing, sure.held_better) == (Standing.BETTER, True)


def test_one_of_many_that_are_worse_by_themselves_is_not_worse_in_the_joint_test() -> None:
    others = [trained("dct-x", shifted(0.0, 0.003), ratio=4), trained("fnet", shifted(0.0))]
    loss = shifted(-0.04, 0.0145)
    assert 0.025 / 3 < scipy_stats.ttest_rel(loss, FULL, alternative="less").pvalue < 0.025
    one, equal = (method(results(*others, trained("pool", loss, ratio=4)), name) for name in ("pool r=4", "fnet"))
    assert (one.standing, one.held_worse) == (Standing.WORSE, False)
    assert (equal.standing, equal.held_worse) == (Standing.AS_GOOD, False)
    sure = method(results(trained("pool", shifted(-0.05, 0.001), ratio=4)), "pool r=4")
    assert (sure.standing, sure.held_worse) == (Standing.WORSE, True)


def test_the_kept_share_is_that_of_what_attention_gains() -> None:
    one = method(results(trained("dct-x", shifted(-0.1, 0.002), ratio=4)), "dct-x r=4")
    assert one.kept is not None
    gain = np.mean(FULL) - np.mean(NONE)
    assert one.kept.value == pytest.approx((gain - 0.1) / gain)
    assert one.kept.low < one.kept.value < one.kept.high


def test_a_kept_share_of_equal_seeds_is_known_to_one_example_of_the_test() -> None:
    """Of a gain of 900 examples in 1,000, two seeds both keep 850: one example is 1 / 900 of the gain."""
    dct = trained("dct-kv", [0.95, 0.95], ratio=4)
    one = method(results(dct, reference=[1.0, 1.0], control=[0.1, 0.1]), "dct-kv r=4")
    half = scipy_stats.t.ppf(0.975, 1) / math.sqrt(2) / 900
    assert one.kept is not None
    assert (one.kept.low, one.kept.high) == pytest.approx((850 / 900 - half, 850 / 900 + half))


def test_without_reference_control_or_a_second_seed_nothing_is_decided() -> None:
    dct = trained("dct-x", FULL, ratio=4)
    [alone] = task_results(learned(dct, trained("none", NONE)))
    assert method(alone, "dct-x r=4").doubt is Doubt.NO_REFERENCE
    assert method(results(dct, control=None), "dct-x r=4").doubt is Doubt.NO_CONTROL
    [one_seed] = task_results(learned(trained("sdpa", [0.8]), trained("none", [0.3]), trained("dct-x", [0.8], ratio=4)))
    found = method(one_seed, "dct-x r=4")
    assert (found.standing, found.doubt, one_seed.sensitive) == (Standing.UNDECIDED, Doubt.ONE_SEED, None)


def test_only_seeds_that_both_have_are_paired() -> None:
    longer = trained("dct-x", [*shifted(0.0, 0.001), 0.1, 0.1], ratio=4)
    one = method(results(longer), "dct-x r=4")
    assert one.pairs == 3
    assert one.standing is Standing.AS_GOOD


def test_a_failed_training_counts_at_the_floor_and_is_counted() -> None:
    one = method(results(trained("dct-x", [0.81, None, 0.82], ratio=4)), "dct-x r=4")
    assert [seed.accuracy for seed in one.score.seeds] == [0.81, 0.1, 0.82]  # mnist1d has ten classes
    assert one.score.failed == 1
    assert one.standing is not Standing.AS_GOOD


def test_rates_at_the_edge_of_the_grid_are_counted() -> None:
    one = method(results(trained("dct-x", shifted(0.0, 0.001), ratio=4, edge=(1, 3))), "dct-x r=4")
    assert one.score.at_edge == 2


@pytest.mark.parametrize(
    ("loss", "blind", "expected"),
    [
        (-0.3, (1, 2), (Standing.UNDECIDED, Doubt.BLIND)),
        (-0.3, (2,), (Standing.WORSE, None)),  # two of three seeds had a rate that was known to work
        (0.0, (1, 2, 3), (Standing.AS_GOOD, None)),  # good even so
    ],
)
def test_a_method_whose_rates_were_chosen_blindly_is_not_called_worse(
    loss: float, blind: tuple[int, ...], expected: tuple[Standing, Doubt | None]
) -> None:
    one = method(results(trained("dct-x", shifted(loss, 0.001), ratio=4, blind=blind)), "dct-x r=4")
    assert (one.standing, one.doubt) == expected
    assert one.score.blind == len(blind)


def test_the_method_without_attention_is_worse_whatever_its_rates() -> None:
    [found] = task_results(learned(trained("sdpa", FULL), trained("none", NONE, blind=(1, 2, 3))))
    assert method(found, "none").standing is Standing.WORSE


def test_longer_training_tells_whether_a_blind_choice_was_to_blame() -> None:
    short = trained("dct-x", shifted(-0.3, 0.001), ratio=4, blind=(1, 2, 3))
    for accuracy, expected in ((0.81, Standing.SLOW), (0.4, Standing.WORSE)):
        longer = [trained(name, [value], ratio=ratio, task="mnist1d/4x")
                  for name, value, ratio in (("sdpa", 0.82, None), ("dct-x", accuracy, 4))]  # fmt: skip
        assert method(results(short, *longer), "dct-x r=4").standing is expected


@pytest.mark.parametrize(
    ("accuracies", "solved"),
    [
        ([0.80, 0.35, 0.81], 2),
        ([0.3, 0.33, 0.8], 1),
        ([0.5, 0.6, 0.7], None),
        ([0.31, 0.60, 0.61], None),  # two groups, of which neither is near exact attention
    ],
)
def test_seeds_in_two_groups_are_counted_by_whether_they_solve_the_task(
    accuracies: list[float], solved: int | None
) -> None:
    assert method(results(trained("linformer", accuracies, ratio=4)), "linformer r=4").solved == solved


def test_worse_is_slow_if_longer_training_makes_up_for_it() -> None:
    worse = trained("dct-x", shifted(-0.2, 0.001), ratio=2)
    longer = [trained("sdpa", [0.9], task="mnist1d/4x"), trained("dct-x", [0.89], ratio=2, task="mnist1d/4x")]
    one = method(results(worse, *longer), "dct-x r=2")
    assert one.standing is Standing.SLOW
    assert one.patient == pytest.approx(-0.01)
    still = [trained("sdpa", [0.9], task="mnist1d/4x"), trained("dct-x", [0.7], ratio=2, task="mnist1d/4x")]
    assert method(results(worse, *still), "dct-x r=2").standing is Standing.WORSE


def test_a_failed_reference_makes_nobody_slow() -> None:
    worse = trained("dct-x", shifted(-0.2, 0.001), ratio=2)
    longer = [trained("sdpa", [None], task="mnist1d/4x"), trained("dct-x", [0.7], ratio=2, task="mnist1d/4x")]
    one = method(results(worse, *longer), "dct-x r=2")
    assert (one.standing, one.patient) == (Standing.WORSE, None)


def test_the_shortest_trainings_are_compared_if_all_are_longer_than_usual() -> None:
    def at(patience: str, by: float) -> list[list[Result]]:
        task = f"mnist1d/{patience}"
        known = [trained("sdpa", FULL, task=task), trained("none", NONE, task=task)]
        return [*known, trained("dct-x", shifted(by, 0.001), task=task, ratio=4)]

    [alone] = task_results(learned(*at("4x", 0.0)))
    assert (str(alone.task), method(alone, "dct-x r=4").standing) == ("mnist1d/4x", Standing.AS_GOOD)
    [both] = task_results(learned(*at("16x", 0.0), *at("4x", -0.1)))
    assert (str(both.task), method(both, "dct-x r=4").standing) == ("mnist1d/4x", Standing.SLOW)


@pytest.mark.parametrize(
    ("reference", "control"),
    [([None, None, None], NONE), ([0.80, None, 0.81], NONE), (FULL, [None, None, None]), (FULL, [0.3, None, 0.3])],
)
def test_failed_trainings_of_exact_attention_or_of_none_say_nothing_of_the_task(
    reference: list[float | None], control: list[float | None]
) -> None:
    good = trained("dct-x", shifted(0.0, 0.001), ratio=4)
    [found] = task_results(learned(trained("sdpa", reference), trained("none", control), good))
    one = method(found, "dct-x r=4")
    assert (found.gain, found.sensitive, found.solved_without_attention, found.held) == (None, None, False, {})
    assert (one.standing, one.doubt, one.kept, one.solved) == (Standing.UNDECIDED, Doubt.FAILED, None, None)
    assert (one.difference is None) is (None in reference)


def test_equal_differences_are_known_to_one_example_of_the_test() -> None:
    """Two seeds that both lose 25 of 1,000 examples prove a loss; 5 of 200 may be chance."""
    lost = []
    for examples in (1000, 200):
        known = ((0.900, 0.910), (0.300, 0.310), (0.875, 0.885))
        cases = [("sdpa", None), ("none", None), ("dct-x", 4)]
        made = [
            trained(name, values, ratio=ratio, test_examples=examples)
            for (name, ratio), values in zip(cases, known, strict=True)
        ]
        [found] = task_results(learned(*made))
        lost.append(method(found, "dct-x r=4"))
        half = scipy_stats.t.ppf(0.975, 1) / examples / math.sqrt(2)
        assert lost[-1].difference is not None
        assert (lost[-1].difference.low, lost[-1].difference.high) == pytest.approx((-0.025 - half, -0.025 + half))
    assert [one.standing for one in lost] == [Standing.WORSE, Standing.UNDECIDED]


def test_ratios_hold_in_sequence_and_stop_at_the_first_that_does_not() -> None:
    def at(ratio: int, by: float) -> list:  # type: ignore[type-arg]
        return trained("dct-x", shifted(by, 0.0005), ratio=ratio)

    found = results(at(2, 0.0), at(4, -0.001), at(8, -0.3), at(16, 0.0))
    assert [case.ratio for case in found.held["dct-x"]] == [2, 4]
    assert [case.ratio for case in found.held.get("none", ())] == []
    assert [(one.case.ratio, one.standing, one.held) for one in found.methods if one.case.ratio] == [
        (2, Standing.AS_GOOD, True), (4, Standing.AS_GOOD, True), (8, Standing.WORSE, False),
        (16, Standing.AS_GOOD, False),
    ]  # fmt: skip


@pytest.mark.parametrize("lost", [2, 4])
def test_a_ratio_that_could_not_be_trained_ends_the_sequence(lost: int) -> None:
    ratios = [2, 4, 8]
    made = [trained("dct-x", [] if r == lost else shifted(0.0, 0.0005), ratio=r) for r in ratios]
    without = replace(trained("dct-x", [0.8], ratio=lost)[0], status="oom", measurements=(), details=NO_DETAILS)
    found = results(*made, [without])
    assert [case.ratio for case in found.held["dct-x"]] == [ratio for ratio in ratios if ratio < lost]
    doubts = {one.case.ratio: one.doubt for one in found.methods if one.case.ratio}
    assert doubts == {ratio: Doubt.NOT_TRAINED if ratio == lost else None for ratio in ratios}


def test_only_exact_attention_that_was_trained_stands_for_exact_attention() -> None:
    summaries = learned(
        trained("sdpa", FULL),
        trained("full", shifted(0.01)),
        trained("linear", shifted(-0.2)),
        trained("none", NONE),
    )
    for name, used in (("full", "full"), ("linear", "sdpa"), ("none", "sdpa"), ("math", "sdpa"), (None, "sdpa")):
        [found] = task_results(summaries, name)
        assert found.reference is not None
        assert found.reference.case.implementation == used


def test_a_failed_training_on_a_task_of_ones_own_counts_as_the_floor_that_its_results_record() -> None:
    made = trained("dct-x", [0.9, None, 0.8], task="mine.tasks:Parity", ratio=4)
    known = [replace(one, details=replace(one.details, training=with_floor(one, 0.5))) for one in made]
    [found] = task_results(learned(known))
    assert [seed.accuracy for seed in method(found, "dct-x r=4").score.seeds] == [0.9, 0.5, 0.8]
    assert found.guess == 0.6


def with_floor(result: Result, floor: float) -> Training:
    assert result.details.training is not None
    return replace(result.details.training, floor=floor, guess=floor + 0.1)


def test_each_task_and_each_length_stands_alone_and_scrambled_follows_its_own() -> None:
    summaries = learned(
        trained("sdpa", FULL, task="mnist1d/scrambled"),
        trained("sdpa", FULL, task="acuity", seq_len=64),
        trained("sdpa", FULL),
        trained("sdpa", FULL, seq_len=80),
    )
    found = [(str(one.task), one.case.seq_len) for one in task_results(summaries)]
    assert found == [("acuity", 64), ("mnist1d", 40), ("mnist1d/scrambled", 40), ("mnist1d", 80)]


def test_timed_cases_are_passed_over() -> None:
    from tests.support.made import result

    assert task_results(learned([result("sdpa", 512)])) == []


def test_trainings_of_other_lengths_are_not_compared() -> None:
    found = method(results(trained("dct-x", shifted(0.3), ratio=4, steps=1000)), "dct-x r=4")
    assert (found.standing, found.doubt) == (Standing.UNDECIDED, Doubt.ONE_SEED)
    assert (found.pairs, found.difference, found.kept) == (0, None, None)


def test_a_task_without_a_valid_name_is_passed_over() -> None:
    known = [trained("sdpa", FULL), trained("none", NONE), trained("sdpa", FULL, task="my task")]
    assert [str(one.task) for one in task_results(learned(*known))] == ["mnist1d"]


def test_a_training_counts_under_its_seed_and_only_if_it_finished() -> None:
    first, crashed, third = trained("dct-x", [0.7, None, 0.9], ratio=4)
    again = replace(third, round=5)  # of a base that is compared with several cases: a later round, the same seed
    [summary] = learned([first, crashed, again])
    assert summary.seeds("accuracy") == {1: 0.7, 3: 0.9}
    assert summary.seeds("train.seconds") == {1: 7.0, 3: 7.0}
    assert summary.seeds("accuracy.h4") == {}
