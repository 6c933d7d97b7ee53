"""How long a sweep will take, before it runs: FLOPs by each method's formula x the rate this machine has shown.

Cases span five orders of magnitude, so counting cases would say nothing. Without any stored result the rates are
rough defaults, and the estimate says so.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dctbench.model import Case, Result

DEFAULT_RATE = 5e10
"""FLOP/s of an unmeasured method on an unmeasured machine: a laptop's core or two, in float32."""
PROCESS_SECONDS = 2.0
"""A child's start, torch's import included, and its untimed passes' own overhead."""
WARMUP_SECONDS = 0.4
SAMPLES = 20
MOST_SAMPLING_SECONDS = 2.0
UNTIMED_CALLS = 12
"""First call, output checks, memory, errors: calls beside the timed ones; exact float64 outputs count as four."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds per case, and whether the rates behind them were measured on this machine."""

    seconds: Mapping[Case, float]
    measured: bool

    def total(self, cases: Iterable[Case], rounds: int) -> float:
        """Seconds for all of the cases."""
        return rounds * sum(self.seconds[case] for case in cases)


def estimate(cases: Sequence[Case], flops: Mapping[Case, int | None], stored: Iterable[Result] = ()) -> Estimate:
    """Predicted seconds per case.

    Args:
        cases: what will be measured.
        flops: FLOPs of one call, None where the method states no formula (then exact attention's stand in).
        stored: results of this machine, whose achieved rates are used by implementation.
    """
    rates = achieved_rates(stored)
    typical = statistics.median(rates.values()) if rates else DEFAULT_RATE
    seconds = {}
    for case in cases:
        work = flops.get(case) or exact_flops(case)
        call = work / rates.get((case.implementation, case.device), typical)
        timed = max(SAMPLES * call, min(MOST_SAMPLING_SECONDS, 100 * call))
        seconds[case] = PROCESS_SECONDS + max(WARMUP_SECONDS, 3 * call) + timed + UNTIMED_CALLS * call
    return Estimate(seconds, measured=bool(rates))


def achieved_rates(results: Iterable[Result]) -> dict[tuple[str, str], float]:
    """Median FLOP/s by implementation and device over the results that have both a latency and a count."""
    seen: dict[tuple[str, str], list[float]] = {}
    for result in results:
        latency, flops = result.measurement("latency"), result.measurement("flops")
        if latency and flops:
            rate = flops.samples[0] / statistics.median(latency.samples)
            seen.setdefault((result.case.implementation, result.case.device), []).append(rate)
    return {key: statistics.median(values) for key, values in seen.items()}


def exact_flops(case: Case) -> int:
    """FLOPs of exact attention's layer at the case's shape: 8 b n d^2 + 4 b n^2 d."""
    return case.batch * (8 * case.seq_len * case.dim**2 + 4 * case.seq_len**2 * case.dim)
