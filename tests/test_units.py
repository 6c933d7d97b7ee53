"""How figures are written."""

from __future__ import annotations

import pytest

from dctbench import units


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (units.seconds, 171e-6, "171 µs"),
        (units.seconds, 2.344e-3, "2.34 ms"),
        (units.seconds, 0.9996, "1.00 s"),
        (units.seconds, 12.34, "12.3 s"),
        (units.seconds, 5e-9, "5.00 ns"),
        (units.duration, 45.2, "45s"),
        (units.duration, 400, "6m40s"),
        (units.duration, 7500, "2h05m"),
        (units.size, 512, "512 B"),
        (units.size, 32 << 20, "32.0 MiB"),
        (units.size, 1023.9 * 1024, "1.00 MiB"),
        (units.count, 12.9e9, "12.9 GFLOP"),
        (units.ratio, 0.736, "0.74x"),
        (units.ratio, 1.0, "1.00x"),
        (units.ratio, 12.34, "12.3x"),
        (units.ratio, 0.0123, "0.012x"),
        (units.percent, 0.004, "0.4%"),
        (units.percent, 0.12, "12%"),
        (units.relative_error, 3.6e-7, "4e-07"),
        (units.relative_error, 0.0123, "0.012"),
        (units.relative_error, 4.31, "4.31"),
    ],
)
def test_figures_read_as_people_write_them(write: object, value: float, text: str) -> None:
    written = write(value, "FLOP") if write is units.count else write(value)  # type: ignore[operator]
    assert written == text
