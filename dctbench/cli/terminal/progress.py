"""Progress on standard error: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from time import monotonic
from typing import Self

import click
from rich import live
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dctbench.analysis import Summary, compare, summarise
from dctbench.cli.terminal import notices
from dctbench.cli.terminal.check_progress import CheckProgress
from dctbench.cli.terminal.layout import Layout
from dctbench.cli.terminal.plan_size import plan_size
from dctbench.cli.terminal.wrap import terminal_width
from dctbench.machine.disclosure import Disclosure
from dctbench.model import Case
from dctbench.runs.machines import measured_on
from dctbench.scheduler.events import (
    CaseFinished,
    CaseStarted,
    CheckPlanned,
    Event,
    Listener,
    Notice,
    RunPlanned,
    RunStarted,
    StillRunning,
    ignore,
)
from dctbench.text.format import format_duration
from dctbench.text.private import home_as_tilde
from dctbench.wording.cells import row

_WIDE = 80
"""Columns from which on there is room for a bar beside what it stands for."""


class Display:
    """A listener that shows a run or a check on standard error. Use it as a context manager.

    Args:
        style: as of --progress; `auto` is live on a terminal and plain elsewhere, CI included.
    """

    def __init__(self, style: str) -> None:
        self._style = style
        self._view: Live | Plain | CheckProgress | None = None
        self._show: Listener = ignore
        self._disclosure = Disclosure.here()
        self._up = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._up.close()

    def __call__(self, event: Event) -> None:
        """Show an event. The display itself begins with the plan, which says what is measured."""
        if isinstance(event, CaseFinished):
            event = replace(event, result=self._disclosure.result(event.result))
        elif isinstance(event, RunStarted | CheckPlanned):
            self._disclosure = Disclosure.here(event.run)
        if isinstance(event, Notice):
            notices.say(home_as_tilde(event.message))
        elif isinstance(event, RunPlanned):
            self._begin(None if self._style == "none" else (Live if notices.draws(self._style) else Plain)(event))
        elif isinstance(event, CheckPlanned):
            self._begin(None if self._style == "none" else CheckProgress(event, notices.draws(self._style)))
        else:
            self._show(event)

    def _begin(self, view: Live | Plain | CheckProgress | None) -> None:
        self._up.close()  # a plan that was extended has a display of its own
        if view is not None:
            self._view = self._show = view
            self._up.enter_context(view)

    @property
    def rows_shown(self) -> bool:
        """Whether the rows of a whole run are on the screen already."""
        return isinstance(self._view, Live) and self._view.plan.most_rounds == 1 and not self._view.resumed


class _Rows:
    """What both visible styles keep: references by shape, statuses, and how much of the estimate is left."""

    def __init__(self, event: RunPlanned) -> None:
        plan, stored = event.plan, event.stored
        self.header = _header(event)
        self.layout = Layout(plan.cases, plan.reference, terminal_width(sys.stderr))
        self.plan = plan
        self.resumed = bool(stored)
        first = summarise(result for result in stored if result.round == 1)
        self.reference_by_shape = {s.case.shape: s for s in first if s.case.implementation == plan.reference}
        self.statuses = Counter[str](result.status for result in stored)
        done = Counter(result.case for result in stored)
        self.to_come = math.fsum(
            plan.estimate.seconds(case, number)
            for case, rounds in plan.rounds.items()
            for number in range(done[case] + 1, rounds + 1)
        )
        whole = plan.seconds_left(event.budget, stored)
        self.usual_pace = whole / self.to_come if self.to_come else 1.0
        """The pace until a case has ended: what the header says, which a budget and the starts of rounds change."""
        self.predicted = 0.0
        self.spent = 0.0
        self.began: dict[str, float] = {}
        self.running: dict[str, Case] = {}

    def start(self, event: CaseStarted) -> None:
        """Record the start of a case."""
        self.began[event.place] = monotonic()
        self.running[event.place] = event.case

    def finish(self, event: CaseFinished) -> Summary:
        """Take a result in; returns its summary."""
        summary = summarise([event.result])[0]
        case = summary.case
        if case.implementation == self.layout.reference:
            self.reference_by_shape[case.shape] = summary
        self.statuses[summary.status] += 1
        seconds = self.plan.estimate.seconds(case, event.result.round)
        self.to_come = max(0.0, self.to_come - seconds)
        if summary.status == "ok":  # what failed or was left out says nothing of the pace
            self.predicted += seconds
            self.spent += monotonic() - self.began.get(event.place, monotonic())
        self.running.pop(event.place, None)
        return summary

    def eta(self) -> str:
        """What is left of the estimate, at the pace shown so far, divided among the places."""
        pace = self.spent / self.predicted if self.predicted else self.usual_pace
        return format_duration(pace * self.to_come / max(1, len(self.began)))

    def failures(self) -> str:
        """`1 oom  0 errors`, naming only what occurred beside errors."""
        rare = [f"{self.statuses[s]} {s}" for s in ("oom", "timeout", "unsupported", "skipped") if self.statuses[s]]
        return "  ".join([*rare, f"{self.statuses['error']} errors"])

    def _name(self, case: Case) -> str:
        return self.layout.labels.case(case)

    def _brief(self, summary: Summary) -> str:
        shown = row(summary, None, self.layout.labels)
        return shown.failure or shown.latency

    def line(self, summary: Summary) -> Text:
        """The row of the table."""
        speedup = compare(summary, self.reference_by_shape.get(summary.case.shape))
        return self.layout.line(row(summary, speedup, self.layout.labels))


def _header(event: RunPlanned) -> str:
    plan = event.plan
    dtypes = ", ".join(dict.fromkeys(case.dtype for case in plan.cases))
    caveat = plan.estimate.caveat and f" ({plan.estimate.caveat})"
    count = plan_size(plan)
    took = format_duration(plan.seconds_left(event.budget, event.stored))
    machine = measured_on(event.environment, (case.device for case in plan.cases))
    return f"dctbench run   {machine} · {dtypes} · {count} · est. {took}{caveat}   {event.store}"


class Plain(_Rows):
    """One line per case and a sign of life every half minute, without cursor codes."""

    def __enter__(self) -> Self:
        notices.say(self.header)
        return self

    def __exit__(self, *exc: object) -> None:
        return

    def __call__(self, event: Event) -> None:
        """Print an event."""
        if isinstance(event, RunStarted) and event.done:
            click.echo(f"resuming, {event.done} of {event.total} done", err=True)
        elif isinstance(event, CaseStarted):
            self.start(event)
        elif isinstance(event, StillRunning):
            took = format_duration(event.seconds)
            click.echo(f"still running {self._name(event.case)} after {took}", err=True)
        elif isinstance(event, CaseFinished):
            summary = self.finish(event)
            text = self.line(summary).plain.strip()
            if event.result.round > 1:  # what later rounds do not measure again, they do not show
                text = f"round {event.result.round}  {self._name(summary.case)}  {self._brief(summary)}"
            where = f"  on {event.place}" if event.place else ""
            click.echo(f"[{event.done:{len(str(event.total))}}/{event.total}] {text}{where}", err=True)


class Live(_Rows):
    """Finished rows scroll and stay; only the last line is live.

    It is redrawn between cases only: a refresh thread would take its time slices out of the timed region.
    """

    def __init__(self, event: RunPlanned) -> None:
        super().__init__(event)
        self.console = Console(stderr=True, highlight=False)
        self.live = live.Live(console=self.console, auto_refresh=False, transient=True)
        self.up = ExitStack()

    def __enter__(self) -> Self:
        self._show(self.header)
        self.console.print(self.layout.head())
        self.up.enter_context(self.live)
        self.up.enter_context(notices.shown_by(self._show))
        return self

    def __exit__(self, *exc: object) -> None:
        self.up.close()

    def _show(self, notice: str) -> None:
        self.console.print(notice, markup=False)

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        if isinstance(event, RunStarted) and event.done:
            self._show(f"resuming, {event.done} of {event.total} done")
        elif isinstance(event, CaseStarted):
            self.start(event)
            self._draw(event.done, event.total, event.round)
        elif isinstance(event, CaseFinished):
            line = self.line(self.finish(event))
            if event.result.round == 1:  # later rounds refine what is on the screen; the table at the end has it
                self.console.print(line, soft_wrap=True)
            self._draw(event.done, event.total, event.result.round)

    def _draw(self, done: int, total: int, number: int) -> None:
        counts = f"round {number}  {done}/{total}  ETA {self.eta()}  {self.failures()}"
        cases = (
            f"{self._name(case)} on {place}" if place else self._name(case) for place, case in self.running.items()
        )
        running = "".join(f"  {text}" for text in cases)
        grid = Table.grid(padding=(0, 2))
        bar = [ProgressBar(total=total, completed=done, width=20)] if self.console.width >= _WIDE else []
        grid.add_row(*bar, Text(counts + running, no_wrap=True))
        self.live.update(grid, refresh=True)
