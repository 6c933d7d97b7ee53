"""The grammar of numeric axes: what it accepts and refuses, and the expansion into distinct cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dctbench.errors import UsageError
from dctbench.protocol import ImplementationFacts
from dctbench.spec import grid
from dctbench.spec.grid import KEPT, MAX_VALUE, MAX_VALUES, RATIO, SEQ_LEN, expand_cases, parse_axis, parse_values
from tests.support.examples import at_length

# Made of numbers, which are drawn in a fraction of the time that a regular expression takes.
NUMBER = st.builds(
    "{}{}{}".format, st.sampled_from(["", "0", "00"]), st.integers(0, 999_999_999), st.sampled_from(["", "k"])
)
STEP = st.builds(
    "{}{}{}".format,
    st.sampled_from([":x", ":+"]),
    st.integers(0, 999_999),
    st.sampled_from(["", ".5", ".1", ".001", ".999"]),
)
RANGE = st.builds("..{}{}".format, NUMBER, st.one_of(st.just(""), STEP))
ITEM = st.builds("{}{}".format, NUMBER, st.one_of(st.just(""), RANGE))
NOISE = st.text(alphabet="0123456789.,:x+kK-eE_ \t²٣nan", max_size=30)
AXES = st.sampled_from([SEQ_LEN, RATIO, grid.KEEP_FIRST])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("512", [512]),
        ("8k", [8192]),
        ("512..8192", [512, 1024, 2048, 4096, 8192]),
        ("512..6000", [512, 1024, 2048, 4096, 6000]),
        ("512..2048,6000", [512, 1024, 2048, 6000]),
        ("512..2048:x1.5", [512, 768, 1152, 1728, 2048]),
        ("512..2048:+512", [512, 1024, 1536, 2048]),
        ("1k..2k:+0k,7", None),
        ("7,7,5..5", [5, 7]),
        ("1..4:x1.1", [1, 2, 3, 4]),
        (" 512 , 1024 ", [512, 1024]),
    ],
)
def test_integer_axis_means_what_the_grammar_says(text: str, values: list[int] | None) -> None:
    if values is None:
        with pytest.raises(UsageError):
            parse_axis(text, SEQ_LEN)
    else:
        assert parse_axis(text, SEQ_LEN) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("4,8,16", [4, 8, 16]),
        ("2.5", [2.5]),
        ("1..4:+0.5", [1, 1.5, 2, 2.5, 3, 3.5, 4]),
        ("8.0,8", [8]),
        (f"{10 / 3}", [10 / 3]),
    ],
)
def test_ratio_axis_takes_decimals_and_writes_each_number_once(text: str, values: list[float]) -> None:
    assert parse_axis(text, RATIO) == values


@pytest.mark.parametrize(
    "text",
    ["512..", "..512", "8192..512", "0..8", "-4", "a..b", ":x1", ":+0", "", " ", ",", "512,", "512..1024:", "8..9:x1",
     "8..9:+0", "8..9:*2", "8..9:x", "1e3", "٣", "0x10", "512...1024", "8:x2", "9" * 400, "16777217", "1.5", "nan"],
)  # fmt: skip
def test_bad_input_is_one_sentence_with_flag_value_and_what_is_accepted(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_axis(text, SEQ_LEN)
    assert refused.value.exit_code == 2
    assert refused.value.message.startswith("--seq '")
    assert "\n" not in refused.value.message
    assert "512..8192" in str(refused.value.hint)
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no value given"),
        ("512,", "an empty value between commas"),
        ("512:x2", "a step needs a range, low..high:step"),
        ("512..", "a range needs both ends, low..high"),
        ("..512", "a range needs both ends, low..high"),
        ("8192..512", "the range runs downwards; write the lower end first"),
        ("512..1024:", "a step is missing after the colon; write :x2 to multiply or :+512 to add"),
        ("8..9:x1", "a multiplying step must be greater than 1"),
        ("8..9:+0", "an adding step must be greater than 0"),
        ("8..9:*2", "a step multiplies (:x1.5) or adds (:+512)"),
        ("8..9:x", "a number is missing"),
        ("8..9:xx", "'x' is not a number"),
        ("8..9:+1.5", "'1.5' is not an integer"),
        ("0..8", "0 is outside 1 to 16777216"),
        ("8.. 16777217", "16777217 is outside 1 to 16777216"),
        ("1.5", "'1.5' is not an integer"),
        ("1..100001:+1", "more than 100,000 values"),
    ],
)
def test_the_sentence_says_what_is_wrong_with_the_value(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_axis(text, SEQ_LEN)
    assert refused.value.message == f"--seq {text!r}: {problem}"
    assert refused.value.hint == (
        "--seq accepts integers such as 512 or 8k from 1 to 16777216, ranges such as 512..8192 (doubling), "
        "512..8192:x1.5 or 512..8192:+512, joined by commas"
    )


def test_a_mistake_in_one_of_several_values_names_that_value() -> None:
    with pytest.raises(UsageError, match=r"^--ratio 'x': 'x' is not a number$") as refused:
        parse_axis("4, x", RATIO)
    assert "--ratio accepts numbers such as 4 or 2.5 from 1 to 16777216" in str(refused.value.hint)


def test_only_the_values_of_a_range_count_whatever_its_ends() -> None:
    """From 8192 to 16384 are log 2 / log 1.0001 steps, and both ends."""
    assert len(parse_axis("8192..16384:x1.0001", RATIO)) == math.floor(math.log(2) / math.log(1.0001)) + 2
    with pytest.raises(UsageError, match="more than 100,000 values"):
        parse_axis("1..16384:x1.0000001", SEQ_LEN)


def test_letters_of_the_grammar_may_be_large() -> None:
    assert parse_axis("1K..4K:X2", SEQ_LEN) == [1024, 2048, 4096]


def test_the_least_and_the_greatest_value_are_accepted() -> None:
    assert parse_axis(f"1,{MAX_VALUE}", SEQ_LEN) == [1, MAX_VALUE]
    assert parse_axis("0,9999", grid.KEEP_FIRST) == [0, 9999]
    for wrong in ("10000", "-1"):
        with pytest.raises(UsageError, match="--keep-first"):
            parse_axis(wrong, grid.KEEP_FIRST)


@pytest.mark.parametrize("text", ["0..4", "0..4:x2", "0..4:x1.5"])
def test_a_range_from_0_that_would_multiply_is_refused_and_one_that_adds_is_not(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_values(text, grid.KEEP_FIRST)
    assert refused.value.message == f"--keep-first {text!r}: a range from 0 cannot multiply; write 0..4:+1"
    assert parse_values("0..4:+1", grid.KEEP_FIRST) == [0, 1, 2, 3, 4]
    assert parse_values("0..4:+3", grid.KEEP_FIRST) == [0, 3, 4]


@pytest.mark.parametrize(("text", "seconds"), [("100us", 1e-4), ("60s", 60.0), (" 5ms , 1ms ", None)])
def test_times_lie_within_their_bounds(text: str, seconds: float | None) -> None:
    assert grid.PERIOD.parse(text) == ([1e-3, 5e-3] if seconds is None else [seconds])


@pytest.mark.parametrize("text", ["99us", "61s", "5ms,2m"])
def test_a_time_out_of_bounds_is_named_with_its_flag(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_values(text, grid.DEADLINE)
    assert refused.value.message == f"--deadline {text.rpartition(',')[2]!r}: out of range"
    assert refused.value.hint == "--deadline accepts 100us to 60s"


def test_more_values_than_the_limit_are_refused_in_words() -> None:
    assert len(parse_axis(f"1..{MAX_VALUES}:+1", SEQ_LEN)) == MAX_VALUES
    for text in (f"1..{MAX_VALUES + 1}:+1", f"1..{MAX_VALUES}:+1,200000", "1..16777216:x1.000001"):
        with pytest.raises(UsageError, match="100,000 values"):
            parse_axis(text, SEQ_LEN)


@given(text=st.one_of(ITEM, NOISE, st.lists(ITEM, min_size=2, max_size=4).map(",".join)), axis=AXES)
@settings(max_examples=400)
@example(text="1..16777216:+1", axis=RATIO)
@example(text="0..0", axis=grid.KEEP_FIRST)
def test_any_text_gives_sorted_distinct_values_in_bounds_or_a_usage_error(text: str, axis: grid.Axis) -> None:
    check_any_text(text, axis)


@pytest.mark.slow
@given(text=st.one_of(ITEM, NOISE, st.lists(ITEM, min_size=2, max_size=4).map(",".join)), axis=AXES)
@at_length(10_000)
def test_any_text_at_length(text: str, axis: grid.Axis) -> None:
    check_any_text(text, axis)


def check_any_text(text: str, axis: grid.Axis) -> None:
    try:
        values = parse_axis(text, axis)
    except UsageError:
        return
    assert values == sorted(set(values))
    assert 1 <= len(values) <= MAX_VALUES
    assert all(axis.minimum <= value <= MAX_VALUE for value in values)
    if axis.integer:
        assert all(isinstance(value, int) for value in values)


@given(
    low=st.integers(1, MAX_VALUE),
    high=st.integers(1, MAX_VALUE),
    step=st.one_of(st.integers(1, MAX_VALUE).map("+{}".format), st.integers(2, 50).map("x{}".format)),
)
def test_a_range_contains_both_ends_and_nothing_outside(low: int, high: int, step: str) -> None:
    low, high = sorted((low, high))
    assume((high - low) / int(step[1:]) < MAX_VALUES or step[0] == "x")
    values = parse_axis(f"{low}..{high}:{step}", SEQ_LEN)
    assert (values[0], values[-1]) == (low, high)
    gaps = [b - a for a, b in pairwise(values)]
    if step[0] == "+":
        assert all(gap == int(step[1:]) for gap in gaps[:-1])


METHODS = {
    "sdpa": ImplementationFacts(False),
    "dct-x": ImplementationFacts(True),
    "nystromformer": ImplementationFacts(True, default_kept=64),
}
SHAPE: dict[str, Sequence[Any]] = {
    "batch": [1],
    "heads": [2],
    "head_dim": [8],
    "dtype": ["float32"],
    "device": ["cpu"],
    "threads": [None],
    "scope": ["layer"],
    "mode": ["forward"],
    "engine": ["eager"],
}


def test_a_method_without_a_ratio_is_measured_once_per_length() -> None:
    cases = expand_cases(
        {**SHAPE, "impl": ["sdpa", "dct-x"], "seq": [64, 128], "ratio": [2, 4, 8], "kept": [16]},
        METHODS,
    )
    names = [(case.implementation, case.seq_len, case.ratio) for case in cases]
    assert len(names) == len(set(names)) == 2 + 6 + 2
    assert ("sdpa", 64, None) in names
    assert ("dct-x", 128, 8) in names


def test_a_method_with_a_ratio_but_none_given_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="dct-x needs a compression ratio"):
        expand_cases({**SHAPE, "impl": ["dct-x"], "seq": [64], "ratio": []}, METHODS)


@pytest.mark.parametrize(
    ("ratio", "kept", "dct", "nystrom"),
    [
        ([], [], None, [(None, 64)]),
        ([4], [], [(4, None)], [(4, None)]),
        ([], [32], [(None, 32)], [(None, 32)]),
        ([4, 8], [32], [(4, None), (8, None), (None, 32)], [(4, None), (8, None), (None, 32)]),
        ([4], ["default"], [(4, None)], [(None, 64)]),
        ([], ["default"], None, [(None, 64)]),
    ],
)
def test_ratios_and_numbers_kept_make_cases_of_each_and_the_default_number_stands_alone(
    ratio: list[int],
    kept: list[int | str],
    dct: list[tuple[int | None, int | None]] | None,
    nystrom: list[tuple[int | None, int | None]],
) -> None:
    axes: dict[str, Sequence[Any]] = {**SHAPE, "seq": [512], "ratio": ratio, "kept": kept}
    found = expand_cases({**axes, "impl": ["nystromformer"]}, METHODS)
    assert [(case.ratio, case.kept) for case in found] == nystrom
    if dct is None:
        with pytest.raises(UsageError, match="dct-x needs a compression ratio"):
            expand_cases({**axes, "impl": ["dct-x"]}, METHODS)
    else:
        assert [(case.ratio, case.kept) for case in expand_cases({**axes, "impl": ["dct-x"]}, METHODS)] == dct


def test_the_axis_kept_takes_integers_or_the_word_default_alone() -> None:
    assert parse_values("64, 256", KEPT) == [64, 256]
    assert parse_values(" default ", KEPT) == ["default"]
    for wrong in ("default,64", "defaults", "2.5", "0"):
        with pytest.raises(UsageError, match="--kept") as refused:
            parse_values(wrong, KEPT)
        assert "'default' alone, or integers" in str(refused.value.hint)
    with pytest.raises(UsageError, match="not a number"):
        parse_values("default", RATIO)


def test_as_many_cases_as_allowed_are_made_and_one_more_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    axes: dict[str, Sequence[Any]] = {**SHAPE, "impl": ["sdpa"], "seq": [64, 128, 256], "batch": [1, 2, 3, 4]}
    monkeypatch.setattr(grid, "MAX_VALUES", 12)
    assert len(expand_cases(axes, METHODS)) == 12
    monkeypatch.setattr(grid, "MAX_VALUES", 11)
    with pytest.raises(UsageError, match=r"^the axes give more than 11 cases$") as refused:
        expand_cases(axes, METHODS)
    assert refused.value.hint == "narrow one of the axes"


MANY = range(1, 100_001)


@pytest.mark.parametrize(
    "axes",
    [
        {"ratio": MANY, "model": ["minilm"], "recover": MANY},
        {"ratio": [4], "model": ["minilm"], "layers": [str(n) for n in MANY], "recover": MANY},
        {"ratio": MANY, "period": [60.0], "deadline": MANY[:50]},
        {"ratio": [4], "period": [60.0 + n / 1e6 for n in MANY], "deadline": [n / 1e6 for n in MANY]},
        {"ratio": MANY, "seq": MANY, "batch": MANY, "heads": MANY},
    ],
    ids=["compressions and treatments", "treatments", "schedules", "periods and deadlines", "shapes"],
)
def test_more_cases_than_memory_has_room_for_are_refused_before_any_is_made(axes: dict[str, Sequence[Any]]) -> None:
    def none(**fields: Any) -> None:
        raise AssertionError("a case was made")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "Case", none)
        with pytest.raises(UsageError, match=r"^the axes give more than 100,000 cases$"):
            expand_cases({**SHAPE, "impl": ["dct-x"], "seq": [64], **axes}, METHODS)


def test_an_axis_of_times_has_as_many_values_as_any_other() -> None:
    times = [f"{n}us" for n in range(100, 100 + MAX_VALUES)]
    assert len(grid.PERIOD.parse(",".join(times))) == MAX_VALUES
    with pytest.raises(UsageError, match=r"^--period: more than 100,000 values$"):
        grid.PERIOD.parse(",".join([*times, "1s"]))


@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=4))
def test_a_list_of_times_is_read_sorted_and_each_once(milliseconds: list[int]) -> None:
    text = ",".join(f"{one}ms" for one in milliseconds)
    assert grid.PERIOD.parse(text) == pytest.approx(sorted({one / 1000 for one in milliseconds}))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [(None, None)]),
        ({"period": [0.02]}, [(0.02, 0.02)]),
        ({"deadline": [0.01, 0.02]}, [(0.01, 0.01), (0.02, 0.02)]),
        ({"period": [0.02, 0.04], "deadline": [0.01]}, [(0.02, 0.01), (0.04, 0.01)]),
    ],
)
def test_one_of_period_and_deadline_is_as_long_as_the_other_unless_both_are_given(
    given: dict[str, list[float]], expected: list[tuple[float | None, float | None]]
) -> None:
    cases = expand_cases({**SHAPE, "impl": ["sdpa"], "seq": [64], **given}, METHODS)
    assert [(case.period, case.deadline) for case in cases] == expected


def test_a_deadline_after_the_next_release_is_refused() -> None:
    axes: dict[str, Sequence[Any]] = {**SHAPE, "impl": ["sdpa"], "seq": [64], "period": [0.02, 0.01]}
    cases = expand_cases({**axes, "deadline": [0.01]}, METHODS)
    assert [(case.period, case.deadline) for case in cases] == [(0.02, 0.01), (0.01, 0.01)]
    with pytest.raises(UsageError, match=r"^--deadline 20.0 ms is longer than --period 10.0 ms$") as refused:
        expand_cases({**axes, "deadline": [0.02]}, METHODS)
    said = "a call must end before the next one is released: give a longer --period, or --deadline 10ms"
    assert refused.value.hint == said


@pytest.mark.parametrize(
    ("axis", "value", "shown", "remedy"),
    [
        ("scope", "attention", "attention", "give --scope layer"),
        ("mode", "train", "train", "give --mode forward"),
        ("engine", "compile", "compile", "give --engine eager"),
        ("period", 0.02, "20.0 ms", "leave out --period"),
        ("deadline", 0.01, "10.0 ms", "leave out --deadline"),
        ("model", "minilm", "minilm", "leave out --model"),
        ("input", "ecg", "ecg", "leave out --input"),
    ],
)
def test_only_a_forward_pass_of_a_layer_is_divided_among_ranks(
    axis: str, value: object, shown: str, remedy: str
) -> None:
    axes: dict[str, Sequence[Any]] = {**SHAPE, "impl": ["sdpa"], "seq": [64], "ranks": [2, 4]}
    assert [case.ranks for case in expand_cases(axes, METHODS)] == [2, 4]
    with pytest.raises(UsageError) as refused:
        expand_cases({**axes, axis: [value]}, METHODS)
    assert refused.value.message == (
        f"--ranks divides the forward pass of a layer in engine eager; --{axis} {shown} does not go with it"
    )
    assert refused.value.hint == f"{remedy}, or measure without --ranks"


def test_a_method_is_put_into_a_model_in_every_way_that_was_asked_for_and_the_reference_once() -> None:
    axes: dict[str, Sequence[Any]] = {**SHAPE, "scope": ["model"], "model": ["minilm"], "seq": [64], "ratio": [4]}
    given: dict[str, Sequence[Any]] = {"layers": ["0,2"], "keep_first": [1, 3], "recover": [20, 40]}
    cases = expand_cases({**axes, **given, "impl": ["sdpa", "dct-x"]}, METHODS)
    assert [(case.implementation, case.layers, case.recover) for case in cases] == [
        ("sdpa", None, None),
        *(("dct-x", layers, steps) for layers in ("0,2", "1..", "3..") for steps in (20, 40)),
    ]


def test_the_cases_are_all_combinations_of_the_axes() -> None:
    axes: dict[str, Sequence[Any]] = {
        **SHAPE, "impl": ["sdpa"], "seq": [64, 128], "batch": [1, 2], "heads": [4, 8], "head_dim": [16, 32],
        "dtype": ["float32", "float64"], "device": ["cpu", "cuda:0"], "threads": [1, 2], "mode": ["forward", "train"],
        "engine": ["eager", "compile"], "scope": ["layer", "attention"], "input": ["ecg", "noise"],
    }  # fmt: skip
    cases = expand_cases(axes, METHODS)
    assert len(cases) == len(set(cases)) == 2**11
    for axis, field in (("seq", "seq_len"), *((axis, axis) for axis in axes if axis not in ("impl", "seq"))):
        assert {getattr(case, field) for case in cases} == set(axes[axis])
