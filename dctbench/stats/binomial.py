"""Exact bounds of a proportion that was counted (Clopper and Pearson, Biometrika 26, 1934)."""

from __future__ import annotations

import math
from collections.abc import Callable

from dctbench.stats.distributions import incomplete_beta


def upper_bound(count: int, total: int, confidence: float = 0.95) -> float:
    """Return the largest proportion p at which P(X <= count) of Binomial(total, p) is not below 1 - confidence.

    The bound is one-sided. With no count at all it is 1 - (1 - confidence)^(1 / total), roughly 3 / total at 95%.

    Raises:
        ValueError: for a count outside 0 to `total`, or a total of 0.
    """
    if not 0 <= count <= total or total < 1:
        raise ValueError(f"{count} of {total} is no proportion")
    if count == total:
        return 1.0
    # P(X <= count) at p is I_(1 - p)(total - count, count + 1), which falls with p.
    return _crossing(lambda p: incomplete_beta(1 - p, total - count, count + 1) - (1 - confidence))


def lower_bound(count: int, total: int, confidence: float = 0.95) -> float:
    """Return the smallest proportion p at which P(X >= count) of Binomial(total, p) is not below 1 - confidence.

    Raises:
        ValueError: for a count outside 0 to `total`, or a total of 0.
    """
    return 1 - upper_bound(total - count, total, confidence)


def trials_for(rate: float, confidence: float = 0.95) -> int:
    """Return the fewest trials without a single count that bound a rate above 0 from above.

    Raises:
        ValueError: for a rate outside 0 to 1, both excluded.
    """
    if not 0 < rate < 1:
        raise ValueError(f"no number of trials bounds a rate by {rate}")
    return math.ceil(math.log1p(-confidence) / math.log1p(-rate))


def _crossing(falling: Callable[[float], float]) -> float:
    """Return where a falling function of a proportion is 0, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high
