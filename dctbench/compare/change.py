"""The change of one case's latency from base to head, in two forms.

For pairs of processes that took turns it is the raw change. The turns cancel what the machine does, and dividing by a
reference would add the reference's own differences between processes. The references show whether the two environments
differ in more than the case. For processes of head against those of a stored run, which are hours apart, it is the
change of the ratio to the reference, which cancels how fast the machine was.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from dctbench.analysis import Summary
from dctbench.model import Result
from dctbench.stats.robust import Interval, log_mean_interval, student_t_quantile
from dctbench.stats.sequential import paired_p, rank_sum_p

CONFIRMING = 1000
"""Rounds above this number are confirming rounds: fresh processes, judged without the rounds before."""
LOOKS = 2
"""How often processes are tested against a stored run's: once at the fewest, once at the most."""

Medians = Mapping[int, float]
"""Median seconds by round."""


class Change(Protocol):
    """The interface of both forms. A `series` is None for the raw change, else the name of a reference."""

    @property
    def count(self) -> int:
        """Pairs, or processes of head."""

    def stored(self, series: str | None) -> int | None:
        """How many processes a stored base has, to which none can be added; None for pairs."""

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
        """The 95% interval of the change over the pairs; None for fewer than two."""
        drift = 1.0 if series is None else self.drifts[series]
        ratios = [math.exp(change) / drift for change in self.raw]
        return log_mean_interval(ratios) if len(ratios) >= 2 else None

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
class Unpaired:
    """Processes of head and processes of a stored run: seconds, or seconds per second of a reference."""

    raw: tuple[tuple[float, ...], tuple[float, ...]]
    against: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]
    drifts: Mapping[str, float]

    @property
    def count(self) -> int:
        """Processes of head."""
        return len(self.raw[1])

    def stored(self, series: str | None) -> int | None:
        """How many processes the stored base has."""
        return len(self._series(series)[0])

    @property
    def anytime(self) -> bool:
        """False: the p-values are corrected for LOOKS looks."""
        return False

    def _series(self, series: str | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.raw if series is None else self.against[series]

    @property
    def series(self) -> Collection[str]:
        """The references that share a process with the case on both sides."""
        return self.against.keys()

    def effect(self, series: str | None) -> float:
        """The ratio of the medians, head / base."""
        base, head = self._series(series)
        return statistics.median(head) / statistics.median(base)

    def interval(self, series: str | None) -> Interval | None:
        """Welch's 95% interval on the logarithms; None where a side has fewer than two processes."""
        base, head = ([math.log(value) for value in side] for side in self._series(series))
        if min(len(base), len(head)) < 2:
            return None
        parts = [statistics.variance(side) / len(side) for side in (base, head)]
        spread = sum(parts)
        freedom = 1.0
        if spread > 0:
            freedom = spread**2 / sum(p**2 / (len(side) - 1) for p, side in zip(parts, (base, head), strict=True))
        half = student_t_quantile(max(1, math.floor(freedom + 1e-9))) * math.sqrt(spread)
        middle = statistics.fmean(head) - statistics.fmean(base)
        effect = self.effect(series)
        return Interval(effect, min(effect, math.exp(middle - half)), max(effect, math.exp(middle + half)))

    def p_slower(self, series: str | None, tolerance: float) -> float:
        """The rank-sum p-value of "head is not slower", times LOOKS."""
        base, head = self._series(series)
        return min(1.0, LOOKS * rank_sum_p(base, head))

    def p_faster(self, series: str | None, tolerance: float) -> float:
        """The rank-sum p-value of "head is not faster", times LOOKS."""
        base, head = self._series(series)
        return min(1.0, LOOKS * rank_sum_p(head, base))

    @property
    def moved(self) -> float:
        """0: between two runs only ratios to the references are compared, so their own change does not matter."""
        return 0.0


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


def unpaired(base: Summary, head: Summary, references: Mapping[str, tuple[Summary, Summary]], fresh: bool) -> Unpaired:
    """Return the processes of a case on both sides. Arguments are as in `paired`; only head has confirming rounds."""
    head_rounds, base_rounds = _rounds(head, fresh), _rounds(base, False)
    beside = {name: (_rounds(b, False), _rounds(h, fresh)) for name, (b, h) in references.items()}
    against = {
        name: (_ratios(base_rounds, base_side), _ratios(head_rounds, head_side))
        for name, (base_side, head_side) in beside.items()
    }
    return Unpaired(
        raw=(tuple(base_rounds.values()), tuple(head_rounds.values())),
        against={name: sides for name, sides in against.items() if all(sides)},
        drifts={
            name: statistics.median(h.values()) / statistics.median(b.values())
            for name, (b, h) in beside.items()
            if b and h
        },
    )


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
