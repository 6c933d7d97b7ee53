"""One method against the reference of its shape: a comparison that cannot be made is None and stays None."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from dctbench.analysis.summary import Summary
from dctbench.model import Case
from dctbench.stats.robust import log_mean_interval

REFERENCE = "sdpa"
SINGLE_ROUND_BAND = 1.25
"""With one process per case nothing is known of the spread between processes. On a shared machine identical code
differed by up to this factor between two processes, so a smaller ratio is not called a difference."""


class Winner(Enum):
    """Which side of a comparison is faster."""

    FASTER = "faster"
    SLOWER = "slower"
    TIE = "tie"


@dataclass(frozen=True, slots=True)
class Speedup:
    """How many times faster than the reference of the same shape: t_reference / t_method, above 1 is faster.

    `low` and `high` bound the ratio, paired by round; None where a single round leaves them unknown.
    """

    ratio: float
    low: float | None
    high: float | None
    winner: Winner


def compare(method: Summary, reference: Summary | None) -> Speedup | None:
    """The speed-up of a method over a reference, or None where either was not timed or they are not comparable: of
    another shape, or on another machine.

    One interval on the ratios paired by round: two separate intervals that overlap would prove nothing. The interval
    decides; a ratio whose interval holds 1 is a tie.
    """
    if reference is None or method.timed is None or reference.timed is None:
        return None
    if method.case.shape != reference.case.shape or method.fingerprints != reference.fingerprints:
        return None
    common = sorted(method.medians.keys() & reference.medians.keys())
    ratios = [reference.medians[number] / method.medians[number] for number in common]
    if len(ratios) >= 2:
        paired = log_mean_interval(ratios)
        return Speedup(paired.value, paired.low, paired.high, _winner_of(paired.low, paired.high))
    ratio = reference.timed.value / method.timed.value
    return Speedup(ratio, None, None, _winner_of(ratio / SINGLE_ROUND_BAND, ratio * SINGLE_ROUND_BAND))


def _winner_of(low: float, high: float) -> Winner:
    """Who is faster by an interval on the speed-up: a tie as soon as it holds 1."""
    return Winner.FASTER if low > 1 else Winner.SLOWER if high < 1 else Winner.TIE


def reference_by_shape(summaries: Iterable[Summary], name: str = REFERENCE) -> dict[tuple[object, ...], Summary]:
    """The reference's summary by shape."""
    return {s.case.shape: s for s in summaries if s.case.implementation == name}


def default_reference(cases: Iterable[Case]) -> str | None:
    """What ratios are taken against: sdpa, else full attention, else nothing."""
    present = {case.implementation for case in cases}
    return next((name for name in (REFERENCE, "full") if name in present), None)
