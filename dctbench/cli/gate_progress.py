"""How a check shows itself while it measures: a line per round of pairs, live on a terminal, all on standard error."""

from __future__ import annotations

import os
import sys
from time import monotonic
from typing import Self

import click

from dctbench import units
from dctbench.gate import CaseMeasured, RoundStarted
from dctbench.sweep import HEARTBEAT_SECONDS
from dctbench.texts import counted


class GateProgress:
    """A listener that lives for one check. Use it as a context manager.

    Args:
        header: what is checked, shown first.
        style: as of --progress; `auto` is live on a terminal and plain elsewhere, CI included.
        unit: what a round is of: "pair", or "process" where head alone is measured.
    """

    def __init__(self, header: str, style: str, unit: str) -> None:
        terminal = sys.stderr.isatty()
        if style == "auto":
            style = "live" if terminal and not os.environ.get("CI") else "plain"
        self.silent = style == "none"
        self.live = style == "live" and terminal
        self.header = header
        self.unit = unit
        self.began = self.told = monotonic()
        self.round = ""

    def __enter__(self) -> Self:
        if not self.silent:
            click.echo(self.header, err=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self._clear()

    def __call__(self, event: RoundStarted | CaseMeasured) -> None:
        """Show an event."""
        if self.silent:
            return
        if isinstance(event, RoundStarted):
            self._start(event)
        elif self.live:
            self._redraw(event)
        elif event.result.status != "ok":
            case = event.result.case
            message = f": {event.result.message}" if event.result.message else ""
            click.echo(f"{event.side}: {case.name} n={case.seq_len} {event.result.status}{message}", err=True)
        elif monotonic() - self.told >= HEARTBEAT_SECONDS:
            self.told = monotonic()
            click.echo(f"{self.round}: {event.done} of {event.total} processes", err=True)

    def _start(self, event: RoundStarted) -> None:
        self._clear()
        fresh = "fresh " if event.confirming else ""
        self.round = f"{fresh}{self.unit} {event.number} (at most {event.most}) of {counted(event.cases, 'case')}"
        self.told = monotonic()
        if not self.live:
            click.echo(f"[{units.duration(self.told - self.began):>6}] {self.round}", err=True)

    def _redraw(self, event: CaseMeasured) -> None:
        """Between two processes only: while one is timed, nothing draws."""
        case = event.result.case
        took = units.duration(monotonic() - self.began)
        line = f"{took:>6}  {self.round}  {event.done}/{event.total}  {event.side} {case.name} n={case.seq_len}"
        width = max(20, os.get_terminal_size(sys.stderr.fileno()).columns - 1)
        click.echo(f"\r\x1b[K{line[:width]}", err=True, nl=False)

    def _clear(self) -> None:
        if self.live:
            click.echo("\r\x1b[K", err=True, nl=False)
