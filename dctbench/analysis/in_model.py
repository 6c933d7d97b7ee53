"""What the attentions of a model would do to it: end-to-end speed-up beside the quality that is kept."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from dctbench import catalog
from dctbench.analysis.accuracy import MARGIN
from dctbench.analysis.decision import Accuracies, Worth
from dctbench.analysis.reference import REFERENCE
from dctbench.analysis.speedup import Speedup, compare
from dctbench.analysis.summary import Summary
from dctbench.model import Case
from dctbench.stats.multiple import holm
from dctbench.stats.over_inputs import difference_interval, mean_interval
from dctbench.stats.robust import Interval

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Quality:
    """One metric of a converted model.

    `interval` is over inputs; None for a metric of one figure. `change` is the mean difference from the original on the
    same inputs; None without the original or without inputs. `together` is the same with a wider interval, which holds
    for all methods of a run and all figures of their evaluation together, at once and after training (Bonferroni): what
    is kept and lost is claimed by it.
    """

    value: float
    interval: Interval | None
    change: Interval | None
    together: Interval | None

    def kept(self, margin: float = MARGIN) -> bool:
        """Whether it surely loses less than the margin."""
        return self.together is not None and self.together.low > -margin

    def lost(self, margin: float = MARGIN) -> bool:
        """Whether it surely loses more than the margin."""
        return self.together is not None and self.together.high < -margin

    @property
    def difference(self) -> float:
        """How far it is from the original or, where that is not known, from 0."""
        return self.value if self.change is None else self.change.value


@dataclass(frozen=True, slots=True)
class Figures:
    """The metrics of a model with one method, at once or after a training (`trained`)."""

    values: Mapping[str, Quality]
    trained: bool

    def known(self, metrics: Sequence[str]) -> bool:
        """Whether any of these metrics was measured: none was with random weights, before a training."""
        return any(name in self.values for name in metrics)

    def keep(self, metrics: Sequence[str], margin: float = MARGIN) -> bool:
        """Whether each of these metrics surely loses less than the margin."""
        return bool(metrics) and all(name in self.values and self.values[name].kept(margin) for name in metrics)

    def lose(self, metrics: Sequence[str], margin: float = MARGIN) -> bool:
        """Whether any of these metrics surely loses more than the margin."""
        return any(name in self.values and self.values[name].lost(margin) for name in metrics)


@dataclass(frozen=True, slots=True)
class Replaced:
    """A model with one method in the place of its attention.

    `quality` holds the metrics of `metrics_of`, and `recovered` the same ones after a training. `faster` says whether
    the whole model is surely faster, claimed together with all other methods and shapes (Holm).
    """

    summary: Summary
    speedup: Speedup | None
    quality: Mapping[str, Quality]
    recovered: Mapping[str, Quality]
    faster: bool = False

    @property
    def control(self) -> bool:
        """Whether it is measured for comparison only."""
        return self.summary.method.kind is catalog.Kind.CONTROL

    def keeps(self, metrics: Sequence[str], margin: float = MARGIN) -> bool:
        """Whether each of these metrics surely loses less than the margin: all at once, or all after the training."""
        return self.figures(metrics, margin).keep(metrics, margin)

    def figures(self, metrics: Sequence[str], margin: float = MARGIN) -> Figures:
        """Return the figures that it is judged by: together at once, or together after the training.

        They are those at once if these keep the metrics, and those after the training if only these do. If neither do,
        they are those whose worst metric is better.
        """
        at_once, trained = Figures(self.quality, False), Figures(self.recovered, True)
        if at_once.keep(metrics, margin) or not trained.known(metrics):
            return at_once
        if trained.keep(metrics, margin):
            return trained
        return max(at_once, trained, key=lambda each: _worst(each.values, metrics))


def _worst(values: Mapping[str, Quality], metrics: Sequence[str]) -> float:
    return min((values[name].difference for name in metrics if name in values), default=-math.inf)


class Answer(Enum):
    """What a model gains from another attention at one shape."""

    REPLACE = "replace"
    """Some method is surely faster, and surely loses less than the margin."""
    NOT_TIMED = "not timed"
    """The model as it is was not timed, so that nothing can be compared with it."""
    NOT_FASTER = "not faster"
    """No method is surely faster."""
    NOT_KEPT = "not kept"
    """Methods are faster, and none of them surely keeps the quality."""
    NOT_EVALUATED = "not evaluated"
    """Methods are faster, and nothing says what they lose: no evaluation, or figures that are no shares."""


@dataclass(frozen=True, slots=True)
class InModel:
    """The methods in a model at one shape, the fastest first, with the model as it is.

    `share` is the share of the model's time that its attention takes, and `limit` the speed-up that attention without
    any cost would bring; None where that was not measured. `judged` are the figures of the user's evaluation, if all
    of them are shares, of which more is better: of other figures nobody said which way is better.
    """

    original: Summary
    methods: tuple[Replaced, ...]
    share: float | None
    judged: tuple[str, ...]
    unjudged: tuple[str, ...] = ()

    @property
    def limit(self) -> float | None:
        """How many times as fast the model would be with attention that costs nothing (Amdahl's law)."""
        return None if self.share is None or not 0 <= self.share < 1 else 1 / (1 - self.share)

    @property
    def named(self) -> tuple[str, ...]:
        """The metrics that sentences name: those that judge, or how much the outputs drift."""
        return self.judged or ("drift.cosine",)

    @property
    def metric(self) -> str:
        """The metric of charts and tables that have room for one: the first of those."""
        return self.named[0]

    @property
    def evaluated(self) -> bool:
        """Whether quality is judged by the user's evaluation."""
        return bool(self.judged)

    @property
    def worthwhile(self) -> list[Replaced]:
        """The methods that are surely faster and keep the quality."""
        return [one for one in self.methods if one.faster and one.keeps(self.judged) and not one.control]

    @property
    def answer(self) -> Answer:
        """What the model gains."""
        if self.original.timed is None:
            return Answer.NOT_TIMED
        if not any(one.faster and not one.control for one in self.methods):
            return Answer.NOT_FASTER
        if not self.evaluated:
            return Answer.NOT_EVALUATED
        return Answer.REPLACE if self.worthwhile else Answer.NOT_KEPT


@dataclass(frozen=True)
class ModelQuality(Accuracies):
    """What methods are worth in a model, in place of what was learned on tasks."""

    models: tuple[InModel, ...] = ()

    @property
    def tells(self) -> bool:
        """Always: a method that was not evaluated in the model is not shown to be as good."""
        return True

    @cached_property
    def _methods(self) -> Mapping[Case, tuple[InModel, Replaced]]:
        return {one.summary.case: (model, one) for model in self.models for one in model.methods}

    def of(self, summary: Summary) -> tuple[InModel, Replaced] | None:
        """Return a method with the model that it is in; None for the model as it is."""
        return self._methods.get(summary.case)

    def worth(self, summary: Summary) -> Worth:
        """Return what is known of the quality of the model with a method, at once or after the training."""
        if summary.exact:
            return Worth.EXACT
        found = self.of(summary)
        if found is None:
            return Worth.UNKNOWN
        model, one = found
        if not one.figures(model.judged).known(model.judged):
            return Worth.UNKNOWN
        if one.keeps(model.judged):
            return Worth.AS_GOOD
        tried = [Figures(one.quality, False), Figures(one.recovered, True)]
        lost = all(figures.lose(model.judged) for figures in tried if figures.known(model.judged))
        return Worth.GIVES_UP if lost else Worth.UNDECIDED

    def at_least_as_good(self, one: Summary, other: Summary) -> bool | None:
        """Whether no figure of the evaluation is below that with another method; None unless all of both are known."""
        found, beside = self.of(one), self.of(other)
        if found is None or beside is None or not found[0].evaluated:
            return None
        judged = found[0].judged
        above, below = (method.figures(judged).values for _, method in (found, beside))
        if any(name not in above or name not in below for name in judged):
            return None
        return all(above[name].value >= below[name].value for name in judged)


def in_models(summaries: Iterable[Summary]) -> list[InModel]:
    """Return one entry for each shape at which a model was measured as it is, in order of length."""
    by_shape: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        if summary.case.model is not None:
            by_shape.setdefault(summary.case.shape, []).append(summary)
    replaced: list[tuple[Summary, list[Summary]]] = []
    for members in by_shape.values():
        original = next((s for s in members if s.case.implementation == REFERENCE), None)
        if original is not None:
            replaced.append((original, [s for s in members if s is not original]))
    every = [summary for _, members in replaced for summary in members]
    claims = sum(_claims(metrics_of(summary, prefix)) for summary in every for prefix in ("", catalog.RECOVERED))
    confidence = 1 - ALPHA / max(1, claims)  # all models and lengths of a run are told together
    found = [_in_model(original, members, confidence) for original, members in replaced]
    return sorted(_with_claims(found), key=lambda one: one.original.case.seq_len)


def _claims(metrics: Sequence[str]) -> int:
    """Return how many claims are made of a method with these metrics: each figure of an evaluation may be lost."""
    return max(bool(metrics), sum(name.startswith(catalog.EVALUATE) for name in metrics))


def _with_claims(found: Sequence[InModel]) -> list[InModel]:
    """Return the entries with the methods marked that are surely faster, at a level of 5% for all claims together."""
    claims = {
        one.summary.case: one.speedup.p
        for shape in found
        for one in shape.methods
        if one.speedup is not None and one.speedup.p is not None and one.speedup.ratio > 1
    }
    held = {case for case, holds in zip(claims, holm(list(claims.values()), ALPHA), strict=True) if holds}
    return [
        replace(shape, methods=tuple(replace(one, faster=one.summary.case in held) for one in shape.methods))
        for shape in found
    ]


def _in_model(original: Summary, members: Sequence[Summary], confidence: float) -> InModel:
    def qualities(summary: Summary, prefix: str = "") -> dict[str, Quality]:
        return {name: _quality(summary, original, name, prefix, confidence) for name in metrics_of(summary, prefix)}

    methods = [
        Replaced(summary, compare(summary, original), qualities(summary), qualities(summary, catalog.RECOVERED))
        for summary in members
    ]
    methods.sort(key=lambda one: -one.speedup.ratio if one.speedup else 0.0)
    evaluated = tuple(name for name in metrics_of(original) if name.startswith(catalog.EVALUATE))
    shares = all(_are_shares(summary, name) for summary in (original, *members) for name in evaluated)
    share = original.values.get("attention.share")
    return InModel(original, tuple(methods), share, evaluated if shares else (), () if shares else evaluated)


def _are_shares(summary: Summary, metric: str) -> bool:
    taken = [*figures_of(summary, metric), *figures_of(summary, f"{catalog.RECOVERED}{metric}")]
    return all(0 <= figure <= 1 for figure in taken)


def metrics_of(summary: Summary, prefix: str = "") -> list[str]:
    """Return the metrics of quality that a result has, without the prefix; the user's evaluation first."""
    names = [name.removeprefix(prefix) for name in summary.values if name.startswith(prefix)]
    return sorted(
        (name for name in names if name.startswith((catalog.EVALUATE, "drift."))),
        key=lambda name: (not name.startswith(catalog.EVALUATE), name),
    )


def figures_of(summary: Summary, metric: str) -> list[float]:
    """Return the figure of each input, averaged over the rounds that have it."""
    taken = [found.samples for result in summary.rounds if (found := result.measurement(metric)) is not None]
    shortest = min(map(len, taken), default=0)
    return [statistics.fmean(samples[index] for samples in taken) for index in range(shortest)]


def _quality(summary: Summary, original: Summary, metric: str, prefix: str, confidence: float) -> Quality:
    figures, beside = figures_of(summary, f"{prefix}{metric}"), figures_of(original, metric)
    return Quality(
        statistics.fmean(figures),
        mean_interval(figures),
        difference_interval(figures, beside),
        difference_interval(figures, beside, confidence),
    )
