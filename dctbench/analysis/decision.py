"""Which methods are worth considering at one shape: those that no other one beats in latency, memory and accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from dctbench.analysis.accuracy import Compared, Standing, TaskResults
from dctbench.analysis.budgets import Choice
from dctbench.analysis.ranking import Ranking
from dctbench.analysis.summary import Summary
from dctbench.model import Case

MOST = 6
"""The most methods of a decision."""


class Worth(Enum):
    """What is known of the accuracy of a method on all tasks that tell methods apart."""

    EXACT = "exact"
    """It computes exact attention in floating point."""
    AS_GOOD = "as_good"
    """As good as exact attention, or better, on every such task, in the joint test of its methods."""
    GIVES_UP = "gives_up"
    """Worse on one of them, or slow to learn it."""
    OTHER_LAYER = "other_layer"
    """As good, but with options that latency, memory and error were not measured with."""
    UNDECIDED = "undecided"
    """The seeds do not tell on one of them, or only of this method by itself."""
    UNKNOWN = "unknown"
    """It was not trained on one of them, no task tells methods apart, or it ran in int8. In a model: not evaluated."""


_SAFE = frozenset({Worth.EXACT, Worth.AS_GOOD})
_GIVEN_UP = frozenset({Standing.WORSE, Standing.SLOW})


@dataclass(frozen=True)
class Accuracies:
    """What was learned of each method, for any number of tasks."""

    tasks: tuple[TaskResults, ...] = ()

    @cached_property
    def telling(self) -> tuple[TaskResults, ...]:
        """The tasks that tell methods apart."""
        return tuple(results for results in self.tasks if results.sensitive)

    @property
    def tells(self) -> bool:
        """Whether anything tells methods apart."""
        return bool(self.telling)

    @cached_property
    def _compared(self) -> dict[tuple[int, str, tuple[float, int]], Compared]:
        return {
            (number, found.case.implementation, found.case.compression): found
            for number, results in enumerate(self.tasks)
            for found in results.methods
        }

    def on_each_task(self, summary: Summary) -> list[tuple[TaskResults, Compared | None]]:
        """Return each task with a method, whatever its length; None where nothing was learned of it.

        That is so for a method that was not trained, for every method in int8, and where the number kept spans the
        whole task: a training that kept every token says nothing of a case that does not.
        """
        case = summary.case

        def told(number: int) -> Compared | None:
            found = self._compared.get((number, case.implementation, case.compression))
            return None if found is None or summary.quantised or _keeps_more(found.case, case) else found

        return [(results, told(number)) for number, results in enumerate(self.tasks)]

    def worth(self, summary: Summary) -> Worth:
        """Return what is known of the accuracy of a method."""
        if summary.exact:
            return Worth.EXACT
        found = [one for results, one in self.on_each_task(summary) if results.sensitive]
        trained = [one for one in found if one is not None]
        if any(one.standing in _GIVEN_UP for one in trained):
            return Worth.GIVES_UP
        if not found or len(trained) < len(found):
            return Worth.UNKNOWN
        if not all(one.held for one in trained):
            return Worth.UNDECIDED
        return Worth.OTHER_LAYER if any(one.score.options for one in trained) else Worth.AS_GOOD

    def at_least_as_good(self, one: Summary, other: Summary) -> bool | None:
        """Whether the figures of a method are nowhere below those of another one; None unless all of both are known."""
        if not self.tells:
            return None
        known = [
            (a.counted.mean, b.counted.mean)
            for (results, a), (_, b) in zip(self.on_each_task(one), self.on_each_task(other), strict=True)
            if results.sensitive and a is not None and b is not None and not (a.score.options or b.score.options)
        ]
        pairs = [(a, b) for a, b in known if a is not None and b is not None]
        return all(a >= b for a, b in pairs) if pairs and len(pairs) == len(self.telling) else None


def _keeps_more(trained: Case, case: Case) -> bool:
    """Whether a training kept every token, and a case with the same number kept does not."""
    return case.kept is not None and trained.n_kept == trained.seq_len and case.n_kept != case.seq_len


NOTHING_LEARNED = Accuracies()


def unbeaten(ranking: Ranking, accuracies: Accuracies = NOTHING_LEARNED) -> list[Summary]:
    """Return the methods of one shape that no other one beats, in order of latency.

    A method is beaten by one that takes no more time and no more memory, is worth as much, and is better in one of
    these: it is proven to take less time, or takes less memory. What a method is worth is unknown if it was neither
    trained nor has an error that says anything. Then only the same method that keeps more beats it, in the same layers
    of a model and after the same training.
    """
    standing: list[_Known] = []
    for summary in ranking.ranked:
        error = summary.values.get("error.smooth") if summary.approximates else None
        one = _Known(summary, accuracies.worth(summary), summary.memory, error)
        if not any(_beats(other, one, ranking, accuracies) for other in standing):
            standing.append(one)
    return [one.summary for one in standing]


class _Known(NamedTuple):
    """What is compared of a method, looked up once: ten thousand results have hundreds of thousands of pairs."""

    summary: Summary
    worth: Worth
    memory: float | None
    error: float | None
    """None where it says nothing."""


def _beats(other: _Known, one: _Known, ranking: Ranking, accuracies: Accuracies) -> bool:
    """Whether `other`, which took no more time, beats a method."""
    if one.memory is None or other.memory is None or one.memory < other.memory:
        return False
    if not _worth_as_much(other, one, accuracies):
        return False
    return one.memory > other.memory or ranking.surely_faster(other.summary, [one.summary])


def _worth_as_much(other: _Known, one: _Known, accuracies: Accuracies) -> bool:
    if other.worth is Worth.EXACT:
        return not any(c.standing is Standing.BETTER for _, c in accuracies.on_each_task(one.summary) if c)
    if one.worth is Worth.EXACT:
        return other.worth is Worth.AS_GOOD
    if other.worth is one.worth and _differ_in_kept(other.summary.case, one.summary.case):
        return (other.summary.case.n_kept or 0) >= (one.summary.case.n_kept or 0)
    known = accuracies.at_least_as_good(other.summary, one.summary)
    if known is not None:
        return known
    return other.error is not None and one.error is not None and other.error <= one.error


def _differ_in_kept(one: Case, other: Case) -> bool:
    """Whether two cases differ in nothing but what they keep, if in anything."""
    if one.implementation != other.implementation:  # of most pairs, and fast to tell
        return False
    return (one.layers, one.recover, one.shape) == (other.layers, other.recover, other.shape)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to ship at one shape, and what else could be shipped.

    Attributes:
        leaders: the fastest of those that keep the budgets and are worth as much as exact attention, as far as a task
            tells; without such a task, the fastest that keep the budgets. Where one round tells nothing apart, only the
            one that took the least time.
        able: those that the leaders were chosen from, in order of latency.
        told: whether rounds tell which of these are the fastest.
        learned: whether a task tells.
        faster: the fastest that keeps the budgets and is proven to be faster than all leaders.
        shown: the leaders, the reference and others that nothing beats, at most six, in order of latency.
        more: how many others nothing beats.
    """

    leaders: tuple[Summary, ...]
    able: tuple[Summary, ...]
    told: bool
    learned: bool
    faster: Summary | None
    shown: tuple[Summary, ...]
    more: int


def decide(ranking: Ranking, choice: Choice, accuracies: Accuracies = NOTHING_LEARNED) -> Decision:
    """Decide at one shape.

    Args:
        ranking: of the shape.
        choice: its methods by the budgets that they keep.
        accuracies: of all tasks that were trained.
    """
    learned = accuracies.tells
    able = tuple(s for s in choice.within if not learned or accuracies.worth(s) in _SAFE)
    told = ranking.tells(able)
    leaders = ranking.leading(able) if told else (able[0],)
    before = choice.within[: choice.within.index(leaders[0])] if leaders else choice.within
    faster = next((summary for summary in before if ranking.surely_faster(summary, leaders)), None)
    standing = unbeaten(ranking, accuracies)
    reference = [ranking.reference] if ranking.reference in ranking.ranked else []
    chosen = _distinct([*reference, *leaders, *standing])[:MOST]
    return Decision(
        leaders=leaders,
        able=able,
        told=told,
        learned=learned,
        faster=faster,
        shown=tuple(s for s in ranking.ranked if s.case in {one.case for one in chosen}),
        more=sum(s.case not in {one.case for one in chosen} for s in standing),
    )


def _distinct(summaries: Iterable[Summary | None]) -> Sequence[Summary]:
    return list({s.case: s for s in summaries if s is not None}.values())
