"""Which methods keep a deadline, over all engines and at every length, in figures and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from scipy import stats

from dctbench.analysis import Summary, arranged, summarise
from dctbench.analysis.deadlines import Deadline, deadlines, in_time
from dctbench.model import Measurement, Result, ResultDetails, Schedule
from dctbench.wording import deadlines as words
from tests.analysis.test_decision import GOOD, accuracies
from tests.support.made import in_two_rounds, result


def released(
    name: str,
    n: int,
    seconds: float,
    late: int,
    *,
    engine: str = "eager",
    ratio: float | None = None,
    calls: int = 300,
    resident: float | None = None,
) -> list[Result]:
    """A case in two processes that release half of the calls each; the late ones are in the first."""
    values = None if resident is None else {"memory.resident": ("B", resident)}
    made = result(name, n, seconds, ratio=ratio, engine=engine, values=values, period=0.02, deadline=0.01)
    found = []
    for one, missed in zip(in_two_rounds([made]), (late, 0), strict=True):
        responses = (0.012,) * missed + (0.004,) * (calls // 2 - missed)
        measured = (*one.measurements, Measurement("response", "s", responses))
        details = ResultDetails(stop_reason="precise", schedule=Schedule(50.0, False, {}))
        found.append(replace(one, measurements=measured, details=details))
    return found


SWEEP = [
    *released("sdpa", 512, 4e-3, 0),
    *released("sdpa", 1024, 9e-3, 90),
    *released("sdpa", 512, 2e-3, 0, engine="onnxruntime"),
    *released("sdpa", 1024, 6e-3, 0, engine="onnxruntime"),
    *released("sdpa", 2048, 9e-3, 60, engine="onnxruntime"),
    *released("dct-x", 512, 1e-3, 0, ratio=8),
    *released("dct-x", 1024, 2e-3, 3, ratio=8),
    *released("dct-x", 512, 5e-4, 0, ratio=8, engine="onnxruntime"),
    *released("dct-x", 1024, 1e-3, 0, ratio=8, engine="onnxruntime"),
    *released("dct-x", 2048, 5e-3, 0, ratio=8, engine="onnxruntime", resident=80.5 * 2**20),
]


def of(results: Sequence[Result]) -> Deadline:
    [found] = deadlines(arranged(summarise(results), "sdpa"))
    return found


def cells(found: Deadline) -> dict[str, dict[str, str]]:
    return {name: {engine: words.cell(curve) for engine, curve in by.items()} for name, by in found.curves.items()}


def test_a_case_is_in_time_if_the_bound_of_its_miss_rate_is_under_one_percent() -> None:
    def kept(late: int, calls: int) -> bool:
        [summary] = summarise(released("sdpa", 512, 1e-3, late, calls=calls))
        return in_time(summary)

    assert stats.beta.ppf(0.95, 1, 300) < 0.01 < stats.beta.ppf(0.95, 2, 299)
    assert [kept(0, 300), kept(1, 300), kept(0, 298), kept(1, 600)] == [True, False, False, True]


def test_the_fastest_in_time_is_named_over_all_engines_and_exact_attention_beside_it() -> None:
    found = of(SWEEP)
    assert found.engines == ("eager", "onnxruntime")
    longest, middle, _ = found.lengths
    assert longest.ranking.seq_len == 2048
    [leader] = longest.decision.leaders
    assert (leader.case.name, leader.case.engine) == ("dct-x r=8", "onnxruntime")
    assert longest.exact == ()
    assert words.at_length(longest, found.engines).endswith("exact attention is not shown to be in time")
    said = words.at_length(middle, found.engines)
    assert said.startswith("n = 1024: the fastest that is in time is dct-x r=8 on onnxruntime (1.00 ms")
    assert "; the fastest exact attention in time is sdpa on onnxruntime (6.00 ms" in said


def test_of_exact_attentions_that_are_not_told_apart_none_is_called_the_fastest() -> None:
    found = of(
        [
            *released("sdpa", 512, 4e-3, 0),
            *released("sdpa", 512, 4e-3, 0, engine="onnxruntime"),
            *released("dct-x", 512, 1e-3, 0, ratio=8),
        ]
    )
    said = words.at_length(found.lengths[0], found.engines)
    assert said.startswith("n = 512: the fastest that is in time is dct-x r=8 on eager")
    assert "; of the exact attentions in time, the least time was taken by sdpa on " in said


def test_after_one_round_the_case_that_took_the_least_time_is_named() -> None:
    """Several hundred calls of one process show that it is in time, and nothing of other processes."""
    both = [*released("sdpa", 512, 4e-3, 0, calls=600), *released("dct-x", 512, 1e-3, 0, ratio=8, calls=600)]
    found = of([one for one in both if one.round == 1])
    [only] = found.lengths
    said = words.at_length(only, found.engines)
    assert said.startswith("n = 512: dct-x r=8 (1.00 ms")
    assert said.endswith(") took the least time of those that are in time; one round tells nothing apart")


def test_what_is_faster_but_late_is_not_recommended() -> None:
    found = of([*released("sdpa", 512, 4e-3, 0), *released("dct-x", 512, 1e-3, 9, ratio=8)])
    [only] = found.lengths
    assert words.at_length(only, found.engines).startswith("n = 512: ship sdpa (4.00 ms")


def test_a_cell_says_to_which_length_a_method_is_in_time_and_how_late_it_is_at_the_next() -> None:
    rate = stats.beta.ppf(0.95, 91, 210)
    assert cells(of(SWEEP)) == {
        "sdpa": {
            "eager": f"up to n = 512, at most 1.0% late; n = 1024: 90 of 300 late, at most {math.ceil(100 * rate)}%",
            "onnxruntime": "up to n = 1024, at most 1.0% late; n = 2048: 60 of 300 late, at most 25%",
        },
        "dct-x r=8": {
            "eager": "up to n = 512, at most 1.0% late; n = 1024: 3 of 300 late, at most 2.6%",
            "onnxruntime": "up to n = 2048, at most 1.0% late",
        },
    }


def test_lengths_are_listed_where_a_shorter_one_is_late() -> None:
    found = of([*released("sdpa", 512, 1e-3, 90), *released("sdpa", 1024, 1e-3, 0)])
    assert cells(found)["sdpa"]["eager"].startswith("n = 1024, at most 1.0% late; n = 512: 90 of 300 late")


def test_a_length_that_failed_is_no_part_of_those_up_to_a_longer_one() -> None:
    failed = result("sdpa", 1024, None, status="error", period=0.02, deadline=0.01)
    found = of([*released("sdpa", 512, 1e-3, 0), failed, *released("sdpa", 2048, 2e-3, 0)])
    assert cells(found)["sdpa"]["eager"] == "n = 512, 2048, at most 1.0% late; n = 1024: error"


def test_a_case_whose_second_process_failed_is_not_shown_and_says_why() -> None:
    first, second = released("sdpa", 512, 1e-3, 0, calls=600)
    found = of([first, replace(second, status="timeout", measurements=())])
    assert cells(found)["sdpa"]["eager"] == "not shown (n = 512: timeout)"


def test_too_few_calls_show_nothing_and_the_number_that_does_is_named() -> None:
    found = of(released("sdpa", 512, 1e-3, 0, calls=30))
    assert cells(found)["sdpa"]["eager"] == "not shown (n = 512: 0 of 30 late, at most 9.6%)"
    assert words.at_length(found.lengths[0], found.engines).startswith("n = 512: none is shown to be in time")
    perhaps = of(released("sdpa", 512, 1e-3, 4))
    assert stats.beta.ppf(0.05, 4, 297) < 0.01 < 4 / 300
    assert cells(perhaps)["sdpa"]["eager"].startswith("not shown (n = 512: 4 of 300 late, at most ")
    always = of(released("sdpa", 512, 1e-3, 15, calls=30))
    assert cells(always)["sdpa"]["eager"].startswith("no (n = 512: 15 of 30 late, at most ")
    assert words.rule(found).endswith("30 calls cannot show that, but 299 can: --samples 299.")
    assert "cannot" not in words.rule(of(SWEEP))


def test_a_case_that_failed_says_how_and_cases_without_a_deadline_are_no_part() -> None:
    failed = result("reformer", 512, None, status="unsupported", engine="onnxruntime", period=0.02, deadline=0.01)
    found = of([*released("sdpa", 512, 1e-3, 0, engine="onnxruntime"), failed])
    assert cells(found)["reformer"]["onnxruntime"] == "unsupported"
    assert deadlines(summarise(in_two_rounds([result()]))) == []


@pytest.mark.parametrize(("engine", "exact"), [("eager", True), ("onnxruntime", True), ("onnxruntime-int8", False)])
def test_exact_attention_in_int8_is_not_exact(engine: str, exact: bool) -> None:
    summaries: Sequence[Summary] = summarise(released("sdpa", 512, 1e-3, 0, engine=engine))
    assert [one.exact for one in summaries] == [exact]


def test_where_accuracy_was_learned_exact_attention_in_int8_is_not_shipped() -> None:
    results = [*released("sdpa", 512, 1e-3, 0, engine="onnxruntime-int8"), *released("sdpa", 512, 4e-3, 0)]
    [found] = deadlines(arranged(summarise(results), "sdpa"), lambda _: accuracies(dct_x_8=GOOD))
    assert words.at_length(found.lengths[0], found.engines).startswith("n = 512: ship sdpa on eager (4.00 ms")


def test_engines_with_unequal_rounds_are_told_apart_by_those_that_they_share() -> None:
    quick = released("dct-x", 512, 1e-3, 0, ratio=8)
    third = replace(quick[1], round=3)
    found = of([*quick, third, *released("full", 512, 6e-3, 0, engine="onnxruntime")])
    [only] = found.lengths
    assert [summary.case.implementation for summary in only.ranking.leading(only.ranking.ranked)] == ["dct-x"]


def test_the_rankings_of_all_shapes_with_a_deadline_hold_together() -> None:
    other = [replace(one, case=replace(one.case, batch=2)) for one in SWEEP]
    found = deadlines(arranged(summarise([*SWEEP, *other]), "sdpa"))
    assert [one.rankings for one in found] == [6, 6]
