"""What a page contains, in this order: runs, their facets, the shapes in a facet, and the curves.

The cases of a facet differ in method, what it keeps, and length only. A shape is a facet at one length. A facet belongs
to one run, so no statistic combines two machines.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from dctbench import analysis, catalog
from dctbench.analysis import PayoffRange, Placed, Ranking, Speedup, Summary
from dctbench.analysis.accuracy import task_results, told_first, without_longer
from dctbench.analysis.budgets import usual_budgets
from dctbench.analysis.decision import Accuracies
from dctbench.analysis.in_model import ModelQuality, in_models
from dctbench.model import Case
from dctbench.page.palette import Look, looks
from dctbench.runs.lookup import RecordedRun
from dctbench.wording.commands import shape_flags
from dctbench.wording.labels import Labels

AXES = ("device", "dtype", "scope", "mode", "engine", "batch", "heads", "head_dim", "threads", "task", "period",
        "deadline", "model", "input", "ranks")  # fmt: skip
"""The axes on which the facets of a run differ, in the order of the page's controls."""


def curve_of(case: Case) -> tuple[object, ...]:
    """Return what distinguishes the curves of a page: the method, what it keeps, and what it replaces in a model."""
    return (case.implementation, case.compression, case.layers, case.recover)


@dataclass(frozen=True)
class Facet:
    """The results of one run that differ in method, what it keeps, and length only, in the order of the tables."""

    run: int
    summaries: tuple[Summary, ...]
    ranking: tuple[Ranking, ...]
    """The ranking at each length without a reference, shortest first."""

    @cached_property
    def opening(self) -> tuple[int, float]:
        """The length that the page opens with, and the latency of its fastest method in seconds.

        It is the longest at which a method keeps the deadline; else the longest that was timed, with an infinite
        latency.
        """
        for ranking in reversed(self.ranking):
            within = analysis.choose(ranking, usual_budgets(self.case)).within
            if within and within[0].latency is not None:
                return ranking.seq_len, within[0].latency.value
        length = self.ranking[-1].seq_len if self.ranking else self.shapes[-1][0]
        return length, math.inf

    @property
    def case(self) -> Case:
        """One of its cases, for the axes that all of them share."""
        return self.summaries[0].case

    @property
    def cases(self) -> list[Case]:
        """The cases, in order."""
        return [summary.case for summary in self.summaries]

    @property
    def flags(self) -> str:
        """The flags with which `dctbench run` measures this facet again, without method, what it keeps, and length."""
        return shlex.join(shape_flags(self.case))

    @cached_property
    def shapes(self) -> list[tuple[int, int, tuple[Summary, ...]]]:
        """(n, index of the first summary in the facet, summaries) for each length, shortest first."""
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
        """Each result in the roofline of its machine; None where the ceilings are unknown."""
        return [analysis.under_roof(summary) for summary in self.summaries]

    def rankings(self, reference: str | None) -> list[Ranking]:
        """The ranking at each length with a reference, shortest first."""
        found = analysis.reference_by_shape(self.summaries, reference) if reference else {}
        return [replace(ranking, reference=found.get(ranking.shape)) for ranking in self.ranking]


@dataclass(frozen=True)
class Contents:
    """Everything that a page shows.

    Attributes:
        runs: in the order given; the page opens with the first.
        reference: the method that ratios refer to when the page opens.
        references: the methods that a reader can choose as the reference: the exact ones that were measured, with one
            case at each shape.
        facets: of all runs; of each run, the one with the most results first.
        labels: names that are unique among all cases.
    """

    runs: Sequence[RecordedRun]
    reference: str | None
    references: tuple[str, ...]
    facets: tuple[Facet, ...]
    labels: Labels

    @cached_property
    def curves(self) -> list[Case]:
        """A case for each curve, in the order of the tables."""
        found = {curve_of(case): case for facet in self.facets for case in facet.cases}
        methods = analysis.method_order((case.implementation for case in found.values()), self.reference)
        return sorted(found.values(), key=lambda case: (methods[case.implementation], case.compression))

    @cached_property
    def looks(self) -> Mapping[Case, Look]:
        """The look of each case, the same in every figure: that of its curve."""
        curves = {curve_of(case): look for case, look in looks(self.curves, self.reference).items()}
        return {case: curves[curve_of(case)] for facet in self.facets for case in facet.cases}

    @cached_property
    def _learned(self) -> Accuracies:
        """What was learned on each task at each length, by the first run on the page that trained on it there."""
        runs = (task_results(run.summaries, self.reference, run.run.settings.margin) for run in self.runs)
        return Accuracies(tuple(without_longer(chain.from_iterable(told_first(runs)))))

    @cached_property
    def _in_models(self) -> Sequence[ModelQuality]:
        """What methods are worth in the models of each run."""
        return [ModelQuality((), tuple(in_models(recorded.summaries))) for recorded in self.runs]

    def accuracies(self, facet: Facet) -> Accuracies:
        """Return what is known of the accuracy of the methods of a facet: in its model or, without one, from tasks."""
        return self._learned if facet.case.model is None else self._in_models[facet.run]

    @cached_property
    def _whole(self) -> Mapping[int, Sequence[Summary]]:
        """All results of each run: what is said of them is proven together, as on the terminal."""
        whole: dict[int, list[Summary]] = {}
        for facet in self.facets:
            whole.setdefault(facet.run, []).extend(facet.summaries)
        return whole

    @cached_property
    def _payoffs(self) -> Mapping[tuple[int, str, tuple[object, ...]], Sequence[PayoffRange]]:
        """By run, reference and facet."""
        by_facet: dict[tuple[int, str, tuple[object, ...]], list[PayoffRange]] = {}
        for run, summaries in self._whole.items():
            for name in self.references:
                for found in analysis.payoffs(summaries, name):
                    by_facet.setdefault((run, name, found.case.facet), []).append(found)
        return by_facet

    @cached_property
    def _speedups(self) -> Mapping[tuple[int, str | None], Mapping[Case, Speedup]]:
        """By run and reference."""
        return {
            (run, name): analysis.speedups(summaries, name)
            for run, summaries in self._whole.items()
            for name in self.references
        }

    def speedups(self, facet: Facet, reference: str | None) -> Mapping[Case, Speedup]:
        """Return the speed-ups of the facet's run over a reference, with the marks of its tables."""
        return self._speedups.get((facet.run, reference), {})

    def payoffs(self, facet: Facet, reference: str) -> Sequence[PayoffRange]:
        """Return what is told of each method of a facet. It is proven together for the whole run, as on the terminal.

        Args:
            facet: one of the page.
            reference: one of those that a reader can choose.
        """
        return self._payoffs.get((facet.run, reference, facet.case.facet), ())


def _place(facet: Facet) -> tuple[object, ...]:
    """The place of a facet in its run: trainings last, then the most results first.

    Of facets with a deadline the first one keeps it at the longest length, and has the fastest method there.
    """
    case = facet.case
    by_deadline: tuple[float, float] = (0, 0.0)
    if case.deadline is not None:
        length, seconds = facet.opening
        by_deadline = (-length if seconds < math.inf else 0, seconds)
    return (case.task is not None, -len(facet.summaries), *by_deadline)


def arrange(runs: Sequence[RecordedRun], reference: str | None) -> Contents:
    """Arrange runs for a page.

    Args:
        runs: with results; the page opens with the first.
        reference: the method that ratios refer to when the page opens.
    """
    facets: list[Facet] = []
    for number, recorded in enumerate(runs):
        grouped: dict[tuple[object, ...], list[Summary]] = {}
        for summary in analysis.arranged(recorded.summaries, reference):
            grouped.setdefault(summary.case.facet, []).append(summary)
        rankings: dict[tuple[object, ...], list[Ranking]] = {}
        for ranking in analysis.rankings(recorded.summaries, None):
            rankings.setdefault(ranking.ranked[0].case.facet, []).append(ranking)
        made = [Facet(number, tuple(m), tuple(rankings.get(m[0].case.facet, ()))) for m in grouped.values()]
        facets += sorted(made, key=_place)
    cases = [case for facet in facets for case in facet.cases]
    names = dict.fromkeys(case.implementation for case in cases)
    at_shape = Counter((facet.run, case.implementation, case.shape) for facet in facets for case in facet.cases)
    several = {name for (_, name, _), count in at_shape.items() if count > 1}  # in other layers, or trained longer
    exact = [name for name in names if catalog.recorded_implementation(name).kind is catalog.Kind.EXACT]
    exact = [name for name in exact if name not in several]
    references = tuple(dict.fromkeys([reference, *exact])) if reference else ()
    return Contents(runs, reference, references, tuple(facets), Labels(cases))
