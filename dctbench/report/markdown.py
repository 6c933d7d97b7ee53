"""A run as Markdown: the verdict first, then the table, then where it comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dctbench import analysis
from dctbench.analysis import Summary
from dctbench.model import Environment, Run
from dctbench.report import rows, words
from dctbench.report.labels import Labels

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, inside a table cell too."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def markdown(run: Run, environments: Sequence[Environment], summaries: Sequence[Summary], planned: int) -> str:
    """The whole text."""
    reference = analysis.default_reference(summary.case for summary in summaries)
    labels = Labels(summary.case for summary in summaries)
    lines = [f"### dctbench {escape(run.label or run.short_id)}", ""]
    for standing in analysis.standings(summaries, reference):
        lines.append(f"- {escape(labels.place(standing.ranked[0].case))}: {escape(words.fastest(standing))}")
    lines += ["", *table(summaries, reference, labels), ""]
    if any(rows.among_frequencies(summary) for summary in summaries):
        lines += [escape(rows.APPROXIMATE_NOTE), ""]
    machines = "; ".join(f"{e.facts['cpu']}, torch {e.facts['torch']}" for e in environments)
    lines.append(f"{escape(words.coverage(summaries, planned))}. {escape(machines)}. Run `{run.id}`, {run.started_at}.")
    return "\n".join(lines) + "\n"


def table(summaries: Sequence[Summary], reference: str | None, labels: Labels) -> list[str]:
    """The results as the lines of a Markdown table."""
    found = analysis.references(summaries, reference) if reference else {}
    against = f"vs {reference}" if reference else "ratio"
    lines = [f"| case | n | p50 ±CI | {against} | memory | error |", "|---|--:|--:|--:|--:|--:|"]
    for summary in summaries:
        row = rows.row(summary, found.get(summary.case.shape), labels)
        cells = (row.case, row.seq_len, row.failure or row.latency, row.speedup, row.memory, row.error)
        lines.append("| " + " | ".join(escape(cell) for cell in cells) + " |")
    return lines
