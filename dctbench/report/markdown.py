"""A run as Markdown: the verdict first, then the table, then where it comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dctbench import analysis
from dctbench.analysis import Summary
from dctbench.model import Environment, Run
from dctbench.report import rows, words
from dctbench.report.labels import Labels
from dctbench.report.paper import paper_tables

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&]|(?<=:)/|(?<=www)\.)", re.IGNORECASE)
_MENTION = re.compile(r"@(?=\w)")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, inside a table cell too: no markup, no link, nobody called by an @name."""
    return _MENTION.sub("@\u200b", _SPECIAL.sub(r"\\\1", " ".join(text.split())))


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
    lines.append(f"{escape(words.coverage(summaries, planned))}. {_provenance(run, environments)}")
    return "\n".join(lines) + "\n"


def paper_markdown(run: Run, environments: Sequence[Environment], summaries: Sequence[Summary]) -> str:
    """The table of the papers: rows methods, columns lengths; the fastest of a length and its ties are bold."""
    lines = [f"### Median latency by sequence length: {escape(run.label or run.short_id)}"]
    for found in paper_tables(summaries):
        lines += ["", f"{escape(found.shape)}", ""] if found.shape else [""]
        lines.append("| " + " | ".join(["method", *(f"n = {length}" for length in found.lengths)]) + " |")
        lines.append("|---|" + "--:|" * len(found.lengths))
        for name, cells in found.methods:
            texts = [f"**{escape(cell.text)}**" if cell.best else escape(cell.text) for cell in cells]
            lines.append("| " + " | ".join([escape(name), *texts]) + " |")
    return "\n".join([*lines, "", _provenance(run, environments)]) + "\n"


def _provenance(run: Run, environments: Sequence[Environment]) -> str:
    machines = "; ".join(f"{e.facts['cpu']}, torch {e.facts['torch']}" for e in environments)
    return f"{escape(machines)}. Run `{run.id}`, {escape(run.started_at)}."


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
