"""The change of one case's latency from base to head, in two forms.

For pairs of processes that took turns it is the raw change. The turns cancel what the machine does, and dividing by a
reference would add the reference's own differences between processes. The references show whether the two environments
differ in more than the case. For processes of head against those of a stored run, which are hours apart, it is the
change of the ratio to the reference, which cancels how fast the machine was. Its variance is moderated by those of the
other cases (`stats.moderated`), since a case alone has few processes.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from dctbench.analysis import Summary
from dctbench.model import Case, Result
from dctbench.stats.distributions import student_t_quantile, student_t_two_sided
from dctbench.stats.moderated import LEAST_CASES, NOTHING_KNOWN, Prior, Spread, fit_prior, levels, spread_of
from dctbench.stats.robust import Interval, log_mean_interval
from dctbench.stats.sequential import paired_p

CONFIRMING = 1000
"""Rounds above this number are confirming rounds: fresh processes, judged without the rounds before."""
FEWEST = 2
"""The fewest processes on each side of two runs: one alone says nothing about the next."""
_MOST_LOG = math.log(sys.float_info.max)

Medians = Mapping[int, float]
"""Median seconds by round."""


class Change(Protocol):
    """The interface of both forms. A `series` is None for the raw change, else the name of a reference."""

    @property
    def count(self) -> int:
        """Pairs, or processes of head."""

    def stored(self, series: str | None) -> int | None:
        """How many processes a stored base has, to which none can be added; None for pairs."""

    def alone(self, series: str | None) -> bool:
        """Whether base is a single stored run in that series; False for pairs."""

    @property
    def anytime(self) -> bool:
        """Whether the p-values hold at any number of looks; if not, they are corrected for LOOKS looks."""

    @property
    def series(self) -> Collection[str]:
        """The references that share a process with the case on both sides."""

    def effect(self, series: str | None) -> float:
        """The change head / base by medians."""

    def interval(self, series: str | None) -> Interval | None:
        """The 95% interval of the change; None where there are too few processes."""

    def p_slower(self, series: str | None, tolerance: float) -> float:
        """The p-value of "head is not slower", corrected for the number of looks."""

    def p_faster(self, series: str | None, tolerance: float) -> float:
        """The p-value of "head is not faster", corrected for the number of looks."""

    @property
    def moved(self) -> float:
        """How far the references moved, as a share: 0.1 is 10% in either direction."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Pairs of processes, by log(head / base), oldest first; `drifts` are the median changes of the references."""

    raw: tuple[float, ...]
    drifts: Mapping[str, float]

    @property
    def count(self) -> int:
        """Pairs."""
        return len(self.raw)

    def stored(self, series: str | None) -> int | None:
        """How many processes a stored base has; None, since both sides of a pair are measured here."""
        return None

    def alone(self, series: str | None) -> bool:
        """False: both sides of a pair are measured here."""
        return False

    @property
    def anytime(self) -> bool:
        """True: sequential p-values hold at every look."""
        return True

    @property
    def series(self) -> Collection[str]:
        """The references that ran in every pair."""
        return self.drifts.keys()

    def effect(self, series: str | None) -> float:
        """The median change head / base, divided by the drift of the reference if one is given."""
        return math.exp(statistics.median(self.raw)) / (1.0 if series is None else self.drifts[series])

    def interval(self, series: str | None) -> Interval | None:
        """The 95% interval of the mean change over the pairs, with the median; None for fewer than two."""
        if len(self.raw) < 2:
            return None
        drift = 1.0 if series is None else self.drifts[series]
        found, effect = log_mean_interval([math.exp(change) / drift for change in self.raw]), self.effect(series)
        # With few, skewed pairs the median may lie outside the interval of the mean and then widens it.
        return Interval(effect, min(effect, found.low), max(effect, found.high))

    def p_slower(self, series: str | None, tolerance: float) -> float:
        """The sequential p-value of "head is not slower" by the raw change, whatever the series."""
        return paired_p(self.raw, tolerance)

    def p_faster(self, series: str | None, tolerance: float) -> float:
        """The sequential p-value of "head is not faster" by the raw change, whatever the series."""
        return paired_p([-change for change in self.raw], tolerance)

    @property
    def moved(self) -> float:
        """The largest drift of a reference, as a share."""
        return max((math.expm1(abs(math.log(drift))) for drift in self.drifts.values()), default=0.0)


@dataclass(frozen=True, slots=True)
class BetweenRuns:
    """How much runs of the same code differ, as all cases of a comparison together show it.

    A run changes all cases by a common amount, its level, and each by an amount of its own. More cases make the
    variance of the second better known, but not that of the first, which has one degree of freedom less than there
    are runs. `level` is by the number of the run. It is empty, and `own` says nothing, where there are too few cases:
    each then has its own variance.
    """

    level: Mapping[int, float] = field(default_factory=dict)
    own: Prior = NOTHING_KNOWN

    def spread(self, runs: Mapping[int, float], seconds: float) -> Spread:
        """Return the variance between runs of a case of that latency, from its mean logarithm in each run."""
        if not self.level:
            return spread_of(list(runs.values()))
        return self.own.moderate(self.apart(runs), seconds).plus(spread_of(list(self.level.values())))

    def apart(self, runs: Mapping[int, float]) -> Spread:
        """Return the variance of a case's mean logarithms apart from what the runs change in all cases."""
        return spread_of([log - self.level[number] for number, log in runs.items()])


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Processes of head and processes of a stored run: seconds, or seconds per second of a reference.

    `seconds` is the latency of base, of several runs their geometric mean. `priors` is what the other cases say of the
    variance, by series. `looks` is how often the processes are tested before a decision. `runs` holds the mean
    logarithm in each run of base, by series and then by the number of the run, where there are several: they show how
    much runs of the same code differ, which processes of one run do not. `between` is what all cases together say of
    that.
    """

    raw: tuple[tuple[float, ...], tuple[float, ...]]
    against: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]
    seconds: float
    looks: int = 1
    priors: Mapping[str | None, Prior] = field(default_factory=dict)
    runs: Mapping[str | None, Mapping[int, float]] = field(default_factory=dict)
    between: Mapping[str | None, BetweenRuns] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Processes of head."""
        return len(self.raw[1])

    def stored(self, series: str | None) -> int | None:
        """How many processes the stored base has."""
        return len(self._series(series)[0])

    def alone(self, series: str | None) -> bool:
        """Whether a single run of base is known, so that nothing shows how much runs of the same code differ."""
        return self.between_runs(series) is None

    @property
    def anytime(self) -> bool:
        """False: the p-values are corrected for `looks` looks."""
        return False

    def _series(self, series: str | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.raw if series is None else self.against[series]

    @property
    def series(self) -> Collection[str]:
        """The references that share a process with the case on both sides."""
        return self.against.keys()

    def processes(self, series: str | None) -> tuple[int, int]:
        """How many processes base and head have."""
        base, head = self._series(series)
        return len(base), len(head)

    def spread(self, series: str | None) -> Spread | None:
        """The variance of the logarithms between processes, pooled over the sides; None with fewer than FEWEST."""
        base, head = self._logs(series)
        if min(len(base), len(head)) < FEWEST:
            return None
        degrees = len(base) + len(head) - 2
        sides = [spread_of(side) for side in (base, head)]
        return Spread(math.fsum(side.variance * side.degrees for side in sides) / degrees, degrees)

    def effect(self, series: str | None) -> float:
        """The ratio of the geometric means, head / base; of several base runs, each counts the same."""
        return math.exp(self._change(series))

    def between_runs(self, series: str | None) -> Spread | None:
        """The variance of the mean logarithm between runs of base; None for a single run."""
        runs = self.runs.get(series, {})
        if len(runs) < FEWEST:
            return None
        return self.between.get(series, BetweenRuns()).spread(runs, self.seconds)

    def _change(self, series: str | None) -> float:
        base, head = self._logs(series)
        return statistics.fmean(head) - statistics.fmean(self.runs[series].values() if series in self.runs else base)

    def interval(self, series: str | None) -> Interval | None:
        """Student's 95% interval by the moderated variance; None with fewer than FEWEST processes on a side."""
        estimate = self._estimate(series)
        if estimate is None:
            return None
        change, error, degrees = estimate
        half = student_t_quantile(degrees) * error
        return Interval(math.exp(change), math.exp(change - half), math.exp(change + half))

    def p_slower(self, series: str | None, tolerance: float) -> float:
        """The p-value of "head is not slower" by Student's t with the moderated variance, times `looks`."""
        return self._p_above(series, 1)

    def p_faster(self, series: str | None, tolerance: float) -> float:
        """The p-value of "head is not faster", as `p_slower`."""
        return self._p_above(series, -1)

    @property
    def moved(self) -> float:
        """0: between two runs only ratios to the references are compared, so their own change does not matter."""
        return 0.0

    def detectable(self, series: str | None, level: float) -> float | None:
        """The change, as a ratio, that is found in half of such comparisons at that level; None if none can be."""
        estimate = self._estimate(series)
        if estimate is None:
            return None
        _, error, degrees = estimate
        log = student_t_quantile(degrees, 1 - 2 * level / self.looks) * error
        return math.exp(log) if log < _MOST_LOG else None  # latencies in a foreign file may differ that much

    def _p_above(self, series: str | None, sign: int) -> float:
        estimate = self._estimate(series)
        if estimate is None or sign * estimate[0] <= 0:
            return 1.0
        change, error, degrees = estimate
        return min(1.0, self.looks * student_t_two_sided(change / error if error else math.inf, degrees) / 2)

    def _estimate(self, series: str | None) -> tuple[float, float, float] | None:
        """The log of the change, its standard error, and the degrees of freedom of that."""
        spread = self.spread(series)
        if spread is None:
            return None
        base, head = self._logs(series)
        known = self.priors.get(series, NOTHING_KNOWN).moderate(spread, self.seconds)
        error = math.sqrt(known.variance * (1 / len(base) + 1 / len(head)))
        between = self.between_runs(series)
        if between is None:
            return self._change(series), error, known.degrees
        # Head is one more run. Its difference from the mean of k runs has 1 + 1/k times the variance between runs.
        apart = math.sqrt(between.variance * (1 + 1 / len(self.runs[series])))
        return self._change(series), max(apart, error), between.degrees

    def _logs(self, series: str | None) -> tuple[list[float], list[float]]:
        base, head = self._series(series)
        return [math.log(value) for value in base], [math.log(value) for value in head]


def paired(base: Summary, head: Summary, references: Mapping[str, tuple[Summary, Summary]], fresh: bool) -> Paired:
    """The pairs of a case, by round of head.

    Args:
        base, head: the case on either side.
        references: by name, the reference of the case's shape on either side, without the case itself.
        fresh: take the confirming rounds instead of the rounds before them.
    """
    own = _logs(base, head, fresh)
    beside = {name: _logs(*pair, fresh) for name, pair in references.items()}
    rounds = [number for number in own if all(number in logs for logs in beside.values())]
    raw = tuple(own[number] for number in rounds)
    moved = {name: tuple(logs[number] for number in rounds) for name, logs in beside.items()}
    return Paired(
        raw=raw,
        drifts={name: math.exp(statistics.median(logs)) for name, logs in moved.items() if logs},
    )


def unpaired(
    base: Summary,
    head: Summary,
    references: Mapping[str, tuple[Summary, Summary]],
    fresh: bool,
    further: Mapping[int, Mapping[Case, Summary]] = MappingProxyType({}),
) -> Unpaired:
    """Return the processes of a case on both sides. Only head has confirming rounds.

    The base was timed. The prior and the number of looks are those of the comparison (`moderated`).

    Args:
        base, head, references, fresh: as in `paired`.
        further: more runs of the same code as base, by number from 1, each by case.
    """
    assert base.latency is not None
    head_rounds, base_rounds = _rounds(head, fresh), _rounds(base, False)
    beside = {name: (_rounds(b, False), _rounds(h, fresh)) for name, (b, h) in references.items()}
    runs = _runs(base, {name: pair[0] for name, pair in references.items()}, further)
    against = {
        name: (_ratios(base_rounds, base_side), _ratios(head_rounds, head_side))
        for name, (base_side, head_side) in beside.items()
    }
    return Unpaired(
        raw=(tuple(base_rounds.values()), tuple(head_rounds.values())),
        against={name: sides for name, sides in against.items() if all(sides)},
        seconds=math.exp(statistics.fmean(runs[None].values())) if None in runs else base.latency.value,
        runs=runs,
    )


def _runs(
    base: Summary, references: Mapping[str, Summary], further: Mapping[int, Mapping[Case, Summary]]
) -> dict[str | None, dict[int, float]]:
    """Return the mean logarithm of a case in each run of base, by series; only series that all runs have."""
    names: list[tuple[str | None, Summary | None]] = [(None, None), *references.items()]
    first = {summary.case: summary for summary in (base, *references.values())}
    found: dict[str | None, dict[int, float]] = {}
    for name, reference in names if further else ():
        beside = reference.case if reference else None
        means = {number: _mean(run, base.case, beside) for number, run in ({0: first} | dict(further)).items()}
        known = {number: mean for number, mean in means.items() if mean is not None}
        if len(known) == len(means):
            found[name] = known
    return found


def _mean(run: Mapping[Case, Summary], case: Case, reference: Case | None) -> float | None:
    """The mean logarithm of a case's seconds in a run, or of its ratios to a reference; None where there are none."""
    own = _rounds(run[case], False) if case in run else {}
    if reference is None:
        values = tuple(own.values())
    else:
        values = _ratios(own, _rounds(run[reference], False)) if reference in run else ()
    return statistics.fmean(map(math.log, values)) if values else None


def moderated(changes: Sequence[Unpaired], looks: int) -> list[Unpaired]:
    """Return the changes of one comparison, each told what all of them say of the variance in each series."""
    priors: dict[str | None, Prior] = {}
    between: dict[str | None, BetweenRuns] = {}
    for series in {None, *(name for change in changes for name in change.series)}:
        beside = [change for change in changes if series in (None, *change.series)]
        priors[series] = _prior((one.spread(series), one.seconds) for one in beside)
        between[series] = _between_runs([(one.runs[series], one.seconds) for one in beside if series in one.runs])
    return [replace(change, priors=priors, between=between, looks=looks) for change in changes]


def _between_runs(found: Sequence[tuple[Mapping[int, float], float]]) -> BetweenRuns:
    """Return what the runs of base have in common, from each case's mean logarithm in its runs and its seconds."""
    if len(found) < LEAST_CASES:
        return BetweenRuns()
    known = BetweenRuns(levels([runs for runs, _ in found]))
    return replace(known, own=fit_prior([known.apart(runs) for runs, _ in found], [seconds for _, seconds in found]))


def _prior(found: Iterable[tuple[Spread | None, float]]) -> Prior:
    known = [(spread, seconds) for spread, seconds in found if spread is not None]
    return fit_prior([spread for spread, _ in known], [seconds for _, seconds in known])


def _rounds(summary: Summary, fresh: bool) -> Medians:
    return {number: median for number, median in sorted(summary.medians.items()) if (number > CONFIRMING) == fresh}


def _logs(base: Summary, head: Summary, fresh: bool) -> dict[int, float]:
    """Return log(head / base) by head's round.

    For processes that took turns it is the median over the turns of the log ratio of the two medians of a turn, so a
    disturbance in one turn affects that turn only.
    """
    base_rounds = {result.round: result for result in base.rounds}
    head_rounds = {result.round: result for result in head.rounds}
    logs = {}
    for number, median in _rounds(head, fresh).items():
        details = head_rounds[number].details
        pair = number if details.pair is None else details.pair
        if "pair" in details.extra or pair not in base.medians:  # in `extra` it is not a number, and names no round
            continue
        blocks = list(zip(_turns(base_rounds[pair]), _turns(head_rounds[number]), strict=False))
        logs[number] = statistics.median(math.log(h / b) for b, h in blocks or [(base.medians[pair], median)])
    return logs


def _turns(result: Result) -> list[float]:
    """Return the median of each turn in seconds; an empty list for a process that ran by itself."""
    latency = result.measurement("latency")
    if latency is None:
        return []
    counts = result.details.turns or ()
    if not all(count > 0 for count in counts) or sum(counts) != len(latency.samples):
        return []
    ends = list(itertools.accumulate(counts, initial=0))
    return [statistics.median(latency.samples[a:b]) for a, b in itertools.pairwise(ends)]


def _ratios(case: Medians, reference: Medians) -> tuple[float, ...]:
    return tuple(median / reference[number] for number, median in case.items() if number in reference)
