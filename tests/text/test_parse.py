"""Times, sizes and shares mean one thing, and whatever else is typed is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dctbench.errors import UsageError
from dctbench.text.parse import (
    MAX_DURATION,
    parse_age,
    parse_duration,
    parse_named,
    parse_share,
    parse_size,
    typed_duration,
)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "--case-timeout") == seconds


@given(st.integers(1, 10**12), st.sampled_from(["s", "ms", "us"]))
def test_a_time_as_it_is_typed_is_read_as_the_same_time(parts: int, unit: str) -> None:
    seconds = float(f"{parts / 10**6:.6f}") * {"s": 1.0, "ms": 1e-3, "us": 1e-6}[unit]
    assume(1e-6 <= seconds <= MAX_DURATION)
    assert parse_duration(typed_duration(seconds), "--period") == seconds


def test_a_time_is_typed_in_the_unit_that_makes_it_short() -> None:
    assert [typed_duration(one) for one in (0.02, 1.5, 120.0, 1.25e-4)] == ["20ms", "1.5s", "120s", "125us"]


def test_a_bare_number_is_a_time_only_where_nobody_means_milliseconds() -> None:
    assert parse_duration("90", "--case-timeout", bare_seconds=True) == 90
    with pytest.raises(UsageError, match="--max-latency-p99 '10': a time without its unit") as refused:
        parse_duration("10", "--max-latency-p99")
    assert refused.value.hint == "write 10ms, or 10s if that is meant"
    with pytest.raises(UsageError, match="--older-than '30'") as refused:
        parse_age("30", "--older-than")
    assert refused.value.hint == "write 30d, or 30h if that is meant"


def test_a_bare_number_is_no_size() -> None:
    with pytest.raises(UsageError, match="--max-memory '64': a size without its unit") as refused:
        parse_size("64", "--max-memory")
    assert refused.value.hint == "write 64MiB, or 64B if that is meant"


@pytest.mark.parametrize("text", ["", "0", "-1s", "1d", "s", "1e3", "٣s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--case-timeout"):
        parse_duration(text, "--case-timeout")


@pytest.mark.parametrize(
    ("text", "size"),
    [("1B", 1), ("64MiB", 64 * 2**20), ("64M", 64 * 2**20), ("64Mi", 64 * 2**20), ("64MB", 64e6), ("2 GiB", 2**31),
     ("1.5k", 1536), ("500kB", 5e5), ("7B", 7), ("1TiB", 2**40)],
)  # fmt: skip
def test_sizes_are_binary_unless_they_say_otherwise(text: str, size: float) -> None:
    assert parse_size(text, "--max-memory") == size


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), ("0", 0), ("1e-3", 1e-3), ("250%", 2.5)])
def test_a_share_is_a_percentage_or_a_number(text: str, share: float) -> None:
    assert parse_share(text, "--max-error") == pytest.approx(share)


@pytest.mark.parametrize("text", ["0.999", "0.5", "100%", "999%"])
def test_a_share_is_bare_below_one_only(text: str) -> None:
    assert parse_share(text, "--tolerance") == pytest.approx(float(text.rstrip("%")) / (100 if "%" in text else 1))


@pytest.mark.parametrize(("text", "meant"), [("10", "write 10% or 0.1,"), ("1", "write 1% or 0.01,"), ("1.0", "100%")])
def test_a_bare_number_from_one_on_is_no_share(text: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"--tolerance '{text}'") as refused:
        parse_share(text, "--tolerance")
    assert meant in str(refused.value.hint)


def test_a_name_before_the_value_is_one_of_those_known() -> None:
    assert parse_named("64MiB", ("tensor", "process"), "--max-memory") == ("tensor", "64MiB")
    assert parse_named("process=1", ("tensor", "process"), "--max-memory") == ("process", "1")
    with pytest.raises(UsageError, match="'proces' is not a name for it"):
        parse_named("proces=1", ("tensor", "process"), "--max-memory")


@given(st.text(max_size=20))
def test_any_text_is_a_finite_quantity_or_refused(text: str) -> None:
    for parse in (parse_duration, parse_size, parse_share):
        try:
            assert 0 <= parse(text, "--flag") < 1e40
        except UsageError as error:
            assert error.hint  # noqa: PT017
