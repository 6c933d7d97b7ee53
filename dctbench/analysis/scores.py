"""The accuracies of one method on one task, a training per seed, and how far two methods are apart within the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dctbench.analysis.summary import Summary, same_length
from dctbench.model import FAILED, Case
from dctbench.stats.paired import Mean, mean_of
from dctbench.stats.robust import Interval


@dataclass(frozen=True, slots=True)
class Seed:
    """One training: its accuracy, and what should be known of it.

    Attributes:
        round: its number, which is the seed.
        accuracy: on the test; the task's floor if it failed.
        failed: whether it ended in an error or a timeout.
        at_edge: whether the best learning rate was the smallest or the largest that was tried.
        blind: whether no learning rate did better than a guess when one was chosen.
        seconds: of the training; None if it failed.
        steps: of the training; None if this is not known.
    """

    round: int
    accuracy: float
    failed: bool = False
    at_edge: bool = False
    blind: bool = False
    seconds: float | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """The accuracy of one method on one task.

    Attributes:
        summary: of the case.
        seeds: by round.
    """

    summary: Summary
    seeds: tuple[Seed, ...]

    @property
    def case(self) -> Case:
        """The case."""
        return self.summary.case

    @property
    def options(self) -> Mapping[str, int | float | str | bool]:
        """The options of the layer that was trained, other than its defaults. Nothing else is measured with them."""
        return next((r.details.training.options for r in self.summary.rounds if r.details.training), {})

    @property
    def mean(self) -> float | None:
        """Over the seeds; None without one."""
        return statistics.fmean(seed.accuracy for seed in self.seeds) if self.seeds else None

    @property
    def estimate(self) -> Mean | None:
        """The mean with its standard error; None under two seeds."""
        values = [seed.accuracy for seed in self.seeds]
        return mean_of(values, step=self.summary.accuracy_step) if len(values) > 1 else None

    @property
    def interval(self) -> Interval | None:
        """Of the mean; None under two seeds."""
        return None if self.estimate is None else self.estimate.interval()

    @property
    def failed(self) -> int:
        """How many trainings failed."""
        return sum(seed.failed for seed in self.seeds)

    @property
    def at_edge(self) -> int:
        """How many trainings used the smallest or the largest learning rate."""
        return sum(seed.at_edge for seed in self.seeds)

    @property
    def blind(self) -> int:
        """In how many trainings no learning rate did better than a guess when one was chosen."""
        return sum(seed.blind for seed in self.seeds)


def score_of(summary: Summary, floor: float, guess: float | None) -> Score:
    """Return the accuracies of a case.

    Args:
        summary: of a case with a task.
        floor: what a failed training counts as.
        guess: accuracy of the best guess that does not solve the task; None if this is not known.
    """
    seeds = []
    for result in summary.rounds:
        training = result.details.training
        measured, seconds = result.measurement("accuracy"), result.measurement("train.seconds")
        edge = training is not None and training.at_edge
        blind = training is not None and guess is not None and training.chosen_blindly(guess)
        steps = None if training is None else training.steps
        if result.status == "ok" and measured is not None:
            spent = None if seconds is None else seconds.samples[0]
            seeds.append(Seed(result.round, measured.samples[0], at_edge=edge, blind=blind, seconds=spent, steps=steps))
        elif result.status in FAILED:
            seeds.append(Seed(result.round, floor, failed=True, at_edge=edge, steps=steps))
    return Score(summary, tuple(seeds))


def shared_seeds(one: Score, other: Score) -> list[tuple[Seed, Seed]]:
    """Return each seed that both were trained with, for as many steps."""
    beside = {seed.round: seed for seed in other.seeds}
    shared = [(seed, beside[seed.round]) for seed in one.seeds if seed.round in beside]
    return [(a, b) for a, b in shared if same_length(a.steps, b.steps)]


def only_shared(one: Score, other: Score) -> tuple[Score, Score] | None:
    """Return both over the seeds that they share, if there are any; None where they share all."""
    shared = shared_seeds(one, other)
    if not shared or len(shared) == len(one.seeds) == len(other.seeds):
        return None
    own, beside = zip(*shared, strict=True)
    return replace(one, seeds=own), replace(other, seeds=beside)


def difference(one: Score, other: Score) -> Mean | None:
    """Return how far `one` is above `other`, paired by seed; None under two pairs."""
    shared = shared_seeds(one, other)
    step = max(one.summary.accuracy_step, other.summary.accuracy_step)
    return mean_of([a.accuracy - b.accuracy for a, b in shared], step=step) if len(shared) > 1 else None
