"""Progress of a check on standard error: a line per round of pairs, which is live on a terminal."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from time import monotonic
from typing import Self

import click

from dctbench.cli.terminal import notices
from dctbench.cli.terminal.wrap import terminal_width
from dctbench.runs.machines import measured_on
from dctbench.scheduler.events import CaseFinished, CheckPlanned, Event, RoundStarted, StillRunning
from dctbench.scheduler.in_order import HEARTBEAT_SECONDS
from dctbench.text.format import format_duration, format_percent, pluralize
from dctbench.wording.verdict_numbers import by_device


class CheckProgress:
    """A listener that lives for one check. Use it as a context manager.

    Args:
        event: what is checked.
        live: whether to redraw one line instead of printing many.
    """

    def __init__(self, event: CheckPlanned, live: bool) -> None:
        self.live = live
        self.header = _header(event)
        self.unit = "pair" if "base" in event.sides else "process"
        self.began = self.last_printed = monotonic()
        self.round = self.now = ""
        self.up = ExitStack()

    def __enter__(self) -> Self:
        notices.say(self.header)
        if self.live:
            self.up.enter_context(notices.shown_by(self._show))
        return self

    def __exit__(self, *exc: object) -> None:
        self.up.close()
        self._clear()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, RoundStarted):
            self._start(event)
        elif isinstance(event, StillRunning) and not self.live:  # a live line is not drawn while a process is timed
            case, self.last_printed = event.case, monotonic()
            took = format_duration(event.seconds)
            click.echo(f"{self.round}: still running {case.title} after {took}", err=True)
        elif isinstance(event, CaseFinished):
            self._finish(event)

    def _finish(self, event: CaseFinished) -> None:
        case, status = event.result.case, event.result.status
        if status != "ok":
            message = f": {event.result.message}" if event.result.message else ""
            notices.say(f"{event.side}: {case.title} {status}{message}")
        if self.live:
            self.now = f"{event.done}/{event.total}  {event.side} {case.title}"
            self._draw()
        elif status == "ok" and monotonic() - self.last_printed >= HEARTBEAT_SECONDS:
            self.last_printed = monotonic()
            click.echo(f"{self.round}: {event.done} of {event.total} processes", err=True)

    def _start(self, event: RoundStarted) -> None:
        fresh = "fresh " if event.confirming else ""
        self.round = f"{fresh}{self.unit} {event.number} (at most {event.most}) of {pluralize(event.cases, 'case')}"
        self.last_printed = monotonic()
        if self.live:
            self.now = "starting both" if self.unit == "pair" else "starting"
            self._draw()
        else:
            click.echo(f"[{format_duration(self.last_printed - self.began):>6}] {self.round}", err=True)

    def _draw(self) -> None:
        """Draw the line. This happens between two processes only, never while one is timed."""
        line = f"{format_duration(monotonic() - self.began):>6}  {self.round}  {self.now}"
        click.echo(f"\r\x1b[K{line[: terminal_width(sys.stderr) - 1]}", err=True, nl=False)

    def _show(self, notice: str) -> None:
        self._clear()
        notices.print_notice(notice)
        self._draw()

    def _clear(self) -> None:
        if self.live:
            click.echo("\r\x1b[K", err=True, nl=False)


def _header(event: CheckPlanned) -> str:
    estimate = event.sides["head"].estimate
    machine = measured_on(event.environment, (case.device for case in event.judged))
    seconds = sum(plan.seconds for plan in event.sides.values())
    caveat = estimate.caveat and f" ({estimate.caveat})"
    tolerance = by_device({c.device_kind: event.rules.tolerance(c) for c in event.judged}, format_percent)
    return (
        f"dctbench check   {machine} · "
        f"{pluralize(len(event.judged), 'case')} judged · tolerance {tolerance} · "
        f"est. {format_duration(seconds)}{caveat}   {event.store}"
    )
