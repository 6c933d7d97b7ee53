"""The table of the papers: a row per method, a column per length; LaTeX and Markdown write the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dctbench import analysis
from dctbench.analysis import Summary
from dctbench.text.format import format_seconds
from dctbench.wording.labels import Labels

TITLE = "Latency by sequence length"
BOLD = "Bold: the fastest, and what is not told apart from it; controls are left out of this."


@dataclass(frozen=True, slots=True)
class Cell:
    """One latency, or a word for why there is none; `best` marks the fastest of its column and its ties.

    One round tells nothing apart, so it marks none.
    """

    text: str
    best: bool = False


@dataclass(frozen=True, slots=True)
class PaperTable:
    """The methods of one shape by length; `shape` distinguishes this table from the others, and may be empty."""

    shape: str
    lengths: tuple[int, ...]
    methods: tuple[tuple[str, tuple[Cell, ...]], ...]

    @property
    def has_bold(self) -> bool:
        """Whether any of its cells is marked."""
        return any(cell.best for _, cells in self.methods for cell in cells)


MISSING = "-"


def paper_tables(summaries: Sequence[Summary]) -> list[PaperTable]:
    """Latencies by method and length, one table for each combination of the other axes.

    Trainings are left out: they have an accuracy, and no latency of their own.
    """
    timed = [summary for summary in summaries if summary.case.task is None]
    labels = Labels(summary.case for summary in timed)
    usual = analysis.default_reference(summary.case for summary in timed)
    told = [one for one in analysis.rankings(summaries, None) if one.tells(one.ranked)]
    leaders = {id(s) for ranking in told for s in ranking.leaders}
    shapes: dict[str, list[Summary]] = {}
    order = analysis.method_order({s.case.implementation for s in timed}, usual)
    for summary in sorted(timed, key=lambda s: (order[s.case.implementation], s.case.compression)):
        shapes.setdefault(labels.facet(summary.case), []).append(summary)
    tables = []
    for shape, members in shapes.items():
        lengths = tuple(sorted({s.case.seq_len for s in members}))
        methods: dict[str, dict[int, Cell]] = {}
        for summary in members:
            cell = Cell(_figure(summary), best=id(summary) in leaders)
            methods.setdefault(summary.case.name, {})[summary.case.seq_len] = cell
        rows = tuple((name, tuple(cells.get(n, Cell(MISSING)) for n in lengths)) for name, cells in methods.items())
        tables.append(PaperTable(shape, lengths, rows))
    return tables


def _figure(summary: Summary) -> str:
    if summary.timed is not None:
        return format_seconds(summary.timed.value)
    return "OOM" if summary.status == "oom" else summary.status
