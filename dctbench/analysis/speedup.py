"""The speed-up of one method over the reference of its shape; None where the two cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from dctbench.analysis.reference import REFERENCE
from dctbench.analysis.summary import Summary


class Winner(Enum):
    """Which side of a comparison is faster."""

    FASTER = "faster"
    SLOWER = "slower"
    TIE = "tie"


@dataclass(frozen=True, slots=True)
class Speedup:
    """The ratio t_reference / t_method at one shape: above 1 the method is faster.

    It is the geometric mean over the rounds that both have. `low` and `high` are its 95% interval, and `p` is the
    two-sided p-value of "no difference"; None for a single round.
    """

    ratio: float
    low: float | None
    high: float | None
    winner: Winner
    p: float | None = None


def compare(method: Summary, reference: Summary | None) -> Speedup | None:
    """Return the speed-up of a method over a reference.

    None where either was not timed, or where they differ in shape or machine. The interval is on the ratios paired by
    round, since two separate intervals that overlap would prove nothing. A ratio whose interval holds 1 is a tie, and
    so is that of a single round, which tells nothing of the spread between processes.
    """
    if reference is None or method.timed is None or reference.timed is None:
        return None
    if method.case.shape != reference.case.shape or method.fingerprint != reference.fingerprint:
        return None
    common = sorted(method.medians.keys() & reference.medians.keys())
    logs = [math.log(reference.medians[number] / method.medians[number]) for number in common]
    if len(logs) >= 2 and method.case != reference.case:
        estimate = method.between.of_ratios(logs, method.timed.value)
        paired = estimate.interval()
        return Speedup(paired.value, paired.low, paired.high, _winner_of(paired.low, paired.high), estimate.p_value())
    return Speedup(reference.timed.value / method.timed.value, None, None, Winner.TIE)


def _winner_of(low: float, high: float) -> Winner:
    """Return the faster side by an interval on the speed-up; a tie if the interval holds 1."""
    return Winner.FASTER if low > 1 else Winner.SLOWER if high < 1 else Winner.TIE


def reference_by_shape(summaries: Iterable[Summary], name: str = REFERENCE) -> dict[tuple[object, ...], Summary]:
    """The reference's summary by shape."""
    return {s.case.shape: s for s in summaries if s.case.implementation == name}
