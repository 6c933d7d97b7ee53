"""The resolution of a method: the width of detail at which it falls halfway between chance and exact attention.

A task such as `acuity` has one slice of its test per width: `h1`, `h2`, `h4` and so on, in tokens.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dctbench.analysis.accuracy import TaskResults
from dctbench.analysis.scores import Score
from dctbench.model import Case, Result
from dctbench.stats.midpoint import Midpoint, midpoint
from dctbench.stats.paired import mean_of
from dctbench.stats.robust import Interval

_SLICE = re.compile(r"accuracy\.h([1-9][0-9]{0,5})")
_LEAST_RANGE = 0.05
"""A width at which exact attention is not this far above chance says nothing of other methods."""


@dataclass(frozen=True, slots=True)
class Acuity:
    """The accuracy of one method by the width of detail, and its resolution.

    Attributes:
        case: the method.
        widths: in tokens, rising.
        means: mean accuracy at each width.
        intervals: of the means; None under two seeds.
        seeds: accuracies of each seed, by width.
        resolution: the midpoint in tokens; None without exact attention beside it.
    """

    case: Case
    widths: tuple[int, ...]
    means: tuple[float, ...]
    intervals: tuple[Interval, ...] | None
    seeds: tuple[tuple[float, ...], ...]
    resolution: Midpoint | None


def acuities(results: TaskResults) -> list[Acuity]:
    """Return the acuity of each method of a task, the reference first; none for a task without slices by width.

    A failed training counts as chance at every width.
    """
    widths = _widths(results.scores)
    if len(widths) < 2:
        return []
    chance = results.guess or 0.0
    exact = None if results.reference is None else _curves(results.reference, widths, chance)
    return [_acuity(score, widths, chance, exact) for score in results.scores if score.seeds]


def _widths(scores: Sequence[Score]) -> tuple[int, ...]:
    """The widths that every training that ended has an accuracy for."""
    ended = [result for score in scores for result in score.summary.rounds if result.status == "ok"]
    common = set.intersection(*(set(_by_width(result)) for result in ended)) if ended else set()
    return tuple(sorted(common))


def _by_width(result: Result) -> dict[int, float]:
    found = ((_SLICE.fullmatch(one.metric), one.samples[0]) for one in result.measurements)
    return {int(match[1]): value for match, value in found if match}


def _curves(score: Score, widths: Sequence[int], chance: float) -> dict[int, tuple[float, ...]]:
    """The accuracy at each width, by seed."""
    rounds = {result.round: result for result in score.summary.rounds}
    curves = {}
    for seed in score.seeds:
        at = _by_width(rounds[seed.round])
        curves[seed.round] = tuple(chance if seed.failed else at[width] for width in widths)
    return curves


def _acuity(
    score: Score, widths: tuple[int, ...], chance: float, exact: Mapping[int, tuple[float, ...]] | None
) -> Acuity:
    curves = _curves(score, widths, chance)
    step = score.summary.accuracy_step * len(widths)  # a width has its share of the test
    columns = list(zip(*curves.values(), strict=True))
    return Acuity(
        case=score.case,
        widths=widths,
        means=tuple(statistics.fmean(values) for values in columns),
        intervals=tuple(mean_of(values, step).interval() for values in columns) if len(curves) > 1 else None,
        seeds=tuple(curves.values()),
        resolution=None if exact is None else _resolution(widths, curves, exact, chance, step),
    )


def _resolution(
    widths: Sequence[int],
    curves: Mapping[int, tuple[float, ...]],
    exact: Mapping[int, tuple[float, ...]],
    chance: float,
    step: float,
) -> Midpoint | None:
    """The midpoint of how much of the distance from chance to exact attention is reached, paired by seed.

    `step` is what one answer adds to an accuracy at one width.
    """
    rounds = [number for number in curves if number in exact]
    usable = [
        place
        for place in range(len(widths))
        if rounds and min(exact[number][place] for number in rounds) > chance + _LEAST_RANGE
    ]
    if len(usable) < 2:
        return None
    least = min(exact[number][place] for number in rounds for place in usable) - chance
    reached = [
        [(curves[number][place] - chance) / (exact[number][place] - chance) for place in usable] for number in rounds
    ]
    return midpoint([widths[place] for place in usable], reached, step / least)
