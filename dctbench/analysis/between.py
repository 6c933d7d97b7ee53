"""How much the processes of one case differ in a run, as all its cases together show it.

A case has few processes. What the other cases show narrows its interval (`stats.moderated`). The latencies of a round
also have a component in common: the machine was faster or slower then. It cancels in ratios paired by round. More cases
do not make it better known.

A clock has steps, so that processes may take equal times by chance. The `step` of a latency, as a share of it, is the
least that its processes are taken to differ by.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from dctbench.analysis.reference import default_reference
from dctbench.model import Case
from dctbench.stats.distributions import student_t_quantile, student_t_two_sided
from dctbench.stats.moderated import LEAST_CASES, NOTHING_KNOWN, Prior, Spread, fit_prior, levels, spread_of
from dctbench.stats.robust import Interval

CLOCK_STEPS: Mapping[str, float] = MappingProxyType({"cuda": 5e-7})
"""Seconds that two times of a device differ by, if they differ: CUDA promises half a microsecond for its events."""
CLOCK_STEP = 1e-7
"""The same of every other device: that of `perf_counter` on Windows. On Linux and macOS it is less."""
Medians = Mapping[int, float]
"""Median seconds by round."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of logarithms, its standard error, and the degrees of freedom of that."""

    mean: float
    error: float
    degrees: float

    def on_logarithms(self) -> Interval:
        """The mean of the logarithms with its 95% interval by Student's t."""
        half = student_t_quantile(self.degrees) * self.error
        return Interval(self.mean, self.mean - half, self.mean + half)

    def interval(self) -> Interval:
        """The geometric mean with its 95% interval."""
        found = self.on_logarithms()
        return Interval(math.exp(found.value), math.exp(found.low), math.exp(found.high))

    def is_above_one(self, level: float) -> bool:
        """Whether the geometric mean is proven to be above 1 by a one-sided test at that level."""
        return self.mean > student_t_quantile(self.degrees, 1 - 2 * level) * self.error

    def p_value(self) -> float:
        """The two-sided p-value of "the geometric mean is 1"."""
        return student_t_two_sided(self.mean / self.error, self.degrees)


@dataclass(frozen=True, slots=True)
class Between:
    """What a run shows of the differences between processes.

    Attributes:
        ratio: the variance of log ratios paired by round, by latency.
        own: the variance of log latencies apart from what a round has in common.
        level: log of how much slower than usual each round was; empty where too few cases show it.
    """

    ratio: Prior = NOTHING_KNOWN
    own: Prior = NOTHING_KNOWN
    level: Mapping[int, float] | None = None

    def of_ratios(
        self, logs: Sequence[float], seconds: float, apart: tuple[Spread | None, Spread | None], step: float
    ) -> Estimate:
        """Return the mean of at least two log ratios paired by round.

        Args:
            logs: of the ratios.
            seconds: latency of the case.
            apart: `apart_from_rounds` of both cases. Where too few ratios of the run show how they vary, their variance
                is the sum of these two, on the degrees of freedom of one: most of these both have from the same cases.
            step: the larger one of both latencies.
        """
        known = self.ratio.moderate(spread_of(logs), seconds)
        one, other = apart
        if not self.ratio.degrees and one is not None and other is not None:
            known = Spread(one.variance + other.variance, min(one.degrees, other.degrees))
        return _estimate(logs, known, step)

    def apart_from_rounds(self, medians: Medians) -> Spread | None:
        """Return the moderated variance of log latencies apart from what the rounds have in common; None if unknown."""
        if not self.level or len(medians) < 2 or not medians.keys() <= self.level.keys():
            return None
        logs = {number: math.log(median) for number, median in medians.items()}
        beside = spread_of([log - self.level[number] for number, log in logs.items()])
        return self.own.moderate(beside, math.exp(statistics.fmean(logs.values())))

    def of_latencies(self, medians: Medians, step: float) -> Estimate:
        """Return the mean of the log latencies of at least two processes.

        Its variance is that of the case and that of the rounds, whose degrees of freedom are the rounds less one.
        """
        logs = [math.log(median) for median in medians.values()]
        own = self.apart_from_rounds(medians)
        if own is None or self.level is None:
            spread = spread_of(logs)
        else:
            spread = own.plus(spread_of([self.level[number] for number in medians]))
        return _estimate(logs, spread, step)


def _estimate(logs: Sequence[float], spread: Spread, step: float) -> Estimate:
    variance = max(spread.variance, step * step)
    return Estimate(statistics.fmean(logs), math.sqrt(variance / len(logs)), spread.degrees)


def between_processes(medians: Mapping[Case, Medians]) -> Between:
    """Return what the cases of a run show of the differences between processes."""
    timed = {case: rounds for case, rounds in medians.items() if len(rounds) > 1}
    if len(timed) < LEAST_CASES:
        return Between()
    level = levels([{number: math.log(seconds) for number, seconds in rounds.items()} for rounds in timed.values()])
    seconds = {case: math.exp(statistics.fmean(map(math.log, rounds.values()))) for case, rounds in timed.items()}
    own = {case: spread_of([math.log(t) - level[n] for n, t in rounds.items()]) for case, rounds in timed.items()}
    ratios = _log_ratios(timed)
    return Between(
        ratio=fit_prior([spread_of(logs) for logs in ratios.values()], [seconds[case] for case in ratios]),
        own=fit_prior(list(own.values()), list(seconds.values())),
        level=level,
    )


def _log_ratios(timed: Mapping[Case, Medians]) -> dict[Case, list[float]]:
    """Return the log ratios to the reference of the shape, paired by round; only cases with at least two."""
    name = default_reference(timed)
    references = {case.shape: rounds for case, rounds in timed.items() if case.implementation == name}
    found = {}
    for case, rounds in timed.items():
        beside = references.get(case.shape, {})
        logs = [math.log(beside[number] / seconds) for number, seconds in rounds.items() if number in beside]
        if case.implementation != name and len(logs) > 1:
            found[case] = logs
    return found
