"""How steady each case was, by its raw samples in the order in which they were taken.

A sample is compared with the others of its process, and a process with the other processes of its case. No sample is
dropped: an unsteady case is reported with the figure that shows it.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from dctbench.analysis.summary import Summary
from dctbench.stats.modes import TwoModes
from dctbench.stats.robust import SIGMA_PER_MAD, outliers, trend

WIDE = 1.1
"""A latency that is not known to this factor, by its 95% interval, is too uncertain for a close comparison."""
DRIFTED = 0.05
"""A change within the processes of a case that is reported, as a share."""
SURE = 2.576
"""Standard deviations that a trend must reach: chance alone does so in 1% of steady cases."""
MANY_OUTLIERS = 0.10
"""A share of outliers above which the case probably has two speeds."""
LEAST_IN_THIRDS = 4


class Instability(Enum):
    """What makes a case unsteady."""

    WIDE = "wide"
    DRIFT = "drift"
    OUTLIERS = "outliers"
    TWO_MODES = "two modes"
    DISTURBED = "disturbed"


@dataclass(frozen=True, slots=True)
class Stability:
    """How steady one case was.

    Attributes:
        summary: of the case, which was timed.
        within: standard deviation of the samples around the median of their process as a share of it, by the MAD.
        between: standard deviation of the logarithms of the processes' medians, 0.02 = 2%; None for one process.
        drift: how much slower the last third of each process was than its first, 0.1 = 10%; None for too few samples.
        trend: of the samples with their order in their process, in standard deviations of chance (`stats.trend`); None
            where the drift is too small to ask.
        flagged: positions in `summary.samples` of outliers of their process (`stats.outliers`).
        modes: the two speeds between which its processes differ; None where they do not fall into two.
        retaken: seconds of samples that were disturbed and taken again, which enter no statistic.
        troubles: what makes the case unsteady; none for a steady one.
    """

    summary: Summary
    within: float
    between: float | None
    drift: float | None
    trend: float | None
    flagged: tuple[int, ...]
    modes: TwoModes | None
    retaken: tuple[float, ...]
    troubles: tuple[Instability, ...]


def stability(summary: Summary) -> Stability | None:
    """How steady a case was; None for one that was not timed, or failed in a process."""
    processes = samples_by_round(summary)
    if summary.timed is None or not processes:
        return None
    middles = [statistics.median(samples) for samples in processes.values()]
    relative = [[s / m for s in samples] for samples, m in zip(processes.values(), middles, strict=True)]
    flagged, start = [], 0
    for samples in processes.values():
        flagged += [start + place for place in outliers(samples)]
        start += len(samples)
    drift = _drift(relative)
    sureness = trend(relative) if drift is not None and abs(drift) > DRIFTED else None
    found = {
        Instability.WIDE: summary.timed.factor > WIDE or len(summary.samples) == 1,
        Instability.DRIFT: drift is not None and sureness is not None and sureness * math.copysign(1, drift) > SURE,
        Instability.OUTLIERS: len(flagged) > MANY_OUTLIERS * start,
        Instability.TWO_MODES: summary.modes is not None,
        Instability.DISTURBED: any(result.details.noisy is not None for result in summary.rounds),
    }
    return Stability(
        summary=summary,
        within=SIGMA_PER_MAD * statistics.median(abs(one - 1) for samples in relative for one in samples),
        between=statistics.stdev(map(math.log, middles)) if len(middles) > 1 else None,
        drift=drift,
        trend=sureness,
        flagged=tuple(flagged),
        modes=summary.modes,
        retaken=tuple(second for result in summary.rounds for second in result.details.retaken or ()),
        troubles=tuple(trouble for trouble, there in found.items() if there),
    )


def samples_by_round(summary: Summary) -> dict[int, Sequence[float]]:
    """Seconds per call in the order taken, by round; only rounds that were timed."""
    taken = ((result.round, result.measurement("latency")) for result in summary.rounds)
    return {number: latency.samples for number, latency in taken if latency is not None and latency.samples}


def _drift(relative: Sequence[Sequence[float]]) -> float | None:
    """The medians of the first and of the last thirds of all processes, each relative to its process, compared."""
    first = [one for samples in relative for one in samples[: len(samples) // 3]]
    last = [one for samples in relative for one in samples[len(samples) - len(samples) // 3 :]]
    if len(first) < LEAST_IN_THIRDS:
        return None
    return statistics.median(last) / statistics.median(first) - 1


def by_luck(found: Stability) -> float:
    """Return how far the processes' medians would differ from the spread of their samples alone; compare `between`.

    The standard error of a median of m normal values is sqrt(pi / 2m) of their standard deviation.
    """
    counts = [len(samples) for samples in samples_by_round(found.summary).values()]
    return found.within * math.sqrt(math.pi / 2 / statistics.median(counts))


def round_levels(summaries: Iterable[Summary]) -> dict[int, float]:
    """Return by round the median over the cases of the round's median over the case's latency: 1.1 is 10% slower.

    A round that is slower for all cases alike points to the machine: a slower clock, or another process. Only cases
    that were timed in several rounds count.
    """
    levels: dict[int, list[float]] = {}
    for summary in summaries:
        if len(summary.medians) > 1 and summary.timed is not None:
            for number, median in summary.medians.items():
                levels.setdefault(number, []).append(median / summary.timed.value)
    return {number: statistics.median(found) for number, found in sorted(levels.items())}


def stop_reasons(summaries: Iterable[Summary]) -> Counter[str]:
    """Why sampling ended, over all processes that were timed."""
    reasons = (result.details.stop_reason for summary in summaries for result in summary.rounds)
    return Counter(reason for reason in reasons if reason)


def common_shape(summaries: Iterable[Summary]) -> tuple[object, ...] | None:
    """Return the shape at which most cases were timed, the longest of several; None if nothing was timed."""
    timed: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        if summary.timed is not None:
            timed.setdefault(summary.case.shape, []).append(summary)
    return max(timed, key=lambda shape: (len(timed[shape]), timed[shape][0].case.seq_len), default=None)
