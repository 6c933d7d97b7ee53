"""Moderated variances: what the other cases of a run say about how much the processes of one case differ.

Three processes of one case estimate their variance badly, but a run has tens of cases. By the hierarchical model of
Smyth (Stat. Appl. Genet. Mol. Biol. 3, 2004) the true variances are scattered around a common one, s0^2, as if each
had been estimated with d0 degrees of freedom before the case was measured. The variance of a case with s^2 on d degrees
of freedom then becomes (d0 s0^2 + d s^2) / (d0 + d), on d0 + d degrees of freedom.

Here s0^2 depends on the latency: short calls differ more between processes. How this holds under other noise than the
model's is simulated by benchmarks/coverage.py.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dctbench.stats.distributions import digamma, f_upper_quantile, inverse_trigamma, trigamma
from dctbench.stats.robust import SIGMA_PER_MAD

LEAST_CASES = 10
"""With fewer cases a common variance is not known well enough to help."""
MOST_PRIOR_DEGREES = 4.0
"""The cap of d0. The model's own estimate trusts the other cases more than real noise, which has outliers, allows."""
WILD = 0.01
"""A case keeps its own variance if one as large has a smaller probability than this under the model."""
_LEAST_RESIDUAL, _MOST_RESIDUAL = -4.0, 2.0
"""Residuals of the trend are winsorised at these many robust standard deviations. Logarithms of variances have a long
tail below by themselves; what is far above is wild."""
_PASSES = 5
_ZERO = 1e-6
"""The least variance, as a share of the median one: equal values have no logarithm."""
_STEPS = 16
"""The steps of one degree of freedom."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A variance between processes or repetitions, with its degrees of freedom."""

    variance: float
    degrees: float

    def plus(self, other: Spread) -> Spread:
        """Return the variance of the sum of two independent parts.

        Its degrees of freedom are those of Satterthwaite's approximation (Biometrics Bull. 2, 1946).
        """
        total = self.variance + other.variance
        if not total:
            return Spread(0.0, self.degrees)
        degrees = total**2 / (self.variance**2 / self.degrees + other.variance**2 / other.degrees)
        # Rounded down, which widens the interval a little: quantiles are then computed for few different values.
        return Spread(total, math.floor(_STEPS * degrees) / _STEPS)


def spread_of(values: Sequence[float]) -> Spread:
    """Return the variance of at least two values. (That of `statistics` computes with fractions, which is slow.)"""
    mean, degrees = math.fsum(values) / len(values), len(values) - 1
    return Spread(math.fsum((value - mean) ** 2 for value in values) / degrees, degrees)


@dataclass(frozen=True, slots=True)
class Prior:
    """The variance that a case of some latency is expected to have.

    log s0^2 = intercept + slope * log(seconds), known as well as by `degrees` degrees of freedom; 0 means not at all.
    It is never above `most`, the largest variance that was seen.
    """

    intercept: float
    slope: float
    degrees: float
    most: float = math.inf

    def at(self, seconds: float) -> float:
        """Return s0^2 at a latency in seconds."""
        found = self.intercept + self.slope * math.log(seconds)
        return self.most if found >= math.log(self.most) else math.exp(found)

    def moderate(self, spread: Spread, seconds: float) -> Spread:
        """Return the moderated variance of a case of that latency in seconds.

        A case whose variance is far above the expected one keeps its own: its processes have another reason to differ.
        """
        if self.degrees <= 0:
            return spread
        expected = self.at(seconds)
        if spread.variance / expected > f_upper_quantile(WILD, spread.degrees, self.degrees):
            return spread
        degrees = self.degrees + spread.degrees
        return Spread((self.degrees * expected + spread.degrees * spread.variance) / degrees, degrees)


NOTHING_KNOWN = Prior(0.0, 0.0, 0.0)
"""The prior of too few cases: each keeps its own variance."""


def levels(cases: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return what the cases have in common in each round or run: the median of their differences from their own means.

    Args:
        cases: logarithms by the number of the round or run. A case need not have them all.
    """
    apart: dict[int, list[float]] = {}
    for logs in cases:
        mean = statistics.fmean(logs.values())
        for number, log in logs.items():
            apart.setdefault(number, []).append(log - mean)
    return {number: statistics.median(found) for number, found in apart.items()}


def fit_prior(spreads: Sequence[Spread], seconds: Sequence[float]) -> Prior:
    """Return the prior of the variances of several cases, by moments of their logarithms.

    A trend in log latency is fitted to log s^2, corrected for its bias. Residuals are winsorised, so that a few wild
    cases do not move it. How much they vary beyond the sampling of s^2 gives d0.

    Args:
        spreads: of each case, with at least one degree of freedom.
        seconds: latency of each case.
    """
    if len(spreads) < LEAST_CASES:
        return NOTHING_KNOWN
    middle = statistics.median(spread.variance for spread in spreads)
    if middle <= 0:
        return NOTHING_KNOWN
    halves = [spread.degrees / 2 for spread in spreads]
    logs = [
        math.log(max(spread.variance, _ZERO * middle)) - digamma(half) + math.log(half)
        for spread, half in zip(spreads, halves, strict=True)
    ]
    intercept, slope, residuals = _winsorised_line([math.log(second) for second in seconds], logs)
    beyond = statistics.fmean(r * r for r in residuals) * len(logs) / (len(logs) - 2)
    beyond -= statistics.fmean(map(trigamma, halves))
    degrees = MOST_PRIOR_DEGREES if beyond <= 0 else min(MOST_PRIOR_DEGREES, 2 * inverse_trigamma(beyond))
    most = max(spread.variance for spread in spreads)
    return Prior(intercept + digamma(degrees / 2) - math.log(degrees / 2), slope, degrees, most)


def _winsorised_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, list[float]]:
    """Return intercept, slope and winsorised residuals of a line through points of which a few may be far off."""
    used = list(y)
    residuals = [0.0] * len(x)
    intercept = slope = 0.0
    for _ in range(_PASSES):
        intercept, slope = _line(x, used)
        fitted = [intercept + slope * one for one in x]
        away = [two - one for one, two in zip(fitted, y, strict=True)]
        scale = SIGMA_PER_MAD * statistics.median(map(abs, away))
        residuals = [max(_LEAST_RESIDUAL * scale, min(_MOST_RESIDUAL * scale, one)) for one in away]
        used = [one + residual for one, residual in zip(fitted, residuals, strict=True)]
    return intercept, slope, residuals


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return intercept and slope by least squares; a slope of 0 where all x are equal."""
    if min(x) == max(x):
        return statistics.fmean(y), 0.0
    fit = statistics.linear_regression(x, y)
    return fit.intercept, fit.slope
