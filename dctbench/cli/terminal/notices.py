"""Messages on standard error, above a live display if there is one: warnings, and why a command waits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from dctbench.cli.terminal.wrap import terminal_width, wrapped


def say(text: str) -> None:
    """Print a message, above the live display when there is one."""
    _Terminal.show(text)


def print_notice(text: str) -> None:
    """Print a message when there is no live display."""
    for line in wrapped(text, terminal_width(sys.stderr)) if sys.stderr.isatty() else [text]:
        click.echo(line, err=True)


class _Terminal:
    """The terminal of this process; at most one display is on it at a time."""

    show: Callable[[str], None] = staticmethod(print_notice)


def draws(style: str) -> bool:
    """Return whether a display of that style (of --progress) draws on standard error.

    `live` does when the terminal can move its cursor; `auto` does so too, except in CI.
    """
    can = sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    return can and (style == "live" or (style == "auto" and not os.environ.get("CI")))


@contextmanager
def shown_by(show: Callable[[str], None]) -> Iterator[None]:
    """Show messages with that function while a live display is up."""
    _Terminal.show = staticmethod(show)
    try:
        yield
    finally:
        _Terminal.show = staticmethod(print_notice)
