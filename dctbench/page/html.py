"""Renders stored results as one HTML file, which needs no network and no other file.

What a reader without JavaScript needs (verdicts, the first results, provenance) is rendered here. The page's script
selects from the data and draws.
"""

from __future__ import annotations

import base64
import gzip
import shlex
from collections.abc import Sequence
from typing import Any

from dctbench.analysis import Summary
from dctbench.compare import ComparisonOutcome
from dctbench.compare.history import ChangePoint, History
from dctbench.page import assets, narrative
from dctbench.page.accuracy import AccuracySection, accuracy_section
from dctbench.page.between_devices import BetweenSection, between_section
from dctbench.page.charts.axes import Figure
from dctbench.page.charts.history import history_chart
from dctbench.page.charts.regressions import regressions_chart
from dctbench.page.data import embedded, page_data
from dctbench.page.decision import decision_section
from dctbench.page.facets import Contents, arrange
from dctbench.page.in_model import InModelSection, in_model_section
from dctbench.page.provenance import manner
from dctbench.page.regressions import section
from dctbench.page.spectrum import SpectrumSection, spectrum_section
from dctbench.page.stability import MOST_LENGTHS, StabilitySection, stability_section
from dctbench.page.svg import latency_svg
from dctbench.page.timeliness import TimelySection, timely_section
from dctbench.runs.lookup import RecordedRun, usual_reference
from dctbench.runs.machines import by_machine, machine_words
from dctbench.text.format import format_count, format_seconds, listed
from dctbench.wording import by_authors, cells
from dctbench.wording import summary as words
from dctbench.wording.accuracy import lengths_note
from dctbench.wording.by_authors import ProtocolTable, protocol_tables
from dctbench.wording.history import sentences
from dctbench.wording.labels import Labels
from dctbench.wording.warnings import warning_lines

TABLE_ROWS = 100
"""Rows of the table for readers without scripts."""
DRAWN_RESULTS = 2000
"""For a run with more results, only the samples of one length are drawn. The table shows those of any row."""
LIST_LINES = 12
"""The most lines of a list; further lines are only counted."""


def html(
    runs: Sequence[RecordedRun],
    *,
    heading: str | None = None,
    reference: str | None = None,
    compress: bool = False,
    compared: ComparisonOutcome | None = None,
    past: tuple[History, Sequence[ChangePoint]] | None = None,
) -> str:
    """Return the page of one run, or of several side by side: a run of several machines is as many of them.

    Args:
        runs: with results; the page opens with the first.
        heading: of the page; None for the labels or ids of the runs.
        reference: the method that ratios refer to when the page opens; None for sdpa, or full if there is no sdpa.
        compress: embed the data and plotly.js as gzip, which the browser decompresses.
        compared: the first run compared with a baseline, for the section on regressions.
        past: the history of one case and its change points, for the section on history.
    """
    runs = [part for run in runs for part in by_machine(run)]
    contents = arrange(runs, reference or usual_reference(runs))
    first = contents.facets[0]
    against = narrative.reference_sentences(contents, first, contents.reference)
    shown = [_run(contents, number) for number in range(len(runs))]
    parts = ("stability", "accuracy", "spectrum", "in_model", "timely", "between")
    made = [one[part] for one in shown for part in parts if one[part]]
    figures = {name: figure for section in made for name, figure in section.figures.items()}
    figures |= _figures_of_changes(compared, past)
    general = narrative.facet_sentences(first, contents.reference, contents.labels)
    scripts = {"plotly": assets.plotly(), "page": assets.script()}
    page: str = assets.template().render(
        heading=heading or listed(run.title for run in runs),
        runs=shown,
        untrained=[number for number, one in enumerate(shown) if not one["accuracy"] and not one["in_model"]],
        reference=contents.reference,
        decision=decision_section(contents, first),
        longest=against.shapes[-1] if against.shapes else None,
        latency_svg=latency_svg(first.summaries, contents.looks, Labels([])),
        payoffs=against.payoffs,
        sentences=general,
        lines=LIST_LINES,
        rows=_rows(contents),
        regressions=section(compared) if compared else None,
        history=_history(*past) if past else None,
        results=sum(len(facet.summaries) for facet in contents.facets),
        by_authors=by_authors,
        notes=[
            *cells.error_notes(summary for facet in contents.facets for summary in facet.summaries),
            *_lengths_learned(contents),
        ],
        style=assets.style(),
        scripts=scripts,
        script_hashes=[assets.source_hash(text) for text in scripts.values()],
        packed=_packed if compress else None,
        data=embedded(page_data(contents, figures)),
    )  # fmt: skip
    return page


def _lengths_learned(contents: Contents) -> list[str]:
    """At which lengths accuracies were learned, where others were timed."""
    timed = [facet for facet in contents.facets if facet.case.model is None and facet.case.task is None]
    if not timed:
        return []
    lengths = {summary.case.seq_len for facet in timed for summary in facet.summaries}
    note = lengths_note(contents.accuracies(timed[0]).telling, lengths)
    return [] if note is None else [note]


def _figures_of_changes(
    compared: ComparisonOutcome | None, past: tuple[History, Sequence[ChangePoint]] | None
) -> dict[str, Figure]:
    found = {
        "regressions": regressions_chart(compared) if compared else None,
        "history": history_chart(*past) if past and past[0].points else None,
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def _history(found: History, changes: Sequence[ChangePoint]) -> dict[str, Any]:
    case = f"{found.case.name} at n = {found.case.seq_len}"
    return {"title": case, "sentences": sentences(found, changes), "points": found.points}


def _packed(text: str) -> str:
    """A text as gzip in base64, without a time stamp, so that equal pages have equal bytes."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def _run(contents: Contents, number: int) -> dict[str, Any]:
    recorded = contents.runs[number]
    facet = next(facet for facet in contents.facets if facet.run == number)
    shapes = narrative.reference_sentences(contents, facet, contents.reference).shapes
    return {
        "title": recorded.title,
        "run": recorded.run,
        "machine": machine_words(recorded.environments.values()),
        "shape": _shape(recorded.summaries),
        "verdict": f"At {shapes[-1].at}, {shapes[-1].fastest}." if shapes else "Nothing was timed.",
        "coverage": words.coverage(recorded.summaries, len(recorded.plan)),
        "precision": words.stability(recorded.summaries),
        "accuracy": _accuracy(contents, number),
        "spectrum": _spectrum(contents, number),
        "in_model": _in_model(contents, number),
        "stability": _stability(contents, number),
        "timely": _timely(contents, number),
        "between": _between(contents, number),
        "protocols": _protocols(contents, number),
        "warnings": warning_lines(recorded.summaries, contents.labels),
        "environments": recorded.environments,
        "manner": manner(recorded.summaries),
        "command": shlex.join(["dctbench", *recorded.run.argv]) if recorded.run.argv else None,
    }


def _stability(contents: Contents, number: int) -> StabilitySection | None:
    """The section on stability of a run. For a large run, the samples of one length are drawn."""
    summaries = [s for facet in contents.facets if facet.run == number for s in facet.summaries]
    most = MOST_LENGTHS if len(summaries) <= DRAWN_RESULTS else 1
    return stability_section(
        summaries, contents.looks, contents.labels, prefix=f"run-{number}-" if number else "", most_lengths=most
    )


def _accuracy(contents: Contents, number: int) -> AccuracySection | None:
    """The section on accuracy of a run. Latency comes from the run or from one of the others."""
    summaries = contents.runs[number].summaries
    others = [(run.title, run.summaries) for other, run in enumerate(contents.runs) if other != number]
    prefix, margin = f"run-{number}-" if number else "", contents.runs[number].run.settings.margin
    return accuracy_section(
        summaries,
        [("", summaries), *others],
        contents.looks,
        reference=contents.reference,
        margin=margin,
        prefix=prefix,
    )


def _timely(contents: Contents, number: int) -> TimelySection | None:
    """The section on deadlines of a run."""
    summaries = [s for facet in contents.facets if facet.run == number for s in facet.summaries]
    return timely_section(summaries, contents.looks, contents.labels, prefix=f"run-{number}-" if number else "")


def _spectrum(contents: Contents, number: int) -> SpectrumSection | None:
    """The section on the inputs of a run."""
    summaries = [s for facet in contents.facets if facet.run == number for s in facet.summaries]
    return spectrum_section(summaries, contents.labels, prefix=f"run-{number}-" if number else "")


def _between(contents: Contents, number: int) -> BetweenSection | None:
    """The section on what a run communicates between devices."""
    summaries = [s for facet in contents.facets if facet.run == number for s in facet.summaries]
    prefix = f"run-{number}-" if number else ""
    return between_section(summaries, contents.looks, contents.reference, prefix=prefix)


def _protocols(contents: Contents, number: int) -> list[ProtocolTable]:
    """The tables of the section on the protocol of DCT-Former's authors."""
    return protocol_tables([s for facet in contents.facets if facet.run == number for s in facet.summaries])


def _in_model(contents: Contents, number: int) -> InModelSection | None:
    """The section on the model of a run."""
    summaries = [s for facet in contents.facets if facet.run == number for s in facet.summaries]
    return in_model_section(summaries, contents.looks, contents.labels, prefix=f"run-{number}-" if number else "")


def _shape(summaries: Sequence[Summary]) -> str:
    cases = [summary.case for summary in summaries]
    facts: tuple[tuple[str, set[Any]], ...] = (
        ("device", {c.device for c in cases}),
        ("dtype", {c.dtype for c in cases}),
        ("batch", {c.batch for c in cases}),
        ("heads", {(c.heads, c.head_dim) for c in cases}),
        ("scope", {c.scope for c in cases}),
        ("mode", {c.mode for c in cases}),
    )
    return " · ".join(f"{name} {', '.join(map(_fact, sorted(values)))}" for name, values in facts)


def _fact(value: Any) -> str:
    """`8 of 64` for heads and their dimension; other facts as they are."""
    return " of ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _rows(contents: Contents) -> list[dict[str, Any]]:
    """The first results, for the table without scripts."""
    found: list[dict[str, Any]] = []
    for facet in contents.facets:
        speedups = contents.speedups(facet, contents.reference)
        for summary in facet.summaries[: TABLE_ROWS - len(found)]:
            found.append(
                {
                    "cells": cells.row(summary, speedups.get(summary.case), contents.labels),
                    "p95": "-" if summary.p95 is None else format_seconds(summary.p95),
                    "flops": format_count(summary.values["flops"], "FLOP") if "flops" in summary.values else "-",
                    "smooth": cells.error_words(summary),
                    "noise": cells.error_words(summary, "error.noise"),
                    "samples": summary.counted,
                    "stop": summary.details.stop_reason or "",
                    "warnings": len(summary.warnings),
                    "ok": summary.status == "ok",
                }
            )
    return found
