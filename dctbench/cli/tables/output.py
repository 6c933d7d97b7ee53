"""Print a run in the requested format."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from dctbench import analysis
from dctbench.analysis.in_model import in_models
from dctbench.catalog import Family
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.layout import Layout
from dctbench.cli.terminal.wrap import terminal_width, wrapped
from dctbench.exporters.csv import csv_text
from dctbench.exporters.json_document import document, dumps
from dctbench.runs.lookup import RecordedRun, disclosure, forwarded
from dctbench.runs.machines import by_machine
from dctbench.store import DEFAULT_STORE, masked, store_flags
from dctbench.wording import by_authors, cells, timeliness
from dctbench.wording import in_model as in_model_words
from dctbench.wording import summary as words
from dctbench.wording.accuracy import training_notes
from dctbench.wording.labels import Labels
from dctbench.wording.markdown import markdown
from dctbench.wording.warnings import warning_lines

if TYPE_CHECKING:
    from dctbench.app.run import RunOutcome


def print_run(outcome: RunOutcome, output_format: str, *, rows_shown: bool, host_label: str | None, store: str) -> None:
    """Print a run on standard output, and append it to the step summary.

    Args:
        outcome: the run.
        output_format: table, json, csv or md.
        rows_shown: whether to leave out a table that is on the screen already.
        host_label: what to show in place of the host name, or None.
        store: where the run is, for the next command.
    """
    recorded = forwarded(outcome.recorded, disclosure(outcome.recorded, host_label=host_label))
    reference = outcome.plan.reference
    parts = by_machine(recorded)
    as_markdown = markdown(parts)
    if output_format == "json":
        print_document(dumps(document(recorded.run, recorded.environments, recorded.results)))
    elif output_format == "csv":
        print_document(csv_text(recorded.run, analysis.arranged(recorded.summaries, reference)))
    elif output_format == "md":
        print_document(as_markdown)
    else:
        for part in parts:
            _print_table(part, Layout(part.plan, reference), rows_shown and len(parts) == 1, store)
    add_to_step_summary(as_markdown)


def add_to_step_summary(text: str) -> None:
    """Append Markdown to the summary page of a GitHub workflow, when one is running."""
    step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if step_summary:
        try:
            with Path(step_summary).open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:  # the results are stored and printed, so this is no failure
            click.echo(f"warning: GITHUB_STEP_SUMMARY, {step_summary}, not written: {error.strerror}", err=True)


def _print_table(found: RecordedRun, layout: Layout, rows_shown: bool, store: str) -> None:
    console = Console(highlight=False)
    heading = [] if found.machine is None else [f"On {found.machine}:"]
    summaries = analysis.arranged(found.summaries, layout.reference)
    for line in [*heading, *table_lines(summaries, layout, len(found.plan), rows_shown=rows_shown, store=store)]:
        for part in wrapped(line, terminal_width()) if isinstance(line, str) and console.is_terminal else [line]:
            console.print(part, markup=False, soft_wrap=True)


def table_lines(
    summaries: Sequence[analysis.Summary],
    layout: Layout,
    planned: int,
    *,
    rows_shown: bool,
    store: str = DEFAULT_STORE,
) -> list[Text | str]:
    """Return the lines of the results table, unless its rows were just shown, and of the summary below it."""
    lines: list[Text | str] = []
    if not rows_shown:
        speedups = analysis.speedups(summaries, layout.reference)
        lines.append(layout.head())
        for summary in summaries:
            lines.append(layout.line(cells.row(summary, speedups.get(summary.case), layout.labels)))
    return [*lines, *summary_lines(summaries, layout.reference, planned, layout.labels, store)]


def _in_models(summaries: Sequence[analysis.Summary], labels: Labels) -> list[str]:
    """Return what other attentions do to a model: its limit, each method's speed-up and quality, and the answer."""
    lines: list[str] = []
    found = in_models(summaries)
    for shape in found:
        lines += ["", *filter(None, [in_model_words.limit(shape, labels)])]
        for row in in_model_words.rows(shape, [shape.metric])[1:]:
            trained = "" if row.recovered == "-" else f"; after training {row.recovered}"
            lines.append(
                f"  {row.name}: {row.speedup}, {in_model_words.metric_words(shape.metric)} {row.quality[0]}{trained}"
            )
        lines.append(in_model_words.answer(shape, labels))
    return [*lines, *in_model_words.notes(found, labels)]


def summary_lines(
    summaries: Sequence[analysis.Summary], reference: str | None, planned: int, labels: Labels, store: str
) -> list[str]:
    """Return the summary: which method is fastest, where the DCT pays off, what went wrong, what to do next."""
    lines = [""]
    for ranking in analysis.rankings(summaries, reference):
        lines.append(f"{labels.place(ranking.ranked[0].case)}: {words.fastest(ranking)}")
    if reference:
        dct = [p for p in analysis.payoffs(summaries, reference) if p.method.family is Family.DCT]
        lines += ["", *(words.payoff(p, reference, labels) for p in dct)] if dct else []
    on_schedule = [line for summary in summaries for line in timeliness.lines(summary, labels)[:1]]
    lines += ["", *on_schedule] if on_schedule else []
    lines += _in_models(summaries, labels)
    beside = by_authors.lines(summaries)
    lines += ["", *beside] if beside else []
    following = shlex.join(["dctbench", "report", *store_flags(masked(store))])
    closing = [words.coverage(summaries, planned), words.stability(summaries), f"next: {following}"]
    return [
        *lines,
        "",
        *cells.error_notes(summaries),
        *training_notes(summaries),
        *cells.mode_notes(summaries, labels),
        *warning_lines(summaries, labels),
        *closing,
    ]
