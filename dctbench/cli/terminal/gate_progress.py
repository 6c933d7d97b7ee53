"""How a check shows itself while it measures: a line per round of pairs, live on a terminal, all on standard error."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from time import monotonic
from typing import Self

import click

from dctbench.cli.terminal import notices
from dctbench.cli.terminal.wrap import terminal_width
from dctbench.scheduler.pairs import CaseMeasured, RoundStarted
from dctbench.scheduler.sweep import HEARTBEAT_SECONDS
from dctbench.text.format import format_duration, pluralize


class GateProgress:
    """A listener that lives for one check. Use it as a context manager.

    Args:
        header: what is checked, shown first.
        style: as of --progress; `auto` is live on a terminal and plain elsewhere, CI included.
        unit: what a round is of: "pair", or "process" where head alone is measured.
    """

    def __init__(self, header: str, style: str, unit: str) -> None:
        self.silent = style == "none"
        self.live = notices.draws(style)
        self.header = header
        self.unit = unit
        self.began = self.told = monotonic()
        self.round = self.now = ""
        self.up = ExitStack()

    def __enter__(self) -> Self:
        if not self.silent:
            notices.say(self.header)
        if self.live:
            self.up.enter_context(notices.shown_by(self._show))
        return self

    def __exit__(self, *exc: object) -> None:
        self.up.close()
        self._clear()

    def __call__(self, event: RoundStarted | CaseMeasured) -> None:
        """Show an event."""
        if self.silent:
            return
        if isinstance(event, RoundStarted):
            self._start(event)
            return
        case, status = event.result.case, event.result.status
        if status != "ok":
            message = f": {event.result.message}" if event.result.message else ""
            notices.say(f"{event.side}: {case.name} n={case.seq_len} {status}{message}")
        if self.live:
            self.now = f"{event.done}/{event.total}  {event.side} {case.name} n={case.seq_len}"
            self._draw()
        elif status == "ok" and monotonic() - self.told >= HEARTBEAT_SECONDS:
            self.told = monotonic()
            click.echo(f"{self.round}: {event.done} of {event.total} processes", err=True)

    def _start(self, event: RoundStarted) -> None:
        fresh = "fresh " if event.confirming else ""
        self.round = f"{fresh}{self.unit} {event.number} (at most {event.most}) of {pluralize(event.cases, 'case')}"
        self.told = monotonic()
        if self.live:
            self.now = "starting both" if self.unit == "pair" else "starting"
            self._draw()
        else:
            click.echo(f"[{format_duration(self.told - self.began):>6}] {self.round}", err=True)

    def _draw(self) -> None:
        """Between two processes only: while one is timed, nothing draws."""
        line = f"{format_duration(monotonic() - self.began):>6}  {self.round}  {self.now}"
        click.echo(f"\r\x1b[K{line[: terminal_width(sys.stderr) - 1]}", err=True, nl=False)

    def _show(self, notice: str) -> None:
        self._clear()
        notices.print_notice(notice)
        self._draw()

    def _clear(self) -> None:
        if self.live:
            click.echo("\r\x1b[K", err=True, nl=False)
