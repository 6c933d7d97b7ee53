"""A comparison as Markdown for a pull request's comment: the summary first, the rest folded, never too long to post."""

from __future__ import annotations

from dctbench.compare import ComparisonOutcome
from dctbench.text.format import pluralize
from dctbench.wording import verdict_sentences
from dctbench.wording.markdown import LONGEST, Lines, escape
from dctbench.wording.verdict_cells import VerdictRow, opening, relevant

MARKER = "<!-- dctbench: verdicts -->"
"""The first line. A comment that starts with it is ours and can be updated instead of adding a second one."""
_KEPT_FREE = 4_000
"""Characters reserved for the text below the rows."""
_TITLES = ("verdict", "case", "n", "metric", "base", "head", "change", "raw", "tolerance", "reason")
_HEAD = ["| " + " | ".join(_TITLES) + " |", "|---|---|--:|---|--:|--:|--:|--:|--:|---|"]


def verdicts_markdown(outcome: ComparisonOutcome, *, everything: bool = False) -> str:
    """Return the whole text: summary line, at most ten rows, the rest in <details>, remedies, provenance."""
    found = relevant(outcome, everything=everything)
    taken = Lines(LONGEST - _KEPT_FREE)
    taken.add([MARKER, f"### dctbench: {escape(opening(outcome))}", ""])
    lines = [_line(row) for row in found.rows]
    if lines:
        taken.add_table(_HEAD, lines)
    else:
        taken.add([escape(verdict_sentences.nothing_changed(outcome)), ""])
    below = Lines(LONGEST - taken.length)
    below.add([f"{escape(note)}.", ""] if (note := verdict_sentences.left_out(found)) else [])
    below.add([*_provenance(outcome), "", escape(verdict_sentences.closing(outcome)) + "."])
    notes = [
        *verdict_sentences.remedies(outcome),
        *(f"differs: {text}" for text in verdict_sentences.differences(outcome.differences)),
    ]
    rest = Lines(LONGEST - taken.length - below.length - 200)
    unsaid = rest.add_while_room([f"- {escape(text)}" for text in notes])
    rest.add([f"- {pluralize(unsaid, 'more remark')} left out"] if unsaid else [])
    rest.add([""] if notes else [])
    return "\n".join([*taken.lines, *rest.lines, *below.lines]) + "\n"


def _line(row: VerdictRow) -> str:
    cells = (row.kind, row.case, row.seq_len, row.metric, row.base, row.head, row.change, row.raw, row.tolerance,
             row.reason)  # fmt: skip
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _provenance(outcome: ComparisonOutcome) -> list[str]:
    return [f"{escape(text)}  " for text in verdict_sentences.sides(outcome)]
