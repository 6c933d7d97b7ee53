"""Output that a GitHub runner reads has no commands of those whose code is measured."""

from __future__ import annotations

import io
import re

import pytest

from dctbench.cli.terminal.workflow import DefusedStream, defused
from tests.support import SUPPORT
from tests.support.command import Cli

ONE = ("--seq", "64", "--heads", "2", "--head-dim", "8", "--impl", "telling:CommandsTheRunner")
COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


@pytest.mark.parametrize(
    "text",
    ["::error::x", "a\n::error::x", "a\r::error::x", "a\r\n \t::stop-commands::x\n", "a ##[error]x", ":::error::x",
     "\u00a0::error::x", "##[##[x", "::\n::\n", "\n\n::x"],
)  # fmt: skip
def test_no_text_holds_a_command_in_one_piece_or_in_several(text: str) -> None:
    assert COMMAND.search(text.replace("\r", "\n"))
    assert not COMMAND.search(defused(text).replace("\r", "\n"))
    for size in (1, 2, 3, len(text)):
        raw = io.BytesIO()
        stream = DefusedStream(raw, "utf-8", newline="")
        for start in range(0, len(text), size):
            assert stream.write(text[start : start + size]) == len(text[start : start + size])
        stream.flush()
        assert raw.getvalue().decode() == defused(text)


@pytest.mark.parametrize("text", ["std::vector", "a :: b", "dctbench: x\n  hint: y", "## title [x]", "12:30:00", ": :"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert defused(text) == text
    assert defused(defused(text)) == defused(text)


def test_a_message_of_a_layer_is_no_command_in_a_github_job(cli: Cli) -> None:
    variables = {"PYTHONPATH": str(SUPPORT), "GITHUB_ACTIONS": "true"}
    lines: list[tuple[str, ...]] = [
        ("run", *ONE, "--rounds", "1", "--format", form, "--progress", progress)
        for form, progress in (("table", "plain"), ("csv", "none"))
    ]
    lines += [("check", *ONE, "--base-impl", "none", "--pairs", "2", "--max-pairs", "2")]
    lines += [("export", name) for name in ("csv", "junit", "markdown", "json")]
    for line in lines:
        done = cli(*line, **variables)
        assert "owned" in done.out + done.err or line[-1] == "markdown", line
        assert not COMMAND.search(f"{done.out}\n{done.err}"), (line, done.out, done.err)
