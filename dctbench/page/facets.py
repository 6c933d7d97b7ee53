"""What a page holds, in the order in which it holds it: runs, their facets, the places in them, and curves.

A facet is everything of a case but its method, ratio and length; a place is a facet at a length. Runs are never
mixed: a facet belongs to one run, so no statistic reaches over two machines.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from dctbench import analysis, catalog
from dctbench.analysis import Placed, Ranking, Summary
from dctbench.model import Case
from dctbench.runs.lookup import RecordedRun
from dctbench.wording.labels import Labels

AXES = ("device", "dtype", "scope", "mode", "engine", "batch", "heads", "head_dim", "threads", "task")
"""What tells facets of one run apart, in the order in which readers ask for it."""
_FLAGS = {"device": "--device", "dtype": "--dtype", "scope": "--scope", "mode": "--mode", "engine": "--engine",
          "batch": "--batch", "heads": "--heads", "head_dim": "--head-dim", "threads": "--threads"}  # fmt: skip


@dataclass(frozen=True)
class Facet:
    """The results of one run in one facet, arranged for readers."""

    run: int
    summaries: tuple[Summary, ...]

    @property
    def case(self) -> Case:
        """One of its cases; method, ratio and length are not meant."""
        return self.summaries[0].case

    @property
    def cases(self) -> list[Case]:
        """Its cases, in order."""
        return [summary.case for summary in self.summaries]

    @property
    def flags(self) -> str:
        """What `dctbench run` needs beside method, ratio and length to measure in this facet again."""
        values = ((flag, getattr(self.case, axis)) for axis, flag in _FLAGS.items())
        return shlex.join(word for flag, value in values if value is not None for word in (flag, str(value)))

    @cached_property
    def shapes(self) -> list[tuple[int, int, tuple[Summary, ...]]]:
        """(n, index of its first summary in the facet, its summaries) for each length, shortest first."""
        found: dict[int, list[Summary]] = {}
        for summary in self.summaries:
            found.setdefault(summary.case.seq_len, []).append(summary)
        shapes, first = [], 0
        for length, members in found.items():
            shapes.append((length, first, tuple(members)))
            first += len(members)
        return shapes

    @cached_property
    def placed(self) -> list[Placed | None]:
        """Where each of its results stands under the ceilings of its machine."""
        return [analysis.under_roof(summary) for summary in self.summaries]

    @cached_property
    def ranking(self) -> list[Ranking]:
        """Who is fastest at each length, shortest first, beside no reference."""
        return analysis.rankings(self.summaries, None)

    def rankings(self, reference: str | None) -> list[Ranking]:
        """The ranking beside a reference."""
        found = analysis.reference_by_shape(self.summaries, reference) if reference else {}
        return [replace(ranking, reference=found.get(ranking.shape)) for ranking in self.ranking]


@dataclass(frozen=True)
class Contents:
    """Everything that a page is made of.

    Attributes:
        runs: in the order given; the first is shown first.
        reference: what ratios are taken against at first.
        references: what else they may be taken against: the exact methods that were measured.
        facets: of all runs, each run's fullest one first.
        labels: names among all cases.
    """

    runs: Sequence[RecordedRun]
    reference: str | None
    references: tuple[str, ...]
    facets: tuple[Facet, ...]
    labels: Labels

    @cached_property
    def curves(self) -> list[Case]:
        """One case for each method and ratio, in the order of the tables."""
        found = {(c.implementation, c.ratio): c for facet in self.facets for c in facet.cases}
        methods = analysis.method_order((name for name, _ in found), self.reference)
        return sorted(found.values(), key=lambda case: (methods[case.implementation], case.ratio or 0.0))


def contents(runs: Sequence[RecordedRun], reference: str | None) -> Contents:
    """What a page of these runs is made of.

    Args:
        runs: with results; the first is shown first.
        reference: what ratios are taken against at first.
    """
    facets: list[Facet] = []
    for number, recorded in enumerate(runs):
        grouped: dict[tuple[object, ...], list[Summary]] = {}
        for summary in analysis.arranged(recorded.summaries, reference):
            grouped.setdefault(summary.case.setting, []).append(summary)
        fullest_first = sorted(grouped.values(), key=len, reverse=True)
        facets += [Facet(number, tuple(members)) for members in fullest_first]
    cases = [case for facet in facets for case in facet.cases]
    names = dict.fromkeys(case.implementation for case in cases)
    exact = [name for name in names if catalog.recorded(name).kind is catalog.Kind.EXACT]
    references = tuple(dict.fromkeys([reference, *exact])) if reference else ()
    return Contents(runs, reference, references, tuple(facets), Labels(cases))
