"""The first screen in words."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from dctbench import analysis
from dctbench.analysis import Budgets, Ranking
from dctbench.analysis.decision import NOTHING_LEARNED, Accuracies, decide
from dctbench.model import Case
from dctbench.wording import decision, recommendation
from dctbench.wording.decision import measuring_command
from dctbench.wording.labels import Labels
from tests.analysis.test_deadlines import released
from tests.analysis.test_decision import (
    BAD,
    EXACT,
    GOOD,
    KIB,
    accuracies,
    in_rounds,
    ranked,
    ranking_of,
    with_a_convolution,
)
from tests.support.made import in_two_rounds, result

RANKING = ranked(EXACT, ("dct-x", 4, 2e-3, 32), ("dct-x", 8, 1e-3, 16))


def said(
    known: Accuracies = NOTHING_LEARNED, budgets: Budgets | None = None, ranking: Ranking = RANKING
) -> tuple[str, dict[str, decision.Row]]:
    budgets = budgets or Budgets()
    choice = analysis.choose(ranking, budgets)
    found = decide(ranking, choice, known)
    rows = decision.rows(ranking, choice, found, budgets, known)
    return decision.sentence(ranking, choice, found, budgets, Labels([]), known), {row.name: row for row in rows}


def test_what_gives_up_accuracy_is_faster_but_not_recommended() -> None:
    sentence, rows = said(accuracies(dct_x_4=GOOD, dct_x_8=BAD))
    assert sentence.startswith("At n = 512: ship dct-x r=4 (2.00 ms")
    assert "dct-x r=8 is faster (1.00 ms" in sentence
    assert sentence.endswith("), but worse on mnist1d.")
    assert rows["dct-x r=4"].why == "recommended"
    assert rows["dct-x r=4"].accuracy == "mnist1d 0.810, as good"
    assert rows["dct-x r=8"].why == "worse on mnist1d"
    assert rows["sdpa"].why == "4.00x the time of dct-x r=4; 2.00x the memory of dct-x r=4"


def test_what_is_worse_only_by_itself_is_said() -> None:
    near = [0.80, 0.81, 0.82]
    known = accuracies(dct_x_4=near, pool_4=near, pool_8=near, dct_x_8=[0.8 - 0.0545, 0.81 - 0.04, 0.82 - 0.0255])
    sentence, rows = said(known)
    assert rows["dct-x r=8"].why == "worse on mnist1d by itself, not in the joint test of all methods"
    assert sentence.endswith("but worse on mnist1d by itself, not in the joint test of all methods.")


def test_the_times_of_methods_with_different_numbers_of_rounds_are_compared_by_round_as_speed_ups_are() -> None:
    """A machine that became faster after three rounds, of which one method has no more."""
    sdpa = in_rounds("sdpa", None, [0.130, 0.131, 0.129, 0.100, 0.101, 0.099])
    full = in_rounds("full", None, [0.156, 0.1575, 0.1545], kib=4)
    _, rows = said(ranking=ranking_of(sdpa, full))
    assert rows["full"].speedup.startswith("0.83x")
    assert "1.20x the time of sdpa" in rows["full"].why


def test_what_was_trained_with_more_than_was_timed_is_faster_but_not_recommended() -> None:
    sentence, rows = said(with_a_convolution(), ranking=ranked(EXACT, ("nystromformer", 4, 1e-3, 8)))
    assert sentence.startswith("At n = 512: ship sdpa (8.00 ms")
    assert sentence.endswith("), but its latency leaves out what it was trained with.")
    assert rows["nystromformer r=4"].why == "its latency leaves out what it was trained with"
    assert rows["nystromformer r=4"].accuracy == (
        "mnist1d 0.810, as good; trained with a convolution of 33 taps, which latency and error leave out"
    )


def test_what_is_as_good_only_by_itself_is_faster_but_not_recommended() -> None:
    sentence, rows = said(accuracies(dct_x_4=BAD, dct_x_8=GOOD))
    assert sentence.startswith("At n = 512: ship sdpa (8.00 ms")
    assert rows["dct-x r=8"].why == "as good on mnist1d by itself, but not in the joint test of all methods"
    assert sentence.endswith(f"), but {rows['dct-x r=8'].why}.")


def test_what_was_learned_in_floating_point_is_not_told_of_int8() -> None:
    cases = [result(name, 512, seconds, ratio=ratio, engine="onnxruntime-int8")
             for name, seconds, ratio in (("sdpa", 2e-3, None), ("dct-x", 1e-3, 4))]  # fmt: skip
    [ranking] = analysis.rankings(analysis.summarise(in_two_rounds(cases)), "sdpa")
    known, choice = accuracies(dct_x_4=GOOD), analysis.choose(ranking, Budgets())
    found = decide(ranking, choice, known)
    assert decision.sentence(ranking, choice, found, Budgets(), Labels([]), known).endswith(
        "no method can be recommended: none of them is shown to be as good as exact attention."
    )
    rows = decision.rows(ranking, choice, found, Budgets(), known)
    told = {(row.accuracy, row.why.split("; ")[0]) for row in rows}
    assert told == {("not measured", "its accuracy was not measured")}


def test_keeping_exact_attention_is_a_recommendation() -> None:
    sentence, rows = said(accuracies(dct_x_4=BAD, dct_x_8=BAD))
    assert sentence.startswith("At n = 512: ship sdpa (8.00 ms")
    assert rows["sdpa"].leading
    assert rows["sdpa"].accuracy == "mnist1d 0.810"


def test_without_accuracy_the_fastest_is_named_and_the_command_that_measures_it() -> None:
    sentence, rows = said()
    assert sentence.startswith("At n = 512: the fastest is dct-x r=8")
    command = "dctbench run --suite accuracy --impl sdpa,dct-x,none --ratio 8"
    assert sentence.endswith(f"Its accuracy was not measured: {command} measures it.")
    assert rows["dct-x r=8"].accuracy == "not measured"
    assert rows["dct-x r=8"].why == "fastest; its accuracy was not measured"


def test_an_approximation_is_recommended_only_if_its_error_was_limited_or_its_accuracy_measured() -> None:
    close = {"error.smooth": ("1", 0.02)}
    made = [result("sdpa", 512, 8e-3), result("nystromformer", 512, 1e-3, ratio=4, values=close)]
    [ranking] = analysis.rankings(analysis.summarise(in_two_rounds(made)), "sdpa")
    sentence, rows = said(ranking=ranking)
    assert sentence.startswith("At n = 512: the fastest is nystromformer r=4")
    assert rows["nystromformer r=4"].why == "fastest; its accuracy was not measured"
    sentence, rows = said(budgets=Budgets(error_smooth=0.05), ranking=ranking)
    assert ": ship nystromformer r=4" in sentence
    assert rows["nystromformer r=4"].why == "recommended"


@pytest.mark.parametrize(
    ("case", "command"),
    [
        (Case("dct-kv", 4096, 16), "dctbench run --suite accuracy --impl sdpa,dct-kv,none --ratio 16"),
        (Case("linear", 4096), "dctbench run --suite accuracy --impl sdpa,linear,none"),
        (Case("linformer", 4096, kept=16), "dctbench run --suite accuracy --impl sdpa,linformer,none --kept 16"),
        (Case("linformer", 4096, kept=256), None),
    ],
)
def test_the_command_trains_what_the_case_keeps_unless_a_task_is_shorter(case: Case, command: str | None) -> None:
    assert measuring_command(case) == command


def test_methods_that_are_not_told_apart_may_each_be_the_fastest() -> None:
    tied = ranking_of(in_rounds("sdpa", None, [1e-3, 1.1e-3]), in_rounds("dct-x", 8, [1.05e-3, 1e-3]))
    sentence, rows = said(ranking=tied)
    assert "no clear winner among dct-x r=8 (1.02 ms" in sentence
    assert rows["dct-x r=8"].why == "may be the fastest; its accuracy was not measured"


def test_after_one_round_nothing_is_recommended_and_what_took_the_least_time_is_named() -> None:
    alone = ranking_of(in_rounds("sdpa", None, [8e-3]), in_rounds("dct-x", 4, [2e-3]), in_rounds("dct-x", 8, [1e-3]))
    remedy = "; one round tells nothing apart: measure with dctbench run --rounds 3."
    sentence, rows = said(accuracies(dct_x_4=GOOD, dct_x_8=BAD), ranking=alone)
    assert sentence.startswith("At n = 512: dct-x r=4 (2.00 ms")
    assert sentence.endswith(f") took the least time of those that are shown to be as good as exact attention{remedy}")
    assert (rows["dct-x r=4"].why, rows["dct-x r=4"].leading) == ("took the least time", True)
    assert [name for name, row in rows.items() if row.leading] == ["dct-x r=4"]
    sentence, rows = said(ranking=alone)
    assert sentence.startswith("At n = 512: dct-x r=8 (1.00 ms")
    assert f") took the least time{remedy} Its accuracy was not measured:" in sentence
    assert rows["dct-x r=8"].why == "took the least time"


def test_budgets_are_named_and_what_breaks_them_says_how() -> None:
    known = accuracies(dct_x_4=GOOD, dct_x_8=BAD)
    sentence, rows = said(known, Budgets(memory=40 * KIB))
    assert sentence.startswith("At n = 512 within memory 40.0 KiB: ship dct-x r=4")
    assert rows["sdpa"].why.startswith("over budget: memory 64.0 KiB > 40.0 KiB")
    nobody, _ = said(known, Budgets(memory=20 * KIB))
    assert nobody == (
        "At n = 512 within memory 20.0 KiB, no method can be recommended: none within these limits is shown to be as "
        "good as exact attention."
    )


def test_an_error_is_shown_only_of_methods_that_approximate() -> None:
    _, rows = said()
    assert {row.error for row in rows.values()} == {"-"}  # dct-x computes another function, and sdpa is exact


def test_the_bound_of_late_calls_has_the_confidence_that_was_asked_for() -> None:
    [ranking] = analysis.rankings(analysis.summarise(released("sdpa", 512, 1e-3, 0, calls=600)), "sdpa")
    budgets = Budgets(miss_rate=0.01, confidence=0.99)
    choice = analysis.choose(ranking, budgets)
    bound = math.ceil(1e4 * stats.beta.ppf(0.99, 1, 600)) / 100
    assert f"0 of 600 late, at most {bound:.2g}%" in recommendation.verdict(ranking, choice, budgets, Labels([]))
    found = decide(ranking, choice, accuracies(dct_x_8=BAD))
    sentence = decision.sentence(ranking, choice, found, budgets, Labels([]), accuracies(dct_x_8=BAD))
    assert f"0 of 600 late, at most {bound:.2g}%" in sentence


def test_without_budgets_nobody_stays_within_them() -> None:
    ranking = ranked(("dct-x", 8, 1e-3, 16))
    known, choice = accuracies(dct_x_8=BAD), analysis.choose(ranking, Budgets())
    found = decide(ranking, choice, known)
    assert decision.sentence(ranking, choice, found, Budgets(), Labels([]), known) == (
        "At n = 512, no method can be recommended: none of them is shown to be as good as exact attention."
    )
