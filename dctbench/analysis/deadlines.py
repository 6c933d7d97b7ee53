"""Which methods keep a deadline, in which engine and at which lengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dctbench.analysis.budgets import Budgets, Choice, breaches, choose, usual_budgets
from dctbench.analysis.decision import NOTHING_LEARNED, Accuracies, Decision, decide
from dctbench.analysis.ranking import Ranking, ranked_together
from dctbench.analysis.summary import Summary
from dctbench.catalog import Kind
from dctbench.model import Case
from dctbench.model.case import FACET_AXES


def in_time(summary: Summary) -> bool:
    """Whether a case keeps its deadline: at most the usual share of its calls is late, by the upper bound."""
    return summary.timed is not None and not breaches(summary, usual_budgets(summary.case))


@dataclass(frozen=True)
class AtLength:
    """All engines at one length: the ranking of their cases, those that keep the deadline, and the decision."""

    ranking: Ranking
    choice: Choice
    decision: Decision

    @property
    def exact(self) -> tuple[Summary, ...]:
        """The cases that keep the deadline and compute exact attention in floating point, in order of latency."""
        return tuple(summary for summary in self.choice.within if summary.exact)


@dataclass(frozen=True)
class Deadline:
    """The cases of one run that differ in method, what it keeps, length and engine only, and have a deadline.

    Attributes:
        summaries: of these cases, without controls.
        accuracies: what was learned of the methods.
        rankings: how many such rankings of a length the run has, which hold together.
    """

    summaries: tuple[Summary, ...]
    accuracies: Accuracies
    rankings: int

    @property
    def case(self) -> Case:
        """One of the cases, for what all of them share."""
        return self.summaries[0].case

    @property
    def budgets(self) -> Budgets:
        """The miss rate that is admitted."""
        return usual_budgets(self.case)

    @cached_property
    def engines(self) -> tuple[str, ...]:
        """The engines, in the order of the run."""
        return tuple(dict.fromkeys(summary.case.engine for summary in self.summaries))

    @cached_property
    def curves(self) -> Mapping[str, Mapping[str, Sequence[Summary]]]:
        """The cases by method with what it keeps, then by engine, shortest first."""
        found: dict[str, dict[str, list[Summary]]] = {}
        for summary in sorted(self.summaries, key=lambda s: s.case.seq_len):
            found.setdefault(summary.case.name, {}).setdefault(summary.case.engine, []).append(summary)
        return found

    @cached_property
    def lengths(self) -> tuple[AtLength, ...]:
        """What holds at each length over all engines, longest first."""
        by_length: dict[int, list[Summary]] = {}
        for summary in self.summaries:
            by_length.setdefault(summary.case.seq_len, []).append(summary)
        found = []
        for length in sorted(by_length, reverse=True):
            ranking = ranked_together(by_length[length], self.rankings)
            if ranking is not None:
                choice = choose(ranking, self.budgets)
                found.append(AtLength(ranking, choice, decide(ranking, choice, self.accuracies)))
        return tuple(found)

    @property
    def fewest_calls(self) -> int | None:
        """The fewest calls of a case that was not given up early; None where all were."""
        kept = [summary.timeliness for summary in self.summaries if summary.timeliness]
        return min((one.calls for one in kept if not one.late), default=None)


def deadlines(
    summaries: Sequence[Summary], accuracies: Callable[[Case], Accuracies] = lambda _: NOTHING_LEARNED
) -> list[Deadline]:
    """Return the cases with a deadline, in groups that share every axis but method, compression, length and engine.

    Groups of which no call was released are left out.

    Args:
        summaries: of a run.
        accuracies: returns what is known of the accuracy of methods in the facet of a case.
    """
    groups: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        if summary.case.deadline is not None and summary.method.kind is not Kind.CONTROL:
            groups.setdefault(but_for_engine(summary.case), []).append(summary)
    released = [tuple(group) for group in groups.values() if any(one.timeliness for one in group)]
    rankings = sum(len({summary.case.seq_len for summary in group}) for group in released)
    return [Deadline(group, accuracies(group[0].case), rankings) for group in released]


def but_for_engine(case: Case) -> tuple[object, ...]:
    """Return the facet of a case without its engine."""
    return tuple(getattr(case, axis) for axis in FACET_AXES if axis != "engine")
