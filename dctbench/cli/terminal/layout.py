"""The columns of the results table in a terminal: aligned, and dropped rather than cut when there is little room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from dctbench.cli.terminal.wrap import terminal_width
from dctbench.model import Case
from dctbench.wording.cells import MARKS, WITHOUT_ERROR, SummaryRow
from dctbench.wording.labels import Labels

_INDENT, _GAP = "   ", "  "
_DROPPED_FIRST = ("error", "memory", "speedup")


class Layout:
    """Column widths for a set of cases, fixed before the first result."""

    def __init__(self, cases: Iterable[Case], reference: str | None, width: int | None = None) -> None:
        cases = list(cases)
        self.reference = reference
        self.labels = Labels(cases)
        against = f"vs {reference}" if reference else "ratio"
        names = max((len(self.labels.curve(case)) for case in cases), default=4)
        lengths = max((len(str(case.seq_len)) for case in cases), default=1)
        self.widths = {
            "case": max(4, names),
            "seq_len": max(1, lengths),
            "latency": len("78.9 ms (12.3-45.6)"),
            "speedup": max(len("▲ 99.9x"), len(against)),
            "memory": len("1023 MiB"),
            "error": max(len("4e-07"), *(len(meaning.value) for meaning in WITHOUT_ERROR)),
        }
        named = {"seq_len": "n", "latency": "latency (95% CI)", "speedup": against}
        self.titles = {column: named.get(column, column) for column in self.widths}
        self._fit(width or terminal_width())

    def _fit(self, width: int) -> None:
        for column in _DROPPED_FIRST:
            if len(_INDENT) + sum(self.widths.values()) + len(_GAP) * (len(self.widths) - 1) <= width:
                return
            del self.widths[column]

    def head(self) -> Text:
        """Return the header line."""
        return Text(self._join([self.titles[column] for column in self.widths]), style="bold")

    def line(self, row: SummaryRow) -> Text:
        """Return one row; the whole text of a failure takes the place of all figures."""
        if row.failure is not None:
            text = Text(self._join([row.case, row.seq_len]) + _GAP)
            return text.append(row.failure, style="yellow")
        text = Text(self._join([getattr(row, column) for column in self.widths]))
        for mark, style in ((MARKS_FASTER, "green"), (MARKS_SLOWER, "red")):
            text.highlight_regex(rf"{mark} \S+", style)
        return text

    def _join(self, cells: Sequence[str]) -> str:
        pairs = zip(self.widths.items(), cells, strict=False)
        return _INDENT + _GAP.join(
            cell.ljust(width) if column == "case" else cell.rjust(width) for (column, width), cell in pairs
        )


MARKS_FASTER, MARKS_SLOWER = (mark for winner, mark in MARKS.items() if winner.value != "tie")
