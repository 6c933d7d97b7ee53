"""Sentences on standard error, above whatever is being drawn there: warnings, and why a command waits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from dctbench.cli.terminal.wrap import terminal_width, wrapped


def say(text: str) -> None:
    """Say a sentence."""
    _Terminal.show(text)


def print_notice(text: str) -> None:
    """Print a sentence where nothing is drawn."""
    for line in wrapped(text, terminal_width(sys.stderr)) if sys.stderr.isatty() else [text]:
        click.echo(line, err=True)


class _Terminal:
    """There is one per process, and one display on it at a time."""

    show: Callable[[str], None] = staticmethod(print_notice)


def draws(style: str) -> bool:
    """Whether a display of that style, as of --progress, draws on standard error: `auto` does wherever it can, but not
    in CI, and nothing does without a terminal that can take back what stands on it.
    """
    can = sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    return can and (style == "live" or (style == "auto" and not os.environ.get("CI")))


@contextmanager
def shown_by(show: Callable[[str], None]) -> Iterator[None]:
    """For as long as a display is up, let that one show them."""
    _Terminal.show = staticmethod(show)
    try:
        yield
    finally:
        _Terminal.show = staticmethod(print_notice)
