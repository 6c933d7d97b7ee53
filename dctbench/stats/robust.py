"""The robust statistics behind every figure of dctbench.

They are plain Python, because the command line needs them without importing NumPy and a case has tens or hundreds of
samples, not millions.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from dctbench.stats.distributions import student_t_quantile

P99_SAMPLES = math.ceil(math.log(0.05) / math.log(0.99))
"""The fewest samples whose maximum is a 95% upper bound of the 99th percentile: 299."""
SIGMA_PER_MAD = 1.4826
"""The standard deviation of a normal distribution in units of its median absolute deviation."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its 95% confidence interval, all in the value's unit."""

    value: float
    low: float
    high: float

    @property
    def relative_half_width(self) -> float:
        """Half the width of the interval as a share of the value: 0.02 means ±2%."""
        return (self.high - self.low) / 2 / self.value if self.value else math.inf

    @property
    def factor(self) -> float:
        """How far the ends lie from the middle of the interval on a logarithmic axis: 1.02 is a factor of 1.02."""
        return math.sqrt(self.high / self.low) if self.low > 0 else math.inf


def quantile(samples: Sequence[float], q: float) -> float:
    """Return the q-quantile by linear interpolation between order statistics (Hyndman and Fan's type 7).

    Raises:
        ValueError: for no samples or q outside [0, 1].
    """
    if not samples or not 0 <= q <= 1:
        raise ValueError(f"a quantile needs samples and 0 <= q <= 1; got {len(samples)} samples and q = {q}")
    ordered = sorted(samples)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median_absolute_deviation(samples: Sequence[float]) -> float:
    """Return the median absolute distance from the median, unscaled."""
    middle = statistics.median(samples)
    return statistics.median(abs(sample - middle) for sample in samples)


def outliers(samples: Sequence[float], threshold: float = 5.0) -> list[int]:
    """Return the positions of samples more than `threshold` scaled MADs above the median."""
    middle = statistics.median(samples)
    spread = SIGMA_PER_MAD * median_absolute_deviation(samples)
    return [i for i, sample in enumerate(samples) if sample - middle > threshold * spread] if spread else []


def trend(groups: Sequence[Sequence[float]]) -> float:
    """Return how significantly values rise (above 0) or fall with their position in their group, as a z-score.

    This is Spearman's test, stratified: the sum over the groups of the covariance of position and rank, divided by its
    standard deviation when every order within a group is equally likely. For one group it is Spearman's rho times
    sqrt(count - 1). Equal values share the mean of their ranks. The result is 0 if no group has two different values.
    """
    total = variance = 0.0
    for values in groups:
        ranks = mean_ranks(values)
        centre = (len(values) - 1) / 2
        total += math.fsum((i - centre) * (rank - centre) for i, rank in enumerate(ranks))
        if len(values) > 1:
            places = len(values) * (len(values) ** 2 - 1) / 12  # sum of (i - centre)^2
            variance += places * math.fsum((rank - centre) ** 2 for rank in ranks) / (len(values) - 1)
    return total / math.sqrt(variance) if variance else 0.0


def mean_ranks(values: Sequence[float]) -> list[float]:
    """Return the zero-based rank of each value; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2
        start = end + 1
    return ranks


@lru_cache(maxsize=4096)
def median_ranks(count: int, confidence: float = 0.95) -> tuple[int, int]:
    """Return zero-based ranks of the two order statistics that bound the median with at least `confidence`.

    The number of samples below the median is Binomial(count, 1/2) for any distribution, so the interval assumes only
    independence (Conover, Practical Nonparametric Statistics, section 3.2). With fewer than six samples no pair of
    ranks reaches 95%, and the first and the last one are returned.
    """
    tail = (1 - confidence) / 2
    log_half = -count * math.log(2)
    cumulative, rank = 0.0, 0
    for k in range(count // 2 + 1):
        cumulative += math.exp(
            math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) + log_half
        )  # P(exactly k samples lie below the median)
        if cumulative > tail:
            break
        rank = k + 1
    low = max(rank - 1, 0)
    return low, count - 1 - low


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the median with its distribution-free interval from order statistics.

    Raises:
        ValueError: for no samples.
    """
    if not samples:
        raise ValueError("a median needs at least one sample")
    ordered = sorted(samples)
    low, high = median_ranks(len(ordered), confidence)
    return Interval(statistics.median(ordered), ordered[low], ordered[high])


def log_mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the geometric mean of positive values with Student's t interval on their logarithms.

    Each value must come from a process of its own, such as the median of a round or a ratio paired by round: samples of
    one process say nothing about the differences between processes. Two values give an interval, though a wide one.

    Raises:
        ValueError: for fewer than two values, or one that is not positive.
    """
    if len(values) < 2 or min(values) <= 0:
        raise ValueError("an interval between processes needs at least two positive values")
    logs = [math.log(value) for value in values]
    mean = statistics.fmean(logs)
    half = student_t_quantile(len(logs) - 1, confidence) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Interval(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def quantile_upper_bound(samples: Sequence[float], q: float, confidence: float = 0.95) -> float | None:
    """Return the smallest sample that bounds the q-quantile from above with that confidence; None if none does.

    The number of samples below the quantile is Binomial(count, q) for any distribution. For p99 the maximum is a 95%
    bound from 299 samples on.
    """
    rank = upper_rank(len(samples), q, confidence)
    return None if rank is None else sorted(samples)[rank]


@lru_cache(maxsize=4096)
def upper_rank(count: int, q: float, confidence: float) -> int | None:
    """Return the zero-based rank of the order statistic that bounds the q-quantile from above, or None."""
    cumulative = 0.0
    for rank in range(count):
        cumulative += math.exp(
            math.lgamma(count + 1)
            - math.lgamma(rank + 1)
            - math.lgamma(count - rank + 1)
            + rank * math.log(q)
            + (count - rank) * math.log1p(-q)
        )
        if cumulative >= confidence:
            return rank
    return None
