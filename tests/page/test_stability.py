"""The section on stability: sentences that count right, and figures that draw real samples and never too many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench import analysis
from dctbench.model import Case, Result, ResultDetails
from dctbench.page.charts import samples
from dctbench.page.html import html
from dctbench.page.palette import looks
from dctbench.page.stability import StabilitySection, stability_section
from dctbench.runs.lookup import RecordedRun
from dctbench.wording.labels import Labels
from dctbench.wording.recommendation import p99_takes
from tests.support.figures import on_white
from tests.support.made import ENVIRONMENT, RUN, result

EVEN = (0.99e-3, 1e-3, 1.01e-3, 1e-3, 0.995e-3, 1.005e-3, 1e-3)


def section(results: Sequence[Result]) -> StabilitySection:
    summaries = analysis.summarise(results)
    found = stability_section(summaries, looks((s.case for s in summaries), "sdpa"), Labels(s.case for s in summaries))
    assert found is not None
    return found


def steady(name: str = "sdpa", n: int = 512, factors: Sequence[float] = (1, 1, 1), **given: Any) -> list[Result]:
    return [
        result(name, n, tuple(factor * one for one in EVEN), round=i, **given) for i, factor in enumerate(factors, 1)
    ]


def test_the_first_sentence_counts_the_steady_cases_and_names_the_others() -> None:
    assert section(steady()).sentence == "The one case is steady"
    assert section([*steady(), *steady("full")]).sentence == "All 2 cases are steady"
    mixed = section([*steady(), *steady("full", 1024, (1, 2, 3)), result("dct-x", ratio=8, seconds=None, status="oom")])
    assert mixed.sentence == "1 of 2 cases is steady; 1 is not: full at n = 1024"
    [reason] = mixed.unsteady
    assert reason == (
        "full at n = 1024: its latency is only known to a factor of 4 (its processes vary by 74%, "
        "the samples of each by 0.7%)"
    )
    many = section([one for n in range(5) for one in steady("full", 2**n, (1, 1.2 + n / 10, 1.5))])
    far = section(steady(factors=(1, 20, 400))).unsteady[0]
    assert "(its processes vary by a factor of 20.0, the samples of each by 0.7%)" in far
    assert many.sentence.startswith("0 of 5 cases are steady; 5 are not: full at n = ")
    assert many.sentence.endswith(" and 2 more")
    assert len(many.unsteady) == 5


def test_one_sample_is_of_unknown_precision_and_named_first() -> None:
    found = section([result("full", 1024, (2e-3,)), *steady("sdpa", 512, (1, 2, 3))])
    assert found.unsteady[0] == "full at n = 1024: one sample, so nothing tells how precise its latency is"
    assert found.sentence.endswith("2 are not: full at n = 1024, sdpa at n = 512")


def test_processes_of_two_speeds_are_unsteady_by_what_is_near_each() -> None:
    [reason] = section([*steady(factors=(1, 2, 1, 2, 2, 2)), *steady("full", factors=[1] * 6)]).unsteady
    assert reason.startswith("sdpa at n = 512: its latency is only known to a factor of ")
    assert reason.endswith("; two speeds: 2 processes near 1.00 ms and 4 near 2.00 ms, and the mean lies between them")


def test_the_facts_say_what_the_medians_are_based_on() -> None:
    results = steady(factors=(1, 1, 1.2))
    results[0] = replace(results[0], details=ResultDetails(stop_reason="budget", retaken=(0.02,)))
    facts = "\n".join(section([*results, *steady("full", 512, (1, 1, 1.2))]).facts)
    assert "more rounds would narrow the intervals, longer sampling would not" in facts
    assert "round 3 took 1.20x the time of round 1\n" in facts  # two cases tell nothing of the machine
    assert "the median was precise enough in 5, the time budget was used up in 1 of 6 processes" in facts
    assert "1 disturbed sample of 1 case was taken again" in facts
    assert f"p99 not measured for 2 of 2 cases: {p99_takes([Case('sdpa', 512), Case('full', 512)])}" in facts
    assert "0 of 42 samples lie more than 5 scaled MADs above" in facts
    assert "took turns" not in facts
    turned = [replace(one, details=replace(one.details, turns=(3, 4))) for one in steady()]
    assert "1 case took turns with base" in "\n".join(section([*turned, *steady("full")]).facts)
    alone = "\n".join(section([result(seconds=(1e-3,) * 300)]).facts)
    assert "One process was timed per case" in alone
    assert "p99" not in alone


def test_enough_cases_that_differ_between_rounds_may_tell_of_the_machine() -> None:
    def said(cases: int) -> str:
        return "\n".join(section([one for n in range(cases) for one in steady(n=2**n, factors=(1, 1, 1.2))]).facts)

    cause = "round 1: the clock or the load of the machine may have changed; ratios paired by round would cancel"
    assert cause in said(10)
    assert cause not in said(9)
    assert "round 3 took 1.20x the time of round 1" in said(9)


def test_a_case_that_failed_in_a_round_is_neither_counted_nor_drawn() -> None:
    failed = [*steady("full", factors=(1, 1.5)), result("full", seconds=None, round=3, status="timeout")]
    found = section([*steady(), *failed])
    assert found.sentence == "The one case is steady"
    assert [trace["name"] for trace in found.figures["order-512"]["data"]] == ["sdpa"]


def test_the_samples_of_the_largest_common_length_are_open_and_others_are_closed() -> None:
    found = section([*steady(), *steady(n=1024), *steady("full"), *steady("full", 1024), *steady(n=2048)])
    assert [(one.place, one.chosen) for one in found.lengths] == [
        ("n = 512", False), ("n = 1024", True), ("n = 2048", False),
    ]  # fmt: skip
    assert found.figures.keys() == {f"{kind}-{n}" for kind in ("strips", "order") for n in (512, 1024, 2048)}
    assert found.undrawn == 0
    many = section([r for n in range(12) for r in steady(n=2**n)])
    assert [one.place for one in many.lengths if one.chosen] == ["n = 2048"]
    assert (len(many.lengths), many.undrawn) == (6, 6)
    other = section([*steady(), *steady(dtype="bfloat16"), *steady("full", dtype="bfloat16")])
    assert ([one.place for one in other.lengths], other.undrawn) == (["n = 512, bfloat16"], 1)


def test_strips_show_every_sample_with_hollow_outliers_and_crosses_for_retaken_ones() -> None:
    results = steady()
    results[1] = replace(
        result("sdpa", 512, (*EVEN, 9e-3), round=2),
        details=ResultDetails(stop_reason="count", retaken=(2e-2,)),
    )
    figure = section(results).figures["strips-512"]
    on_white(figure)
    marks, median, again = figure["data"]
    assert marks["x"] == pytest.approx([*EVEN, *EVEN, 9e-3, *EVEN])
    assert [i for i, symbol in enumerate(marks["marker"]["symbol"]) if symbol.endswith("-open")] == [14]
    assert median["x"] == [pytest.approx(1e-3)]
    assert again["x"] == [2e-2]
    assert all(-0.5 < y < 0.5 for y in marks["y"])
    rounds = np.split(np.array(marks["y"]), [7, 15])
    assert max(rounds[0]) < min(rounds[1]) < max(rounds[1]) < min(rounds[2])


def test_in_order_a_lane_rises_where_calls_got_slower_and_breaks_between_rounds() -> None:
    rising = tuple(1e-3 * (1 + i / 40) for i in range(8))
    figure = section([result(seconds=rising, round=1), result(seconds=rising, round=2)]).figures["order-512"]
    on_white(figure)
    [trace] = figure["data"]
    assert trace["x"][8] is None
    assert trace["y"][8] is None
    first, second = trace["y"][:8], trace["y"][9:]
    assert first == sorted(first, reverse=True) == second  # the axis points down: the first case is the upper one
    assert figure["layout"]["yaxis"]["range"][0] > figure["layout"]["yaxis"]["range"][1]
    assert all(0 < x < 1 for x in trace["x"][:8])
    assert all(1 < x < 2 for x in trace["x"][9:])
    assert trace["customdata"][:8] == pytest.approx(rising, rel=1e-3)


def test_a_chart_never_has_more_marks_than_a_browser_draws_at_once() -> None:
    rng = np.random.default_rng(1)
    many = [
        replace(
            result("dct-x", 512, tuple(rng.lognormal(-7, 0.3, 60)), ratio=ratio, round=number),
            details=ResultDetails(retaken=(1e-2,) * 50),
        )
        for ratio in range(1, 61)
        for number in (1, 2)
    ]
    found = section(many)
    for figure in found.figures.values():
        drawn = sum(sum(x is not None for x in trace["x"]) for trace in figure["data"])
        assert 1000 < drawn <= samples.MOST_MARKS
    [only] = found.lengths
    assert "50 of up to 120 samples per case are drawn" in only.caption
    assert found.undrawn == 20
    assert len(json.dumps(found.figures)) < 400_000


@given(st.integers(0, 300), st.integers(2, 100), st.data())
def test_outliers_are_drawn_first_and_the_others_evenly(count: int, most: int, data: st.DataObject) -> None:
    flagged = data.draw(st.lists(st.integers(0, max(0, count - 1)), unique=True, max_size=min(count, most // 2)))
    kept = samples.positions(count, sorted(flagged), most)
    assert len(kept) == min(count, most)
    assert kept == sorted(set(kept))
    assert set(flagged) <= set(kept) <= set(range(count))
    others = [i for i in range(count) if i not in set(flagged)]
    gaps = np.diff([others.index(i) for i in kept if i not in set(flagged)])
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("slowest", "reach"), [(1.04, "0.95x to 1.05x"), (1.2, "0.80x to 1.25x"), (9.0, "0.25x to 4.00x")]
)
def test_a_lane_is_as_high_as_its_samples_need(slowest: float, reach: str) -> None:
    [length] = section([result(seconds=(1e-3, 1e-3, 1e-3, slowest * 1e-3, slowest * 1e-3))]).lengths
    assert f"a lane covers {reach} the latency of its case" in length.caption


def test_without_a_timed_case_the_section_says_so() -> None:
    failed = result(seconds=None, status="oom")
    text = html([RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [failed], [failed.case])])
    assert "Nothing was timed, so there are no samples to judge." in text
