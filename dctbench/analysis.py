"""What the results say, computed once, for every output: summaries, speed-ups, and who is fastest where.

Nothing here draws or prints. A comparison that cannot be made is None and stays None; a tie is a tie; a missing
reference is never a speed-up of infinity.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dctbench import catalog
from dctbench.model import Case, Result, Status
from dctbench.stats import Interval, log_mean_interval, median_interval, quantile, quantile_upper_bound

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
class Summary:
    """One case over its rounds.

    `latency` is the median of the rounds' medians in seconds with the interval between processes; of a single round,
    the median with its interval within that process. `values` are the other metrics, from the first round.
    """

    case: Case
    status: Status
    message: str | None
    latency: Interval | None
    samples: tuple[float, ...]
    values: Mapping[str, float]
    units: Mapping[str, str]
    warnings: tuple[str, ...]
    rounds: tuple[Result, ...]
    medians: Mapping[int, float]

    @property
    def memory(self) -> float | None:
        """What the method needs beside its input: peak tensor bytes of a call plus what it keeps."""
        tensor, state = self.values.get("memory.tensor"), self.values.get("memory.state")
        return None if tensor is None or state is None else tensor + state

    @property
    def p95(self) -> float | None:
        """The 95th percentile of the samples, in seconds; None under 20 samples."""
        return quantile(self.samples, 0.95) if len(self.samples) >= 20 else None

    @property
    def p99(self) -> Interval | None:
        """The 99th percentile in seconds, `high` its 95% upper bound; None under 299 samples, which bound nothing."""
        bound = quantile_upper_bound(self.samples, 0.99)
        if bound is None:
            return None
        value = quantile(self.samples, 0.99)
        return Interval(value, value, bound)

    @property
    def details(self) -> Mapping[str, Any]:
        """What ran, by the first round."""
        return self.rounds[0].details


@dataclass(frozen=True, slots=True)
class Speedup:
    """How many times faster than the reference of the same shape: t_reference / t_method, above 1 is faster.

    `low` and `high` bound the ratio, paired by round; None where a single round leaves them unknown.
    """

    ratio: float
    low: float | None
    high: float | None
    winner: Winner


@dataclass(frozen=True, slots=True)
class Standing:
    """One shape: its cases from fastest to slowest, and those that tie with the fastest."""

    shape: tuple[object, ...]
    ranked: tuple[Summary, ...]
    leaders: tuple[Summary, ...]
    reference: Summary | None

    @property
    def seq_len(self) -> int:
        """Length n of the shape."""
        return self.ranked[0].case.seq_len


def summarise(results: Iterable[Result]) -> list[Summary]:
    """One summary per case, in the order in which the cases first appear."""
    by_case: dict[Case, list[Result]] = {}
    for result in results:
        by_case.setdefault(result.case, []).append(result)
    return [_summary(case, sorted(rounds, key=lambda r: r.round)) for case, rounds in by_case.items()]


def _summary(case: Case, rounds: Sequence[Result]) -> Summary:
    worst = next((r for r in rounds if r.status != "ok"), rounds[0])
    samples: list[float] = []
    values: dict[str, float] = {}
    units: dict[str, str] = {}
    for result in rounds:
        for measurement in result.measurements:
            units[measurement.metric] = measurement.unit
            if measurement.metric == "latency":
                samples.extend(measurement.samples)
            else:
                values.setdefault(measurement.metric, measurement.samples[0])
    medians = {
        result.round: statistics.median(taken.samples)
        for result in rounds
        if result.status == "ok" and (taken := result.measurement("latency"))
    }
    return Summary(
        case=case,
        status=worst.status,
        message=worst.message,
        latency=_latency(list(medians.values()), samples),
        samples=tuple(samples),
        values=values,
        units=units,
        warnings=tuple(dict.fromkeys(text for result in rounds for text in result.warnings)),
        rounds=tuple(rounds),
        medians=medians,
    )


def _latency(medians: Sequence[float], samples: Sequence[float]) -> Interval | None:
    if len(medians) >= 2:
        return log_mean_interval(medians)
    return median_interval(samples) if samples else None


def arranged(summaries: Iterable[Summary], reference: str | None) -> list[Summary]:
    """The summaries as readers look for them: by length; there the reference first, then by method and ratio.

    Within a sweep methods run in a shuffled order, which is for measuring and not for reading.
    """
    known = {name: position for position, name in enumerate(catalog.IMPLEMENTATIONS)}

    def place(summary: Summary) -> tuple[object, ...]:
        case = summary.case
        method = (case.implementation != reference, known.get(case.implementation, len(known)), case.implementation)
        return (case.seq_len, *map(str, case.shape), *method, case.ratio or 0.0)

    return sorted(summaries, key=place)


def compare(method: Summary, reference: Summary | None) -> Speedup | None:
    """The speed-up of a method over a reference, or None where either has no latency or they are not comparable.

    One interval on the ratios paired by round: two separate intervals that overlap would prove nothing. The interval
    decides; a ratio whose interval holds 1 is a tie.
    """
    if reference is None or method.latency is None or reference.latency is None:
        return None
    if method.case.shape != reference.case.shape:
        return None
    common = sorted(method.medians.keys() & reference.medians.keys())
    ratios = [reference.medians[number] / method.medians[number] for number in common]
    if len(ratios) >= 2:
        paired = log_mean_interval(ratios)
        return Speedup(paired.value, paired.low, paired.high, _winner(paired.low, paired.high))
    ratio = reference.latency.value / method.latency.value
    return Speedup(ratio, None, None, _winner(ratio / SINGLE_ROUND_BAND, ratio * SINGLE_ROUND_BAND))


def _winner(low: float, high: float) -> Winner:
    return Winner.FASTER if low > 1 else Winner.SLOWER if high < 1 else Winner.TIE


def references(summaries: Iterable[Summary], name: str = REFERENCE) -> dict[tuple[object, ...], Summary]:
    """The reference's summary by shape."""
    return {s.case.shape: s for s in summaries if s.case.implementation == name}


def default_reference(cases: Iterable[Case]) -> str | None:
    """What ratios are taken against: sdpa, else full attention, else nothing."""
    present = {case.implementation for case in cases}
    return next((name for name in (REFERENCE, "full") if name in present), None)


def standings(summaries: Sequence[Summary], reference: str | None) -> list[Standing]:
    """Who is fastest at each shape, in order of length.

    Controls are left out: they are there to be compared with, and nobody ships them.

    Args:
        summaries: of any shapes.
        reference: name of the implementation that ratios are taken against.
    """
    left_out = {name for name, entry in catalog.IMPLEMENTATIONS.items() if entry.source == "control"}
    found = references(summaries, reference) if reference else {}
    by_shape: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        if summary.latency is not None and summary.status == "ok" and summary.case.implementation not in left_out:
            by_shape.setdefault(summary.case.shape, []).append(summary)
    result = []
    for shape, members in by_shape.items():
        ranked = tuple(sorted(members, key=lambda s: s.latency.value if s.latency else 0.0))
        leaders = tuple(s for s in ranked if s is ranked[0] or _ties(s, ranked[0]))
        result.append(Standing(shape, ranked, leaders, found.get(shape)))
    return sorted(result, key=lambda standing: (standing.seq_len, str(standing.shape)))


class Payoff(Enum):
    """At which of the measured lengths a method is faster than the reference."""

    ALWAYS = "always"
    NEVER = "never"
    FROM = "from"
    MIXED = "mixed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PayoffRange:
    """One method's speed-ups along the lengths where it and the reference were both measured.

    `bracket` holds, for FROM, the last length where it did not pay and the first from which it does: the crossing lies
    between, and nothing is claimed outside the measured lengths.
    """

    case: Case
    points: tuple[tuple[int, Speedup], ...]
    kind: Payoff
    bracket: tuple[int, int] | None


def payoffs(summaries: Iterable[Summary], reference: str) -> list[PayoffRange]:
    """For each method and ratio: from which length on it is faster than the reference, as far as was measured."""
    summaries = list(summaries)
    found = references(summaries, reference)
    rows: dict[tuple[object, ...], list[tuple[Summary, Speedup | None]]] = {}
    for summary in summaries:
        if summary.case.implementation != reference:
            rows.setdefault(summary.case.row, []).append((summary, compare(summary, found.get(summary.case.shape))))
    return [_payoff(sorted(members, key=lambda pair: pair[0].case.seq_len)) for members in rows.values()]


def _payoff(members: Sequence[tuple[Summary, Speedup | None]]) -> PayoffRange:
    case = members[0][0].case
    points = tuple((summary.case.seq_len, speedup) for summary, speedup in members if speedup is not None)
    wins = [speedup.winner is Winner.FASTER for _, speedup in points]
    if not points:
        return PayoffRange(case, points, Payoff.UNKNOWN, None)
    if all(wins):
        return PayoffRange(case, points, Payoff.ALWAYS, None)
    if not any(wins):
        return PayoffRange(case, points, Payoff.NEVER, None)
    first = wins.index(True)
    if all(wins[first:]):
        return PayoffRange(case, points, Payoff.FROM, (points[first - 1][0], points[first][0]))
    return PayoffRange(case, points, Payoff.MIXED, None)


def _ties(summary: Summary, fastest: Summary) -> bool:
    against = compare(summary, fastest)
    return against is not None and against.winner is Winner.TIE
