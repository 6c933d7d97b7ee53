"""A run as Markdown: the fastest methods, then the table, then its provenance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dctbench import analysis
from dctbench.analysis import Summary
from dctbench.model import Environment, Run
from dctbench.runs.lookup import RecordedRun
from dctbench.runs.machines import machine_words
from dctbench.text.format import pluralize
from dctbench.wording import acuity, by_authors
from dctbench.wording import cells as rows
from dctbench.wording import summary as words
from dctbench.wording.accuracy import training_notes
from dctbench.wording.labels import Labels
from dctbench.wording.paper_table import BOLD, TITLE, paper_tables

MARKER = "<!-- dctbench: results -->"
"""The first line. A comment that starts with it is ours and can be updated instead of adding a second one."""
WITHOUT_LATENCIES = "dctbench run"
"""What the heading of a run that only trained begins with, in place of the title of the paper's tables."""
LONGEST = 60_000
"""Characters. GitHub refuses comments over 65,536."""
_KEPT_FREE = 1_000
"""Characters reserved for the note that some rows were left out."""
_SHOWN, _MOST_PLACES = 10, 50
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&$]|(?<=:)/|(?<=www)\.)", re.IGNORECASE)
_MENTION = re.compile(r"@(?=\w)")
_ISSUE = re.compile(r"(#|\bGH-)(?=\d)", re.IGNORECASE)


def escape(text: str) -> str:
    """Return text that Markdown shows literally, also in a table cell: no markup, formula, link, @mention or #1."""
    escaped = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _ISSUE.sub("\\1\u200b", _MENTION.sub("@\u200b", escaped))


class Lines:
    """Lines with a limit on their total length, so that no line is cut."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.lines: list[str] = []
        self.length = 0

    def add(self, lines: Iterable[str]) -> None:
        """Add lines whatever their length."""
        for line in lines:
            self.lines.append(line)
            self.length += len(line) + 1

    def add_while_room(self, lines: Sequence[str]) -> int:
        """Add each line that fits, and return how many did not."""
        dropped = 0
        for line in lines:
            if self.length + len(line) + 1 > self.room:
                dropped += 1
            else:
                self.add([line])
        return dropped

    def add_table(self, head: Sequence[str], rows: Sequence[str]) -> None:
        """Add the first rows openly and the others folded; say how many did not fit."""
        self.add(head)
        dropped = self.add_while_room(rows[:_SHOWN])
        if len(rows) > _SHOWN:
            self.add(["", f"<details><summary>{pluralize(len(rows) - _SHOWN, 'more row')}</summary>", "", *head])
            dropped += self.add_while_room(rows[_SHOWN:])
            self.add(["", "</details>"])
        self.add([""])
        if dropped:
            self.add([f"{pluralize(dropped, 'row')} left out: the text would be too long for a comment.", ""])


def markdown(parts: Sequence[RecordedRun]) -> str:
    """Return the whole text, never too long for a comment.

    Args:
        parts: a run, or its parts by machine (`runs.machines`). Each gets its fastest methods and ten rows, and the
            rest folded.
    """
    return "\n".join([MARKER, *(_part(part, LONGEST // len(parts)) for part in parts)])


def _part(found: RecordedRun, longest: int) -> str:
    run, environments, planned = found.run, list(found.environments.values()), len(found.plan)
    summaries = analysis.arranged(found.summaries, analysis.default_reference(s.case for s in found.summaries))
    reference = analysis.default_reference(summary.case for summary in summaries)
    labels = Labels(summary.case for summary in summaries)
    notes = [
        *rows.error_notes(summaries),
        *training_notes(summaries),
        *rows.mode_notes(summaries, labels)[:_SHOWN],
    ]
    below = [line for note in notes for line in (escape(note), "")]
    for tables in (_acuity(summaries), _by_authors(summaries)):
        below += [*tables[1:], ""] if tables else []
    below.append(f"{escape(words.coverage(summaries, planned))}. {_provenance(run, environments)}")
    taken = Lines(longest - sum(len(line) + 1 for line in below) - _KEPT_FREE)
    machine = "" if found.machine is None else f" on {found.machine}"
    taken.add([f"### dctbench {escape((run.label or run.short_id) + machine)}", ""])
    fastest = [
        f"- {escape(labels.place(ranking.ranked[0].case))}: {escape(words.fastest(ranking))}"
        for ranking in analysis.rankings(summaries, reference)
    ]
    taken.add(fastest[:_MOST_PLACES])
    taken.add([f"- and {pluralize(more, 'more place')}" for more in [len(fastest) - _MOST_PLACES] if more > 0])
    taken.add([""])
    head, lines = _table(summaries, reference, labels)
    taken.add_table(head, lines)
    return "\n".join([*taken.lines, *below]) + "\n"


def paper_markdown(run: Run, environments: Sequence[Environment], summaries: Sequence[Summary]) -> str:
    """Return a table with a row per method and a column per length; the fastest of a length and its ties are bold."""
    tables = paper_tables(summaries)
    lines = [f"### {TITLE if tables else WITHOUT_LATENCIES}: {escape(run.label or run.short_id)}"]
    for found in tables:
        lines += ["", f"{escape(found.shape)}", ""] if found.shape else [""]
        lines.append("| " + " | ".join(["method", *(f"n = {length}" for length in found.lengths)]) + " |")
        lines.append("|---|" + "--:|" * len(found.lengths))
        for name, cells in found.methods:
            texts = [f"**{escape(cell.text)}**" if cell.best else escape(cell.text) for cell in cells]
            lines.append("| " + " | ".join([escape(name), *texts]) + " |")
    lines += ["", BOLD] if any(found.has_bold for found in tables) else []
    lines += _acuity(summaries)
    lines += _by_authors(summaries)
    return "\n".join([*lines, "", _provenance(run, environments)]) + "\n"


def _acuity(summaries: Sequence[Summary]) -> list[str]:
    """Return the tables of accuracy by width of detail, if there are any."""
    tables = acuity.acuity_tables(summaries)
    lines = ["", "#### Acuity", "", escape(acuity.EXPLAINED)] if tables else []
    for table in tables:
        lines += ["", escape(table.title), "", *_columns(table.head, table.lines)]
    return lines


def _by_authors(summaries: Sequence[Summary]) -> list[str]:
    """Return the tables of the authors' protocol beside ours, if cases were measured by both."""
    tables = by_authors.protocol_tables(summaries)
    lines = ["", f"#### {escape(by_authors.TITLE)}", "", escape(by_authors.EXPLAINED)] if tables else []
    for table in tables:
        lines += ["", escape(table.place), "", *_columns(by_authors.HEAD, table.rows)]
    return lines


def _columns(head: Sequence[str], lines: Iterable[Iterable[str]]) -> list[str]:
    """Return a table whose first column names methods."""
    return [_row(head), "|---|" + "--:|" * (len(head) - 1), *map(_row, lines)]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(escape, cells)) + " |"


def _provenance(run: Run, environments: Sequence[Environment]) -> str:
    return f"{escape(machine_words(environments))}. Run `{run.id}`, {escape(run.started_at)}."


def _table(summaries: Sequence[Summary], reference: str | None, labels: Labels) -> tuple[list[str], list[str]]:
    """Return the results as a Markdown table: the lines of its head and of its rows."""
    speedups = analysis.speedups(summaries, reference)
    against = f"vs {reference}" if reference else "ratio"
    head = [f"| case | n | latency (95% CI) | {escape(against)} | memory | error |", "|---|--:|--:|--:|--:|--:|"]
    lines = []
    for summary in summaries:
        row = rows.row(summary, speedups.get(summary.case), labels)
        cells = (row.case, row.seq_len, row.failure or row.latency, row.speedup, row.memory, row.error)
        lines.append("| " + " | ".join(escape(cell) for cell in cells) + " |")
    return head, lines
