"""TOML as others may have written it."""

from __future__ import annotations

import pytest

from dctbench.text.toml import check_integers, parse_toml
from dctbench.text.untrusted import InvalidDataError


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("a = " + "9" * 5000, "a number of thousands of digits"),
        ("a = ", "Invalid value (at end of document)"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(text: str, problem: str) -> None:
    with pytest.raises(InvalidDataError) as raised:
        parse_toml(text)
    assert str(raised.value) == problem


@pytest.mark.parametrize(
    "number", ["0x" + "f" * 5000, "9" * 4000, "-9223372036854775809", "[[{b = 9223372036854775808}]]"]
)
def test_integers_that_toml_does_not_know_are_refused_wherever_they_are(number: str) -> None:
    with pytest.raises(InvalidDataError, match="does not fit into 64 bits"):
        check_integers(parse_toml(f"a = {number}"))


def test_tables_in_thousands_of_levels_are_checked_without_recursion() -> None:
    check_integers(parse_toml("[" + ".".join(["a"] * 5000) + "]\nb = 9223372036854775807\nc = -9223372036854775808"))
