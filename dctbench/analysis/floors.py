"""The least accuracy that a method must have on a task, beside the budgets of latency, memory and error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from dctbench import catalog
from dctbench.analysis.accuracy import Compared, TaskResults, shown_above
from dctbench.analysis.budgets import Choice
from dctbench.analysis.decision import Accuracies
from dctbench.analysis.ranking import Ranking
from dctbench.analysis.scores import Score, difference
from dctbench.analysis.summary import Summary
from dctbench.catalog import Kind
from dctbench.model import Case
from dctbench.stats.paired import Mean
from dctbench.stats.robust import Interval


@dataclass(frozen=True, slots=True)
class AccuracyFloor:
    """The least accuracy on a task.

    Attributes:
        task: in canonical spelling.
        reference: the method that the accuracy may be below; None for an absolute one.
        amount: how far below it, 0.02 for two points; or the accuracy itself.
    """

    task: str
    reference: str | None
    amount: float


class Miss(Enum):
    """Why a method does not keep a floor."""

    BELOW = "below"
    """Its accuracy is surely below it."""
    NOT_SHOWN = "not_shown"
    """The seeds do not show that it is above."""
    ALONE = "alone"
    """They show it of this method by itself, but not in the joint test of all methods."""
    SILENT = "silent"
    """The task does not tell methods apart."""
    OTHER_LAYER = "other_layer"
    """It was trained with options that latency, memory and error were not measured with."""
    NOT_MEASURED = "not_measured"
    """It was not trained on the task, or not beside that reference, or it runs in int8, and trainings do not."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A floor that a method does not keep.

    Attributes:
        floor: the floor.
        why: the reason.
        results: the trainings on the task at one shape; None without any.
        score: of the method in them; None if it was not trained.
        difference: how far the method is above the reference of the floor; None where that is not known.
    """

    floor: AccuracyFloor
    why: Miss
    results: TaskResults | None
    score: Score | None
    difference: Interval | None = None


def keep_floors(
    ranking: Ranking, choice: Choice, floors: Sequence[AccuracyFloor], accuracies: Accuracies
) -> tuple[Choice, Mapping[Case, Sequence[Missed]]]:
    """Return the choice among the methods that keep all floors, and what the others miss.

    A method keeps a floor only if that is shown, for all methods of the task together: one threshold over many methods
    lets the luckiest pass. Where the task was trained at several shapes, it must be shown at each of them. An exact
    method keeps every floor below an exact reference, since it computes the same.
    """
    missed: dict[Case, list[Missed]] = {}
    within = []
    for summary in choice.within:
        misses = [miss for floor in floors for miss in _misses(summary, floor, accuracies)]
        if misses:
            missed[summary.case] = misses
        else:
            within.append(summary)
    return replace(choice, within=tuple(within), leaders=ranking.leading(within)), missed


def _misses(summary: Summary, floor: AccuracyFloor, accuracies: Accuracies) -> list[Missed]:
    """Return a miss for each shape of the task at which a method does not keep a floor."""
    exact = floor.reference is not None and catalog.recorded_implementation(floor.reference).kind is Kind.EXACT
    if exact and summary.exact:
        return []
    on_task = [(r, found) for r, found in accuracies.on_each_task(summary) if str(r.task) == floor.task]
    misses = [_missed(summary, floor, results, found) for results, found in on_task]
    return [miss for miss in misses if miss is not None] if misses else [Missed(floor, Miss.NOT_MEASURED, None, None)]


def _missed(summary: Summary, floor: AccuracyFloor, results: TaskResults, found: Compared | None) -> Missed | None:
    score = results.score_of_reference(summary) if found is None else found.score
    if floor.reference is None:
        return _below_value(floor, results, score)
    beside = [one for one in results.scores if one.case.implementation == floor.reference]
    if score is not None and score in beside:
        return None
    if score is None or score.mean is None or len(beside) != 1 or beside[0].mean is None:
        return Missed(floor, Miss.NOT_MEASURED, results, score)
    if results.sensitive is False:
        return Missed(floor, Miss.SILENT, results, score)
    [reference] = beside
    means = {one.case: difference(one, reference) for one in results.scores if one is not reference}
    if reference.failed or means[score.case] is None or not results.sensitive:
        return Missed(floor, Miss.NOT_SHOWN, results, score)
    return _judged(floor, results, score, means, -floor.amount)


def _below_value(floor: AccuracyFloor, results: TaskResults, score: Score | None) -> Missed | None:
    """The floor is an accuracy of its own."""
    if score is None or score.mean is None:
        return Missed(floor, Miss.NOT_MEASURED, results, score)
    if score.estimate is None:
        return Missed(floor, Miss.NOT_SHOWN, results, score)
    return _judged(floor, results, score, {one.case: one.estimate for one in results.scores}, floor.amount)


def _judged(
    floor: AccuracyFloor, results: TaskResults, score: Score, means: Mapping[Case, Mean | None], bound: float
) -> Missed | None:
    """Whether a method is shown to be above a bound, in the joint test of all methods of the task."""
    mean = means[score.case]
    assert mean is not None  # of a method without a mean nothing is asked
    interval = mean.interval()
    if score.case in shown_above(means, bound).get(score.case.implementation, ()):
        if not score.options:
            return None
        why = Miss.OTHER_LAYER
    elif interval.low > bound:
        why = Miss.ALONE
    else:
        why = Miss.BELOW if interval.high < bound else Miss.NOT_SHOWN
    return Missed(floor, why, results, score, None if floor.reference is None else interval)
