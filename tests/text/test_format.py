"""How figures are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.text.format import (
    format_at_most,
    format_count,
    format_duration,
    format_percent,
    format_proportion,
    format_ratio,
    format_relative_error,
    format_seconds,
    format_size,
)
from dctbench.text.quantity import JOULES


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (format_seconds, 171e-6, "171 µs"),
        (format_seconds, 2.344e-3, "2.34 ms"),
        (format_seconds, 0.9996, "1.00 s"),
        (format_seconds, 12.34, "12.3 s"),
        (format_seconds, 5e-9, "5.00 ns"),
        (format_duration, 45.2, "45s"),
        (format_duration, 400, "6m40s"),
        (format_duration, 7500, "2h05m"),
        (format_size, 512, "512 B"),
        (format_size, 32 << 20, "32.0 MiB"),
        (format_size, 1023.9 * 1024, "1.00 MiB"),
        (format_count, 12.9e9, "12.9 GFLOP"),
        (format_count, 999.6, "1.00 kFLOP"),
        (format_count, 0.0, "0 FLOP"),
        (format_count, 0.9996, "1.00 FLOP"),
        (format_count, 0.0123, "12.3 mFLOP"),
        (format_count, 4.4e-4, "440 µFLOP"),
        (format_count, 5e-11, "0.050 nFLOP"),
        (format_ratio, 0.736, "0.74x"),
        (format_ratio, 1.0, "1.00x"),
        (format_ratio, 12.34, "12.3x"),
        (format_ratio, 0.0123, "0.012x"),
        (format_percent, 0.004, "0.4%"),
        (format_percent, 0.12, "12%"),
        (format_at_most, 0.00993614, "1.0%"),
        (format_at_most, 0.0099, "0.99%"),
        (format_at_most, 0.01, "1.0%"),
        (format_at_most, 0.0102, "1.1%"),
        (format_at_most, 0.0991, "10%"),
        (format_at_most, 0.125, "13%"),
        (format_at_most, 0.0, "0%"),
        (format_at_most, 1.0, "100%"),
        (format_at_most, 3.01e-8, "3.1e-06%"),
        (format_relative_error, 3.6e-7, "4e-07"),
        (format_relative_error, 0.00149, "0.0015"),
        (format_relative_error, 0.00994, "0.0099"),
        (format_relative_error, 0.00996, "0.010"),
        (format_relative_error, 0.0123, "0.012"),
        (format_relative_error, 4.31, "4.31"),
    ],
)
def test_figures_read_as_people_write_them(write: object, value: float, text: str) -> None:
    written = write(value, "FLOP") if write is format_count else write(value)  # type: ignore[operator]
    assert written == text


@given(st.floats(1e-9, 1.0))
def test_a_bound_is_written_as_no_less_than_it_is_and_as_little_more_as_its_digits_allow(share: float) -> None:
    percent = float(format_at_most(share).removesuffix("%"))
    assert 100 * share * (1 - 1e-6) <= percent <= 1.11 * 100 * share
    assert format_at_most(percent / 100) == format_proportion(percent / 100)


@pytest.mark.parametrize(
    ("joules", "text"), [(12.3, "12.3 J"), (0.0123, "12.3 mJ"), (4.4e-4, "440 µJ"), (3e-9, "3.00 nJ")]
)
def test_the_energy_of_a_short_call_is_not_zero(joules: float, text: str) -> None:
    assert JOULES.format(joules) == text
