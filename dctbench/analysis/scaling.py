"""How latency grows with length: exponents, and where a single exponent would mislead.

The exponent between two measured lengths is d log t / d log n: 2 for quadratic growth, 1 for linear. A fit over
all lengths is refused where there are fewer than four points beyond the plateau of launch overhead at short lengths, or
where the points do not follow one power law.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dctbench.analysis.summary import Summary
from dctbench.model import Case
from dctbench.stats.distributions import student_t_quantile
from dctbench.stats.robust import Interval

LEAST_POINTS = 4
PLATEAU = 0.3
"""Growth below this exponent is overhead: no method's work grows as slowly as the cube root of n."""
WORST_RESIDUAL = 0.25
"""A fit that misses one of its points by more than this share is refused."""


@dataclass(frozen=True, slots=True)
class TooFewLengths:
    """There are fewer than `LEAST_POINTS` lengths beyond the overhead plateau."""

    lengths: int
    on_plateau: int


@dataclass(frozen=True, slots=True)
class NoPowerLaw:
    """The best fit misses one of its lengths by `worst`, a share."""

    worst: float


@dataclass(frozen=True, slots=True)
class Step:
    """The growth from one measured length to the next.

    `low` and `high` are the 95% interval of the exponent, by the ratios of latencies paired by round; None where the
    two lengths have fewer than two rounds in common.
    """

    shorter: int
    longer: int
    exponent: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the latency of one method grows.

    Attributes:
        case: one of its cases, of any length.
        steps: between each pair of neighbouring measured lengths.
        exponent: of the fit t = a n^b with its 95% interval; None where refused.
        refused: why there is no fit; None where there is one.
        fitted: the lengths of the fit.
    """

    case: Case
    steps: tuple[Step, ...]
    exponent: Interval | None
    refused: TooFewLengths | NoPowerLaw | None
    fitted: tuple[int, ...]


def scalings(summaries: Iterable[Summary]) -> list[Scaling]:
    """Return one for each method and what it keeps with a latency at two lengths or more."""
    rows: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        if summary.latency is not None and summary.status == "ok":
            rows.setdefault(summary.case.row, []).append(summary)
    ordered = (sorted(members, key=lambda s: s.case.seq_len) for members in rows.values())
    return [_scaling(members) for members in ordered if len(members) > 1]


def _scaling(members: Sequence[Summary]) -> Scaling:
    steps = tuple(_step(shorter, longer) for shorter, longer in pairwise(members))
    points = [(s.case.seq_len, s.latency.value) for s in members if s.latency]
    beyond = points[_plateau_end(steps) :]
    lengths = tuple(n for n, _ in beyond)
    exponent, refused = _fit(beyond, len(points) - len(beyond))
    return Scaling(members[0].case, steps, exponent, refused, lengths)


def _step(shorter: Summary, longer: Summary) -> Step:
    """Return the growth between two lengths. What a round has in common cancels in its ratio."""
    assert shorter.latency is not None
    assert longer.latency is not None
    octaves = math.log(longer.case.seq_len / shorter.case.seq_len)
    exponent = math.log(longer.latency.value / shorter.latency.value) / octaves
    common = sorted(shorter.medians.keys() & longer.medians.keys())
    low = high = None
    if len(common) > 1 and shorter.fingerprint == longer.fingerprint:
        logs = [math.log(longer.medians[number] / shorter.medians[number]) for number in common]
        apart = shorter.apart_from_rounds, longer.apart_from_rounds
        step = max(shorter.clock_step, longer.clock_step)
        found = shorter.between.of_ratios(logs, shorter.latency.value, apart, step).on_logarithms()
        exponent, low, high = (end / octaves for end in (found.value, found.low, found.high))
    return Step(shorter.case.seq_len, longer.case.seq_len, exponent, low, high)


def _plateau_end(steps: Sequence[Step]) -> int:
    """Index of the first point from which on every step grows with the work."""
    return max((i + 1 for i, step in enumerate(steps) if step.exponent < PLATEAU), default=0)


def _fit(
    points: Sequence[tuple[int, float]], on_plateau: int
) -> tuple[Interval | None, TooFewLengths | NoPowerLaw | None]:
    if len(points) < LEAST_POINTS:
        return None, TooFewLengths(len(points), on_plateau)
    x = [math.log(n) for n, _ in points]
    y = [math.log(t) for _, t in points]
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    spread = math.fsum((a - mean_x) ** 2 for a in x)
    slope = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
    residuals = [b - mean_y - slope * (a - mean_x) for a, b in zip(x, y, strict=True)]
    worst = max(abs(math.expm1(residual)) for residual in residuals)
    if worst > WORST_RESIDUAL:
        return None, NoPowerLaw(worst)
    degrees = len(points) - 2
    deviation = math.sqrt(math.fsum(r * r for r in residuals) / degrees / spread)
    half = student_t_quantile(degrees) * deviation
    return Interval(slope, slope - half, slope + half), None
