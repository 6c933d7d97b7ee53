"""A comparison as Markdown for a pull request's comment: short first, the rest folded away, never too long to post."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dctbench.compare import Outcome
from dctbench.report.markdown import escape
from dctbench.report.verdicts import words
from dctbench.report.verdicts.rows import Row, opening, relevant
from dctbench.texts import counted

MARKER = "<!-- dctbench: verdicts -->"
"""The first line: a comment that starts with it is ours, and can be brought up to date in place of a second one."""
LONGEST = 60_000
"""Characters. GitHub refuses comments over 65,536."""
_SHOWN = 10
_KEPT_FREE = 4_000
"""For what stands below the rows."""
_TITLES = ("verdict", "case", "n", "metric", "base", "head", "change", "raw", "tolerance", "reason")
_HEAD = ["| " + " | ".join(_TITLES) + " |", "|---|---|--:|---|--:|--:|--:|--:|--:|---|"]


def verdicts_markdown(outcome: Outcome, *, everything: bool = False) -> str:
    """The whole text: verdict line, at most ten rows, the rest in <details>, what to do, provenance."""
    found = relevant(outcome, everything=everything)
    taken = _Lines(LONGEST - _KEPT_FREE)
    taken.add([MARKER, f"### dctbench: {escape(opening(outcome))}", ""])
    lines = [_line(row) for row in found.rows]
    taken.add([*_HEAD] if lines else [escape(words.nothing_changed(outcome)), ""])
    dropped = taken.add_while_room(lines[:_SHOWN])
    if len(lines) > _SHOWN:
        taken.add(["", f"<details><summary>{counted(len(lines) - _SHOWN, 'more row')}</summary>", "", *_HEAD])
        dropped += taken.add_while_room(lines[_SHOWN:])
        taken.add(["", "</details>"])
    taken.add([""] if lines else [])
    if dropped:
        taken.add([f"{counted(dropped, 'row')} left out: the text would be too long for a comment.", ""])
    below = _Lines(LONGEST - taken.length)
    below.add([f"{escape(note)}.", ""] if (note := words.left_out(found)) else [])
    below.add([*_provenance(outcome), "", escape(words.closing(outcome)) + "."])
    notes = [*words.remedies(outcome), *(f"differs: {text}" for text in words.differences(outcome.differences))]
    rest = _Lines(LONGEST - taken.length - below.length - 200)
    unsaid = rest.add_while_room([f"- {escape(text)}" for text in notes])
    rest.add([f"- {counted(unsaid, 'more remark')} left out"] if unsaid else [])
    rest.add([""] if notes else [])
    return "\n".join([*taken.lines, *rest.lines, *below.lines]) + "\n"


class _Lines:
    """Lines that are counted, so that none need be cut."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.lines: list[str] = []
        self.length = 0

    def add(self, lines: Iterable[str]) -> None:
        """Lines that must be there."""
        for line in lines:
            self.lines.append(line)
            self.length += len(line) + 1

    def add_while_room(self, lines: Sequence[str]) -> int:
        """Lines as long as each fits; how many did not."""
        dropped = 0
        for line in lines:
            if self.length + len(line) + 1 > self.room:
                dropped += 1
            else:
                self.add([line])
        return dropped


def _line(row: Row) -> str:
    cells = (row.kind, row.case, row.seq_len, row.metric, row.base, row.head, row.change, row.raw, row.tolerance,
             row.reason)  # fmt: skip
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def _provenance(outcome: Outcome) -> list[str]:
    return [f"{escape(text)}  " for text in words.sides(outcome)]
