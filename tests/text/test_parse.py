"""Times, sizes and shares mean one thing, and whatever else is typed is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.errors import UsageError
from dctbench.text.parse import parse_duration, parse_named, parse_share, parse_size


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "--case-timeout") == seconds


@pytest.mark.parametrize("text", ["", "0", "-1s", "1d", "s", "1e3", "٣s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--case-timeout"):
        parse_duration(text, "--case-timeout")


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("64MiB", 64 * 2**20), ("64M", 64 * 2**20), ("64Mi", 64 * 2**20), ("64MB", 64e6), ("2 GiB", 2**31),
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
