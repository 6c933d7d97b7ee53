"""The speed-up of one method over the reference of its shape; None where the two cannot be compared.

A speed-up alone has an interval. Whether it is marked as faster or slower depends on how many speed-ups a reader sees
beside it, so marks are set for all of a run together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from dctbench.analysis.reference import REFERENCE
from dctbench.analysis.summary import Summary
from dctbench.model import Case
from dctbench.stats.multiple import benjamini_hochberg

FALSE_MARKS = 0.05
"""The expected share of false marks among those of a table."""


class Winner(Enum):
    """Which side of a comparison is faster."""

    FASTER = "faster"
    SLOWER = "slower"
    TIE = "tie"


@dataclass(frozen=True, slots=True)
class Speedup:
    """The ratio t_reference / t_method at one shape: above 1 the method is faster.

    It is the geometric mean over the rounds that both have. `low` and `high` are its 95% interval, and `p` is the
    two-sided p-value of "no difference"; None for a single round. `mark` is what a table shows; None for a single round
    and where no marks were set.
    """

    ratio: float
    low: float | None
    high: float | None
    p: float | None = None
    mark: Winner | None = None

    @property
    def leaning(self) -> Winner:
        """The side that took less time, whether or not that is proven."""
        return Winner.FASTER if self.ratio > 1 else Winner.SLOWER if self.ratio < 1 else Winner.TIE


def compare(method: Summary, reference: Summary | None) -> Speedup | None:
    """Return the speed-up of a method over a reference, without a mark.

    None where either was not timed, or where they differ in shape or machine. The interval is on the ratios paired by
    round, since two separate intervals that overlap would prove nothing. A single round has no interval: it tells
    nothing of the spread between processes.
    """
    if reference is None or method.timed is None or reference.timed is None:
        return None
    if method.case.shape != reference.case.shape or method.fingerprint != reference.fingerprint:
        return None
    common = sorted(method.medians.keys() & reference.medians.keys())
    logs = [math.log(reference.medians[number] / method.medians[number]) for number in common]
    if len(logs) >= 2 and method.case != reference.case:
        apart = method.apart_from_rounds, reference.apart_from_rounds
        step = max(method.clock_step, reference.clock_step)
        estimate = method.between.of_ratios(logs, method.timed.value, apart, step)
        paired = estimate.interval()
        return Speedup(paired.value, paired.low, paired.high, estimate.p_value())
    return Speedup(reference.timed.value / method.timed.value, None, None)


def speedups(summaries: Iterable[Summary], reference: str | None) -> dict[Case, Speedup]:
    """Return the speed-up over the reference of every case that can be compared, with marks for all of them together.

    Args:
        summaries: of one run. The reference itself has a ratio of 1 and no mark.
        reference: name of the implementation; None for no ratios.
    """
    summaries = list(summaries)
    beside = {} if reference is None else reference_by_shape(summaries, reference)
    known = {s.case: speedup for s in summaries if (speedup := compare(s, beside.get(s.case.shape)))}
    return dict(zip(known, with_marks(known.values()), strict=True))


def with_marks(found: Iterable[Speedup]) -> list[Speedup]:
    """Return the speed-ups of one table with their marks.

    Of the marks for faster and slower, at most FALSE_MARKS are false in expectation (Benjamini and Hochberg).
    """
    found = list(found)
    held = iter(benjamini_hochberg([one.p for one in found if one.p is not None], FALSE_MARKS))
    return [one if one.p is None else replace(one, mark=one.leaning if next(held) else Winner.TIE) for one in found]


def reference_by_shape(summaries: Iterable[Summary], name: str = REFERENCE) -> Mapping[tuple[object, ...], Summary]:
    """The reference's summary by shape."""
    return {s.case.shape: s for s in summaries if s.case.implementation == name}
