"""Wrap text between words: a terminal by itself breaks a line anywhere."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable
from typing import TextIO

import click

_LEAST = 24
"""The least characters per line, however narrow the terminal is."""


def terminal_width(stream: TextIO | None = None) -> int:
    """Return the columns of the terminal behind a stream (by default standard output), or 100 without a terminal."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal():
        return int(columns)
    try:
        return os.get_terminal_size((stream or sys.stdout).fileno()).columns or 100
    except (OSError, ValueError):
        return 100


def wrapped(text: str, width: int, before: str = "") -> list[str]:
    """Return the lines of a text.

    Args:
        text: without line breaks.
        width: columns of the terminal. The last one stays free: some terminals start a new line when it is filled.
        before: the beginning of the first line; the others are indented by its length.
    """
    lines = textwrap.wrap(text, max(_LEAST, width - len(before) - 1), break_on_hyphens=False) or [""]
    return [f"{before if i == 0 else ' ' * len(before)}{line}" for i, line in enumerate(lines)]


def print_sentences(texts: Iterable[str], before: str = "") -> None:
    """Print sentences, wrapped on a terminal and one per line elsewhere."""
    for text in texts:
        lines = wrapped(text, terminal_width(), before) if sys.stdout.isatty() else [before + text]
        click.echo("\n".join(lines))
