"""Floors of accuracy: a method keeps one only if the seeds show it."""

from __future__ import annotations

import pytest

from dctbench import analysis
from dctbench.analysis import Budgets
from dctbench.analysis.accuracy import task_results
from dctbench.analysis.decision import Accuracies
from dctbench.analysis.floors import AccuracyFloor, Miss, keep_floors
from dctbench.wording.accuracy import missed_words
from tests.analysis.test_decision import BAD, EXACT, GOOD, UNSURE, accuracies, names, ranked, with_a_convolution
from tests.support.made import in_two_rounds, result
from tests.support.trained import learned, trained

RANKING = ranked(EXACT, ("full", None, 9e-3, 64), ("dct-x", 4, 2e-3, 8), ("dct-x", 8, 1e-3, 8), ("fnet", None, 3e-3, 8))
CHOICE = analysis.choose(RANKING, Budgets())
BELOW_SDPA = AccuracyFloor("mnist1d", "sdpa", 0.02)


def kept(floor: AccuracyFloor, known: Accuracies) -> tuple[list[str], dict[str, Miss]]:
    choice, missed = keep_floors(RANKING, CHOICE, [floor], known)
    return names(choice.within), {case.name: why.why for case, [why] in missed.items()}


def test_only_methods_shown_to_be_above_the_floor_keep_it() -> None:
    within, missed = kept(BELOW_SDPA, accuracies(dct_x_4=GOOD, dct_x_8=BAD))
    assert within == ["dct-x r=4", "sdpa", "full"]  # full computes what sdpa computes
    assert missed == {"dct-x r=8": Miss.BELOW, "fnet": Miss.NOT_MEASURED}


def test_the_fastest_that_keeps_the_floor_leads() -> None:
    choice, _ = keep_floors(RANKING, CHOICE, [BELOW_SDPA], accuracies(dct_x_4=GOOD, dct_x_8=BAD))
    assert names(choice.leaders) == ["dct-x r=4"]


def test_seeds_that_do_not_tell_do_not_keep_a_floor() -> None:
    assert kept(BELOW_SDPA, accuracies(dct_x_4=UNSURE))[1]["dct-x r=4"] is Miss.NOT_SHOWN


def test_a_task_that_says_nothing_lets_only_exact_methods_pass() -> None:
    cases = [trained("sdpa", [0.5, 0.5]), trained("none", [0.5, 0.49]), trained("dct-x", [0.5, 0.5], ratio=4)]
    within, missed = kept(BELOW_SDPA, Accuracies(tuple(task_results(learned(*cases)))))
    assert within == ["sdpa", "full"]
    assert missed["dct-x r=4"] is Miss.SILENT


@pytest.mark.parametrize("floor", [BELOW_SDPA, AccuracyFloor("mnist1d", None, 0.7)])
def test_a_layer_with_options_does_not_keep_a_floor_for_the_layer_that_was_timed(floor: AccuracyFloor) -> None:
    ranking = ranked(EXACT, ("nystromformer", 4, 1e-3, 8))
    choice, missed = keep_floors(ranking, analysis.choose(ranking, Budgets()), [floor], with_a_convolution())
    assert names(choice.within) == ["sdpa"]
    [[miss]] = missed.values()
    assert miss.why is Miss.OTHER_LAYER
    assert missed_words("nystromformer r=4", [miss], with_a_convolution().tasks).endswith(
        " on mnist1d, but trained with a convolution of 33 taps, which latency and error leave out"
    )


def test_a_floor_may_be_below_a_method_that_is_not_exact() -> None:
    ranking = ranked(
        EXACT, ("fnet", None, 3e-3, 8), ("linear", None, 2e-3, 8), ("dct-x", 4, 1e-3, 8), ("pool", 4, 1e-3, 8)
    )
    cases = [trained("sdpa", [0.8, 0.81, 0.82]), trained("none", [0.3, 0.31, 0.32]),
             trained("fnet", [0.6, 0.61, 0.62]), trained("linear", [0.599, 0.611, 0.62]),
             trained("dct-x", [0.5, 0.51, 0.521], ratio=4)]  # fmt: skip
    known = Accuracies(tuple(task_results(learned(*cases))))
    floor = AccuracyFloor("mnist1d", "fnet", 0.02)
    choice, missed = keep_floors(ranking, analysis.choose(ranking, Budgets()), [floor], known)
    assert names(choice.within) == ["linear", "fnet", "sdpa"]
    [[miss]] = [misses for case, misses in missed.items() if case.implementation == "dct-x"]
    assert miss.why is Miss.BELOW
    said = missed_words("dct-x r=4", [miss], known.tasks)
    assert said.startswith("accuracy: dct-x r=4, -10.0 points (")
    assert said.endswith(" against fnet on mnist1d")
    unknown, _ = keep_floors(ranking, analysis.choose(ranking, Budgets()), [floor], accuracies(dct_x_4=GOOD))
    assert names(unknown.within) == []


@pytest.mark.parametrize(("least", "passes"), [(0.7, True), (0.9, False)])
def test_an_accuracy_of_its_own_needs_no_reference(least: float, passes: bool) -> None:
    within, missed = kept(AccuracyFloor("mnist1d", None, least), accuracies(dct_x_4=GOOD))
    assert ("dct-x r=4" in within) is passes
    assert ("sdpa" in within) is passes
    assert missed["full"] is Miss.NOT_MEASURED


def test_one_threshold_over_many_methods_is_kept_in_the_joint_test_only() -> None:
    lucky = accuracies(dct_x_4=BAD, dct_x_8=GOOD)
    assert kept(BELOW_SDPA, lucky)[1]["dct-x r=8"] is Miss.ALONE
    assert kept(AccuracyFloor("mnist1d", None, 0.75), lucky)[1]["dct-x r=8"] is Miss.ALONE
    assert "dct-x r=8" in kept(BELOW_SDPA, accuracies(dct_x_4=GOOD, dct_x_8=GOOD))[0]


def test_a_floor_of_the_size_of_the_margin_is_kept_by_those_that_are_as_good() -> None:
    values = {f"dct_x_{ratio}": (0.8 - ratio / 500, 0.808, 0.82) for ratio in (2, 4, 6, 8)}
    known = accuracies(**values, dct_kv_4=UNSURE, pool_4=GOOD)
    [results] = known.tasks
    ranking = ranked(EXACT, *(("dct-x", ratio, 1e-3 / ratio, 8) for ratio in (2, 4, 6, 8)))
    choice, _ = keep_floors(ranking, analysis.choose(ranking, Budgets()), [BELOW_SDPA], known)
    held = [case.name for case in results.held["dct-x"]]
    assert 0 < len(held) < 4
    assert set(names(choice.within)) == {"sdpa", *held}


@pytest.mark.parametrize(
    "floor", [BELOW_SDPA, AccuracyFloor("mnist1d", "dct-x", 0.02), AccuracyFloor("mnist1d", None, 0.1)]
)
def test_nothing_keeps_a_floor_in_int8(floor: AccuracyFloor) -> None:
    cases = [result(name, 512, 1e-3, engine="onnxruntime-int8", ratio=ratio)
             for name, ratio in (("sdpa", None), ("full", None), ("dct-x", 4))]  # fmt: skip
    [ranking] = analysis.rankings(analysis.summarise(in_two_rounds(cases)), "sdpa")
    choice, missed = keep_floors(ranking, analysis.choose(ranking, Budgets()), [floor], accuracies(dct_x_4=GOOD))
    assert choice.within == ()
    assert {miss.why for misses in missed.values() for miss in misses} == {Miss.NOT_MEASURED}
