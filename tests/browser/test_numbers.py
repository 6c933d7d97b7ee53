"""The page formats numbers as the terminal does, and parses them as the command line does."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from selenium import webdriver

from dctbench.errors import UsageError
from dctbench.page.assets import source
from dctbench.text.format import (
    format_at_most,
    format_count,
    format_percent,
    format_proportion,
    format_ratio,
    format_relative_error,
    format_seconds,
    format_seconds_with_interval,
    format_size,
    format_three_digits,
)
from dctbench.text.parse import parse_duration, parse_share, parse_size
from dctbench.text.quantity import AT_MOST, BYTES, RELATIVE_ERROR, SECONDS

EDGES = [
    0.0,
    1.0,
    0.095,
    0.0949,
    0.9995,
    9.995,
    99.95,
    999.5,
    1023.5,
    1024.0,
    0.125,
    0.375,
    2.5,
    3.5,
    0.0625,
    1e-5,
    9.99e-5,
    0.00995,
    0.001,
]
TYPED = ["10ms", "1.5s", "90", "2m", "30us", "64MiB", "64M", "64MB", "500kB", "7", "5%", "0.05", "1e-3", "0", "", "abc",
         "-1", "1 ms", " 3GiB ", "12 MiB", "1e3%", "0.0", "4kiB", "٣",
         "336h", "337h", "1209600s", "1209600.001s"]  # fmt: skip


def values() -> list[float]:
    """Numbers of all sizes, and those where a rounding or a unit changes."""
    draw = random.Random(0)
    spread = [10 ** draw.uniform(-9, 13) for _ in range(4000)]
    near = [
        edge * scale * (1 + shift)
        for edge in EDGES
        for scale in (1e-6, 1e-3, 1, 1024, 1e6)
        for shift in (0, 1e-12, -1e-12)
    ]
    return spread + near


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("formatSeconds", format_seconds),
        ("formatSize", format_size),
        ("formatRatio", format_ratio),
        ("formatPercent", format_percent),
        ("formatProportion", format_proportion),
        ("formatRelativeError", format_relative_error),
        ("interval", lambda value: format_seconds_with_interval(value, 0.9 * value, 1.3 * value)),
        ("unknown", lambda value: format_seconds_with_interval(value, 0.05 * value, 1.3 * value)),
        ("formatThreeDigits", format_three_digits),
        ("formatAtMost", format_at_most),
        ("formatInFull", RELATIVE_ERROR.format_exactly),
        ("formatShareInFull", AT_MOST.format_exactly),
        ("formatSecondsInFull", SECONDS.format_exactly),
        ("formatSizeInFull", BYTES.format_exactly),
        ("flops", lambda value: format_count(value, "FLOP")),
    ],
)
def test_numbers_read_as_in_the_terminal(browser: webdriver.Chrome, name: str, python: Callable[[float], str]) -> None:
    given = [value for value in values() if value > 0 or name != "formatRatio"]
    code = source("scripts/numbers.js") + "const flops = (value) => formatCount(value, 'FLOP');"
    code += "const interval = (value) => formatSecondsWithInterval(value, 0.9 * value, 1.3 * value);"
    code += "const unknown = (value) => formatSecondsWithInterval(value, 0.05 * value, 1.3 * value);"
    found = browser.execute_script(f"{code} return arguments[0].map((value) => {name}(value))", given)
    assert [(value, text) for value, text in zip(given, found, strict=True) if text != python(value)] == []


@pytest.mark.parametrize(
    ("name", "python"),
    [("parseDuration", parse_duration), ("parseSize", parse_size), ("parseShare", parse_share)],
)
def test_what_is_typed_is_read_as_on_the_command_line(
    browser: webdriver.Chrome, name: str, python: Callable[[str, str], float]
) -> None:
    def read(text: str) -> float | None:
        try:
            return python(text, "--x")
        except UsageError:
            return None

    found = browser.execute_script(
        f"{source('scripts/numbers.js')} return arguments[0].map((text) => {name}(text))", TYPED
    )
    assert dict(zip(TYPED, found, strict=True)) == {text: read(text) for text in TYPED}
