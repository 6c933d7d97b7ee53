"""Sentences in lines that a terminal shows whole, broken between words: a terminal by itself breaks anywhere."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable
from typing import TextIO

import click

_LEAST = 24
"""However narrow the terminal is, a line has room for so many characters."""


def terminal_width(stream: TextIO | None = None) -> int:
    """Columns of the terminal on which a stream, or else standard output, ends; 100 where there is none."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal():
        return int(columns)
    try:
        return os.get_terminal_size((stream or sys.stdout).fileno()).columns or 100
    except (OSError, ValueError):
        return 100


def wrapped(text: str, width: int, before: str = "") -> list[str]:
    """The lines of a sentence.

    Args:
        text: without line breaks.
        width: columns of the terminal, the last of which stays free: some begin a new line as soon as it is taken.
        before: what stands before the first line; the others are indented by as much.
    """
    lines = textwrap.wrap(text, max(_LEAST, width - len(before) - 1), break_on_hyphens=False) or [""]
    return [f"{before if i == 0 else ' ' * len(before)}{line}" for i, line in enumerate(lines)]


def print_sentences(texts: Iterable[str], before: str = "") -> None:
    """Sentences on standard output, folded where a person reads them; programs find each in a line of its own."""
    for text in texts:
        lines = wrapped(text, terminal_width(), before) if sys.stdout.isatty() else [before + text]
        click.echo("\n".join(lines))
