"""User input in files and on the command line is accepted, or refused in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dctbench.cli.commands.run import command as run_command
from dctbench.cli.options.axes import axis_values, chosen_suite
from dctbench.errors import UsageError
from dctbench.spec import axes, grid, suites
from dctbench.spec.suites import Suite
from dctbench.text.parse import parse_duration, parse_share, parse_size
from tests.fuzz.command import assert_refused, command, folder, left_in
from tests.spec.test_suites import GOOD
from tests.support import ROOT
from tests.support.examples import at_length

SUITES = [GOOD, *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "suites").glob("*.toml")))]
CONFIGURATION = '[tool.dctbench]\nstore = "a.sqlite"\n[tool.dctbench.run]\nseq = ["512..2048", 6000]\nquiet = true\n'
VALUES = st.one_of(
    st.sampled_from([
        "nan", "inf", "-inf", "1e400", "-1", "0", "0.5", "9" * 30, "9" * 5000, "true", "1979-05-27", "07:32:00", "[]",
        "{}", "[[1]]", "[" * 2000, "[" * 2000 + "]" * 2000, "{a=" * 500 + "1" + "}" * 500, '""', '"\\u0000"',
        '"\\u001b[2J"', '"512..8192:x1.00001"', '"1..16777216:+1"', '"512.."', '["sdpa", 3]', '["a.b:C"]',
        '"cuda:99999999999999999999"', '"soon"', '"1e9h"', '"0s"', '{A = "1"}', "{A = 1}", '"""\nlines\n"""', "'*'",
        '"?"', '"[a"', "0x10", "1_000", "1__0",
    ]),
    st.text(max_size=10),
    st.integers().map(str),
    st.lists(st.text(alphabet="0123456789.,:x+kdctsp*-", max_size=12).map('"{}"'.format), max_size=3).map(
        lambda items: f"[{', '.join(items)}]"
    ),
)  # fmt: skip
WORDS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="0123456789.,:x+kdctsp*-?[]é", max_size=16),
    st.sampled_from([
        "", " ", ",", "512..8192", "8k", "*", "sdpa,sdpa", "dct*", "cuda:0", "cuda:", "cpu:1", "a.b:C", ":", "a:",
        "fp32", "9" * 5000, "1..16777216:x1.0000001", "\x1b[2J", "\ud800", "--", "-1", "[", "[!", "x" * 5000,
    ]),
)  # fmt: skip
FLAGS = ("--impl", "--seq", "--ratio", "--batch", "--heads", "--head-dim", "--dtype", "--scope", "--mode", "--engine",
         "--device", "--threads", "--suite")  # fmt: skip
QUANTITIES: tuple[Callable[[str, str], float], ...] = (parse_duration, parse_size, parse_share)


@st.composite
def files(draw: st.DrawFn, valid: list[str]) -> str:
    """A valid TOML file with some values, lines or characters changed."""
    lines = draw(st.sampled_from(valid)).splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[at].partition(" = ")
        match draw(st.sampled_from(["value", "value", "value", "key", "double", "remove", "line", "cut"])):
            case "value" if equals:
                lines[at] = f"{key} = {draw(VALUES)}"
            case "key" if equals:
                lines[at] = f"{draw(st.text(max_size=8))} = {lines[at].partition(' = ')[2]}"
            case "double":
                lines.insert(at, lines[at])
            case "remove" if len(lines) > 1:
                del lines[at]
            case "line":
                lines.insert(at, draw(VALUES))
            case _:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return "\n".join(lines) + "\n"


def assert_one_sentence(refused: UsageError) -> None:
    assert refused.exit_code == 2
    assert len(refused.message.splitlines()) == 1


def assert_within_bounds(made: Suite) -> None:
    """Every value of a suite is within its bounds."""
    for key, axis in axes.NUMERIC_AXES.items():
        word = axis.word if isinstance(axis, grid.Axis) else None
        numbers = [value for value in made.axes.get(key, ()) if value is not None and value != word]
        assert all(axis.minimum <= value <= axis.maximum for value in numbers)
    assert all(isinstance(word, str) for key in axes.WORD_AXES for word in made.axes[key])
    assert 1 <= made.settings.rounds <= suites.MAX_ROUNDS
    assert 0 < made.settings.case_timeout < math.inf


def check_suite(text: str) -> None:
    with folder() as place:
        # Halves of surrogate pairs are not valid UTF-8: such a file is not text.
        (place / "given.toml").write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            made = suites.load("given.toml")
        except UsageError as refused:
            assert_one_sentence(refused)
            return
    assert_within_bounds(made)


@given(text=files(SUITES))
@settings(max_examples=150)
@example(text="a = " + "[" * 100_000)
@example(text="a = " + "9" * 5000)
def test_any_suite_file_is_accepted_or_refused_in_one_sentence(text: str) -> None:
    check_suite(text)


@pytest.mark.slow
@given(text=files(SUITES))
@at_length(10_000)
def test_any_suite_file_at_length(text: str) -> None:
    check_suite(text)


def check_configuration(text: str) -> None:
    with folder() as place:
        (place / "pyproject.toml").write_text(text, encoding="utf-8", errors="surrogatepass")
        done = command("list", "suites")
        assert left_in(place) == ["pyproject.toml"]
    if done.code:
        assert_refused(done)


@given(text=files([CONFIGURATION]))
@settings(max_examples=50)
def test_any_configuration_is_accepted_or_refused_in_one_sentence(text: str) -> None:
    check_configuration(text)


@pytest.mark.slow
@given(text=files([CONFIGURATION]))
@at_length(4000)
def test_any_configuration_at_length(text: str) -> None:
    check_configuration(text)


def check_flags(given: dict[str, str]) -> None:
    arguments = [word for flag, value in given.items() for word in (flag, value)]
    try:
        flags: dict[str, Any] = run_command.make_context("run", arguments).params
        assert_within_bounds(suites.override(chosen_suite(flags), axis_values(flags)))
    except UsageError as refused:
        assert_one_sentence(refused)
    except click.UsageError:
        return  # click refuses it, also with exit code 2


@given(flags=st.dictionaries(st.sampled_from(FLAGS), WORDS, max_size=3))
@settings(max_examples=150)
def test_any_flags_are_accepted_or_refused_in_one_sentence(flags: dict[str, str]) -> None:
    check_flags(flags)


@pytest.mark.slow
@given(flags=st.dictionaries(st.sampled_from(FLAGS), WORDS, max_size=3))
@at_length(10_000)
def test_any_flags_at_length(flags: dict[str, str]) -> None:
    check_flags(flags)


@given(text=st.text(alphabet="0123456789.eE-+ usmhinBkKMGTi%µ٣", max_size=14), read=st.sampled_from(QUANTITIES))
@settings(max_examples=300)
def test_any_quantity_is_a_finite_number_or_refused_in_one_sentence(
    text: str, read: Callable[[str, str], float]
) -> None:
    try:
        assert 0 <= read(text, "--flag") < math.inf
    except UsageError as refused:
        assert_one_sentence(refused)
