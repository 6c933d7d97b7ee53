"""The data of the page: compact, and decoded to the same values."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dctbench import analysis
from dctbench.analysis import Budgets, Summary
from dctbench.analysis.budgets import breaches
from dctbench.model import STATUSES, CallSplit, Result, ResultDetails
from dctbench.page import columns, packing
from dctbench.page.data import page_data
from dctbench.page.facets import arrange
from dctbench.page.packing import ALPHABET, Sentences
from dctbench.runs.lookup import RecordedRun
from dctbench.text.format import (
    format_count,
    format_percent,
    format_ratio,
    format_relative_error,
    format_seconds,
    format_seconds_with_interval,
    format_size,
    format_three_digits,
)
from dctbench.wording import decision, recommendation
from tests.support.made import ENVIRONMENT, RUN, in_two_rounds, result

Formatter = Callable[[float], str]


def recorded(results: Sequence[Result], **changes: Any) -> RecordedRun:
    plan = list(dict.fromkeys(one.case for one in results))
    return RecordedRun(replace(RUN, **changes), {ENVIRONMENT.fingerprint: ENVIRONMENT}, results, plan)


@given(st.lists(st.text(), max_size=5))
def test_a_sentence_is_its_form_and_its_numbers(texts: list[str]) -> None:
    sentences = Sentences()
    codes = [sentences.coded(text) for text in texts]
    forms = sentences.forms
    for text, code in zip(texts, codes, strict=True):
        form, *numbers = code.split("|")
        parts = forms[int(form)]
        assert "".join(part + number for part, number in zip(parts, [*numbers, ""], strict=True)) == text


def test_sentences_that_differ_in_numbers_share_a_form() -> None:
    sentences = Sentences()
    assert sentences.coded("12% of 1,024 samples at n = 64.") == "0|12|1,024|64"
    assert sentences.coded("7% of 9 samples at n = 8.") == "0|7|9|8"
    assert sentences.forms == [["", "% of ", " samples at n = ", "."]]


THREE: tuple[Formatter, ...] = (format_size, format_percent, lambda value: format_count(value, "FLOP"))
GROWING: tuple[Formatter, ...] = (format_seconds, format_ratio, format_relative_error, format_three_digits)


@given(st.floats(1e-9, 9.99), st.sampled_from(THREE + GROWING), st.sampled_from([3, 4]))
@example(0.99995e-3, format_relative_error, 4)
@example(0.13496, format_percent, 3)
@example(9.99496, format_ratio, 4)
def test_a_brief_number_reads_the_same_and_is_near(value: float, words: Formatter, fewest: int) -> None:
    short = packing.brief(value, fewest=fewest)
    assert words(short) == words(value)
    assert short == pytest.approx(value, rel=0.5 * 10 ** (1 - fewest) * 1.001)


def test_invalid_shares_of_an_imported_result_are_left_out() -> None:
    for share, expected in ((0.5, True), (1.5, False), (-0.5, False)):
        one = replace(result("sdpa", 512, 1e-3), details=ResultDetails(split=CallSplit({"attention": share})))
        [summary] = analysis.summarise([one])
        assert (columns._split(summary) is not None) is expected


def test_a_row_has_what_ran_and_what_a_failure_printed() -> None:
    ran = replace(result("sdpa", 512, 1e-3), details=ResultDetails(kernel="flash", threads=2))
    broken = [
        replace(result("full", n, None, status="error", message="broken"), details=ResultDetails(traceback="Traceback"))
        for n in (512, 1024)
    ]
    data = page_data(arrange([recorded([ran, *broken])], "sdpa"), {})
    rows = data["rows"]
    assert rows["columns"]["printed"] == [None, 0, 0]
    assert rows["printed"] == ["Traceback"]
    many = [
        replace(result("full", n, None, status="error"), details=ResultDetails(traceback=f"line {n}"))
        for n in range(1, 151)
    ]
    assert len(page_data(arrange([recorded(many)], "sdpa"), {})["rows"]["printed"]) == 100
    column = rows["columns"]["ran"]
    [told] = [one for one in (column.values() if isinstance(column, dict) else column) if one is not None]
    form, *numbers = told.split("|")
    words = "".join(map("".join, zip(data["forms"][int(form)], [*numbers, ""], strict=True)))
    assert words.startswith("kernel flash; 2 threads; p20 1.00 ms, p80 1.00 ms, ")


@given(st.floats(1e-9, 1e5))
@example(94.95)
@example(9.995)
@example(1.2550000000000001)
def test_numbers_in_the_page_read_as_they_are(value: float) -> None:
    assert format_seconds(columns._time(value) / 1e6) == format_seconds(value)  # type: ignore[operator]
    assert format_ratio(columns._ratio(value)) == format_ratio(value)  # type: ignore[arg-type]
    assert format_count(columns._rate(value * 1e9) * 1e9, "F") == format_count(value * 1e9, "F")  # type: ignore[operator]


@given(st.lists(st.one_of(st.none(), st.integers(0, 2)), min_size=1, max_size=40))
def test_a_column_is_a_list_a_few_rows_or_one_value(values: list[int | None]) -> None:
    made = packing.column(values)
    if isinstance(made, dict):
        found = [made.get(row) for row in range(len(values))]
    else:
        found = made if isinstance(made, list) else [made] * len(values)
    assert found == values


@given(st.sets(st.integers(0, 80)))
def test_bits_are_six_to_a_character(positions: set[int]) -> None:
    words = packing.bits(sorted(positions))
    assert {
        6 * at + bit for at, word in enumerate(words) for bit in range(6) if ALPHABET.index(word) >> bit & 1
    } == positions
    assert not words.endswith("A")


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=50))
def test_a_sample_is_within_a_step_of_its_character(samples: list[float]) -> None:
    low, high = min(samples), max(samples)
    places = [ALPHABET.index(place) / 63 for place in packing.steps(samples, low, high)]
    for sample, place in zip(samples, places, strict=True):
        assert low + place * (high - low) == pytest.approx(sample, abs=(high - low) / 126 * 1.001)


def tie(slower: Summary, faster: Summary, level: float) -> bool:
    """Whether it is not proven to be slower at a one-sided level; of a single round, whether both are close."""
    found = analysis.compare(slower, faster)
    assert found is not None
    return found.ratio >= 1 or found.p / 2 > level if found.p is not None else found.ratio >= 0.8


@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
def test_the_ties_of_every_pair_are_those_of_a_comparison(rounds: int) -> None:
    draw = random.Random(rounds)
    results = [
        result("dct-x", 512, draw.uniform(0.95, 1.05) * (10 + ratio) * 1e-4, ratio=ratio, round=number)
        for number in range(1, rounds + 1)
        for ratio in range(1, 30)
        if draw.random() < 0.95  # some cases lack a round
    ]
    [ranking] = analysis.rankings(analysis.summarise(results), None)
    ranked = ranking.ranked
    level = 0.025 / (len(ranked) - 1)
    expected = [
        {later for later in range(first + 1, len(ranked)) if tie(ranked[later], one, level)}
        for first, one in enumerate(ranked)
    ]
    assert list(ranking.tied) == expected
    assert 0 < sum(map(len, expected)) < len(ranked) * (len(ranked) - 1) / 2


@given(st.floats(1e-8, 1e3), st.floats(0.0, 0.2), st.floats(0.0, 3.0))
def test_an_interval_in_the_page_reads_as_it_is(value: float, below: float, above: float) -> None:
    low, high = value * (1 - below), value * (1 + above)
    shown = columns._time(value) / 1e6  # type: ignore[operator]
    ends = columns._ends(value, low, high)
    text = format_seconds_with_interval(shown, shown * (1 - ends[0] / 1000), shown * (1 + ends[1] / 1000))
    assert text == format_seconds_with_interval(value, low, high)


def test_runs_and_facets_are_kept_apart_and_the_fullest_facet_comes_first() -> None:
    first = [result("sdpa", 512), result("sdpa", 512, batch=4), result("dct-x", 512, ratio=8, batch=4)]
    second = [result("sdpa", 512, 2e-3), result("full", 1024, None, status="oom")]
    contents = arrange([recorded(first), recorded(second, id="f" * 16)], "sdpa")
    data = page_data(contents, {})
    assert [(one["run"], one["axes"], one["shapes"]) for one in data["facets"]] == [
        (0, {"batch": 4}, [[512, 0, 2]]),
        (0, {"batch": 1}, [[512, 2, 1]]),
        (1, {"batch": 1}, [[512, 3, 1], [1024, 4, 1]]),
    ]
    assert [STATUSES[int(one)] for one in data["rows"]["status"]] == ["ok"] * 4 + ["oom"]
    assert data["rows"]["columns"]["mean"] == [1000, 1000, 1000, 2000, None]
    assert data["references"] == ("sdpa", "full")
    assert data["rows"]["speedups"]["sdpa"]["winner"] == "ttttt"[:4] + "-"


def test_numbers_kept_of_one_method_are_curves_of_their_own() -> None:
    kept = (None, 64, 256)
    found = [result("dct-x", 512, ratio=8), *(result("nystromformer", 512, 1e-3, kept=number) for number in kept[1:])]
    data = page_data(arrange([recorded([*found, result("sdpa", 512)])], "sdpa"), {})
    curves = {curve["name"]: (curve["ratio"], curve["kept"], curve["flags"]) for curve in data["curves"]}
    assert curves == {
        "sdpa": (None, None, "--impl sdpa"),
        "dct-x r=8": (8, None, "--impl dct-x --ratio 8"),
        "nystromformer kept=64": (None, 64, "--impl nystromformer --kept 64"),
        "nystromformer kept=256": (None, 256, "--impl nystromformer --kept 256"),
    }
    assert data["rows"]["columns"]["curve"] == [0, 1, 2, 3]
    assert len({curve["color"] for curve in data["curves"]}) == 4


def test_curves_that_differ_in_layers_or_training_are_told_apart() -> None:
    made = [result("dct-kv", 128, ratio=2, scope="model", model="minilm", layers=layers, recover=recover)
            for layers, recover in ((None, None), ("2..", None), ("2..", 100))]  # fmt: skip
    curves = page_data(arrange([recorded(made)], None), {})["curves"]
    assert [(one["layers"], one["recover"]) for one in curves] == [(None, None), ("2..", None), ("2..", 100)]


def test_a_method_with_several_cases_at_a_shape_is_no_reference_to_choose() -> None:
    made = [result("sdpa", 128, scope="model", model="minilm")]
    several = [result("full", 128, scope="model", model="minilm", layers=layers) for layers in ("0", "1..")]
    assert arrange([recorded([*made, several[0]])], "sdpa").references == ("sdpa", "full")
    assert arrange([recorded([*made, *several])], "sdpa").references == ("sdpa",)
    lengths = [replace(one, case=replace(one.case, seq_len=n)) for n, one in zip((128, 256), several, strict=True)]
    assert arrange([recorded([*made, *lengths])], "sdpa").references == ("sdpa", "full")


def test_the_payoffs_of_a_facet_are_those_of_its_run_and_shape() -> None:
    seconds = {"sdpa": 2e-3, "dct-x": 1e-3}
    made = [result(name, n, s * batch, ratio=8 if name == "dct-x" else None, batch=batch)
            for batch in (1, 4) for n in (512, 1024) for name, s in seconds.items()]  # fmt: skip
    contents = arrange([recorded(in_two_rounds(made)), recorded(in_two_rounds(made[:4]))], "sdpa")
    found = [[(p.case.batch, p.case.name) for p in contents.payoffs(f, "sdpa")] for f in contents.facets]
    assert [(facet.run, facet.case.batch) for facet in contents.facets] == [(0, 1), (0, 4), (1, 1)]
    assert found == [[(1, "dct-x r=8")], [(4, "dct-x r=8")], [(1, "dct-x r=8")]]


def test_the_script_knows_what_ran_in_one_round() -> None:
    found = [result("sdpa", 512), result("sdpa", 512, round=2), result("full", 512)]
    data = page_data(arrange([recorded(found)], "sdpa"), {})
    assert data["rows"]["alone"] == "-y"


def test_the_front_holds_only_what_approximates_exact_attention() -> None:
    error = {name: {"error.smooth": ("1", 0.1)} for name in ("window", "dct-x", "performer", "sdpa")}
    times = {"window": 2e-3, "dct-x": 1e-3, "performer": 3e-3, "sdpa": 4e-3}
    error["sdpa"] = {"error.smooth": ("1", 1e-7)}
    found = [result(name, 512, (seconds,) * 9, values=error[name]) for name, seconds in times.items()]
    data = page_data(arrange([recorded(found)], "sdpa"), {})
    marks = {data["curves"][curve]["name"]: mark for curve, mark in
             zip(data["rows"]["columns"]["curve"], data["rows"]["front"], strict=True)}  # fmt: skip
    assert marks == {"sdpa": "y", "window": "y", "dct-x": "-", "performer": "-"}
    meant = {curve["name"]: curve["error_means"] for curve in data["curves"]}
    assert meant == {"sdpa": "approximates", "window": "approximates", "performer": "approximates", "dct-x": "other"}


def test_a_size_is_exact_since_a_budget_may_be_that_very_size() -> None:
    odd = 2.0**33 + 4
    contents = arrange([recorded([result(values={"memory.tensor": ("B", odd), "memory.state": ("B", 0.0)})])], "sdpa")
    assert page_data(contents, {})["rows"]["columns"]["memory"] == int(odd)


@pytest.mark.parametrize("slowest", [12e-3, 12.0004e-3, 11.9996e-3])
def test_a_budget_is_kept_in_the_page_where_choose_says_so(slowest: float) -> None:
    """The script divides µs by a million, and compares the limit with that."""
    samples, values = (1e-3,) * 280 + (slowest,) * 20, {"error.smooth": ("1", slowest)}
    contents = arrange([recorded([result("window", 512, samples, ratio=8, values=values)])], None)
    [summary] = contents.facets[0].summaries
    written = page_data(contents, {})["rows"]["columns"]
    for limit in (11.9995e-3, 11.9996e-3, 12e-3, 12.0003e-3, 12.0004e-3):
        told = [bool(breaches(summary, budgets)) for budgets in (Budgets(limit), Budgets(error_smooth=limit))]
        assert told == [written["p99_high"] / 1e6 > limit, written["smooth"] > limit] == [slowest > limit] * 2


@given(st.floats(1e-9, 1e5), st.sampled_from([(format_seconds, 1e-6), (format_relative_error, 1.0)]))
@example(0.01, (format_seconds, 1e-6))
@example(10.0499999999e-3, (format_seconds, 1e-6))
def test_a_number_for_a_limit_is_never_below_the_value_and_reads_the_same(
    value: float, column: tuple[Formatter, float]
) -> None:
    words, scale = column
    read = packing.scaled(packing.brief_above(value, scale, words=words), scale)
    assert value <= read <= value * (1 + 1.001e-5)
    assert words(read) == words(value)


@given(st.integers(100_000, 999_999), st.integers(-9, 0), st.floats(-1e-4, 1e-4))
def test_a_limit_of_six_digits_is_kept_in_the_page_by_the_same_values(digits: int, power: int, beside: float) -> None:
    limit = float(f"{digits}e{power - 5}")
    value = limit * (1 + beside)
    assert (packing.brief_above(value) > limit) is (value > limit)


def test_no_sentence_of_the_decision_takes_the_place_of_one_of_the_recommendation() -> None:
    """The script gets them as one table."""
    assert recommendation.TEMPLATES.keys() & decision.TEMPLATES.keys() == set()
