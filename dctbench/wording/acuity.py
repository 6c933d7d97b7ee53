"""The acuity of methods as tables: accuracy by the width of detail, and the resolution in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dctbench.analysis import Summary
from dctbench.analysis.accuracy import task_results
from dctbench.analysis.resolution import Acuity, acuities
from dctbench.wording.accuracy import range_of_seeds, resolution_words, task_title

RESOLUTION = "resolution"
EXPLAINED = (
    "Mean accuracy by the width of detail in tokens. The resolution is the width at which a method falls halfway "
    "between chance and exact attention."
)


@dataclass(frozen=True, slots=True)
class AcuityTable:
    """The accuracy of each method by width, and its resolution, as text."""

    widths: tuple[int, ...]
    rows: tuple[tuple[str, tuple[str, ...], str], ...]
    title: str = ""

    @property
    def head(self) -> list[str]:
        """The titles of the columns."""
        return ["method", *(f"h = {width}" for width in self.widths), RESOLUTION]

    @property
    def lines(self) -> list[list[str]]:
        """The cells of each row, as many as `head` has."""
        return [[name, *means, resolution] for name, means, resolution in self.rows]


def acuity_table(found: Sequence[Acuity], title: str = "") -> AcuityTable:
    """Return the acuity of several methods on one task, which have the same widths."""
    return AcuityTable(
        widths=found[0].widths,
        rows=tuple(
            (one.case.name, tuple(f"{mean:.2f}" for mean in one.means), resolution_words(one.resolution))
            for one in found
        ),
        title=title,
    )


def acuity_tables(summaries: Sequence[Summary], reference: str | None = None) -> list[AcuityTable]:
    """Return a table for each task of a run whose test has slices by width; none for a run without such a task."""
    tables = []
    for results in task_results(summaries, reference):
        found = acuities(results)
        if found:
            seeds = range_of_seeds([len(one.seeds) for one in found])
            tables.append(acuity_table(found, f"{task_title(results)}, {seeds}"))
    return tables
