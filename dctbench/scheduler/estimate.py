"""Predict how long a sweep will take: FLOPs by each method's formula x the rate that this machine has shown.

Cases span five orders of magnitude, so counting them would predict nothing. Without a stored result the rates are
rough defaults, and the estimate says so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dctbench.machine.periodic import RELEASES, longest_seconds
from dctbench.model import Case, Result

DEFAULT_RATE = 5e10
"""FLOP/s of an unmeasured method on an unmeasured machine: a laptop's core or two, in float32."""
MODE_WORK = {"forward": 1.0, "backward": 2.0, "train": 3.0}
"""Work of a mode relative to a forward pass: each product has two in its backward pass."""
ZYGOTE_SECONDS = 2.5
PROCESS_SECONDS = {True: 0.15, False: 2.0}  # forked; started afresh
WARMUP_SECONDS = 0.3
CHECKING_CALLS = 10
"""First call and output checks of every process."""
UNTIMED_CALLS = 6
"""Calls of the first round's untimed passes: memory, errors on two inputs, and a share of the exact outputs."""
SAMPLING_CALLS = 30
"""Samples after which a median is usually known well enough, where the budget allows that many."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a process of a sweep spends its time: forked or fresh, at least so many samples, at most so many seconds.

    A case with a schedule gets `releases` calls on it, and in the first process maybe a `search` for its highest rate.
    """

    forked: bool = True
    samples_least: int = 20
    budget: float = 2.0
    releases: int = RELEASES
    search: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """Predicted seconds of one call by case, and whether the rates behind them were measured on this machine.

    `anywhere` is predicted without any measurement, and therefore equal on all machines.
    """

    calls: Mapping[Case, float]
    measured: bool
    pace: Pace
    anywhere: Mapping[Case, float]

    @property
    def caveat(self) -> str:
        """Why the estimate may be far off; empty if it is based on measurements in this environment."""
        return "" if self.measured else "rough: nothing measured in this environment yet"

    def overhead(self, case: Case, round: int) -> float:
        """Seconds of one process outside sampling: start, warm-up, checks and, in round 1, the untimed passes."""
        call = self.calls[case]
        untimed = CHECKING_CALLS + (UNTIMED_CALLS if round == 1 else 0)
        return PROCESS_SECONDS[self.pace.forked] + max(WARMUP_SECONDS, 3 * call) + untimed * call

    def sampling(self, case: Case) -> float:
        """Seconds of sampling in one process."""
        call = self.calls[case]
        return max(self.pace.samples_least * call, min(self.pace.budget, SAMPLING_CALLS * max(call, 1e-3)))

    def seconds(self, case: Case, round: int) -> float:
        """Seconds of one process."""
        return self.overhead(case, round) + self.sampling(case) + self.scheduled(case, round)

    def scheduled(self, case: Case, round: int) -> float:
        """Seconds of calls on a schedule in one process."""
        if case.period is None:
            return 0.0
        search = self.pace.search and round == 1
        return longest_seconds(max(case.period, self.calls[case]), self.pace.releases, search=search)

    def total(self, cases: Iterable[Case], rounds: int) -> float:
        """Seconds for all of the cases in all of their rounds."""
        starts = rounds * ZYGOTE_SECONDS if self.pace.forked else 0.0
        return starts + sum(self.seconds(case, number) for case in cases for number in range(1, rounds + 1))


def estimate(
    cases: Sequence[Case],
    flops: Mapping[Case, int | None],
    stored: Iterable[Result] = (),
    pace: Pace = Pace(),
) -> Estimate:
    """Predict the seconds of one call of each case.

    Args:
        cases: what will be measured.
        flops: FLOPs of one forward call; None if the method states no formula, and exact attention's are used.
        stored: results of this machine. A case that was measured is predicted by its own latency, another one by the
            rate of the same method at the nearest length.
        pace: how processes spend their time.
    """
    known, nothing = _Known(stored), _Known(())
    work = {case: flops.get(case) or exact_flops(case) for case in cases}
    calls = {case: known.seconds(case, count) for case, count in work.items()}
    return Estimate(calls, known.any, pace, {case: nothing.seconds(case, count) for case, count in work.items()})


class _Known:
    """What stored results say about the speed of methods here."""

    def __init__(self, results: Iterable[Result]) -> None:
        self.latencies: dict[Case, float] = {}
        self.rates: dict[tuple[object, ...], list[tuple[float, float]]] = {}
        for result in results:
            latency, counted = result.measurement("latency"), result.measurement("flops")
            if not latency:
                continue
            case, seconds = result.case, statistics.median(latency.samples)
            self.latencies[case] = seconds
            if counted:
                point = (math.log(case.seq_len), counted.samples[0] / seconds)
                self.rates.setdefault(self._kind(case), []).append(point)

    @property
    def any(self) -> bool:
        return bool(self.latencies)

    def seconds(self, case: Case, flops: float) -> float:
        if case in self.latencies:
            return self.latencies[case]
        points = self.rates.get(self._kind(case))
        if points:
            length = math.log(case.seq_len)
            rate = min(points, key=lambda point: abs(point[0] - length))[1]
        elif self.rates:
            rate = statistics.median(rate for points in self.rates.values() for _, rate in points)
        else:
            rate = DEFAULT_RATE
        return flops * MODE_WORK[case.mode] / rate

    def _kind(self, case: Case) -> tuple[object, ...]:
        return (case.implementation, case.device, case.dtype, case.engine, case.threads)


def exact_flops(case: Case) -> int:
    """FLOPs of exact attention's layer at the case's shape: 8 b n d^2 + 4 b n^2 d."""
    return case.batch * (8 * case.seq_len * case.dim**2 + 4 * case.seq_len**2 * case.dim)
