"""Results made by hand, for tests of what happens after measuring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from dctbench.machine.calibration import Calibration
from dctbench.model import NO_DETAILS, Case, Environment, Measurement, Result, ResultDetails, Run, RunSettings, Status

FACTS = {
    "host": "bench-1", "cpu": "Test CPU", "cores_usable": 2, "torch": "2.13.0", "python": "3.11.7", "gpu": None,
}  # fmt: skip
ENVIRONMENT = Environment(FACTS, "f" * 16)
RUN = Run(
    id="0123456789abcdef",
    label=None,
    suite="quick",
    argv=("run", "--seq", "512"),
    started_at="2026-01-02T03:04:05.000000+00:00",
    dctbench_version="0.1.0",
    settings=RunSettings.from_json({"case_timeout": 120.0, "env": {}}),
)
CALIBRATION = Calibration(
    device="cpu",
    threads=2,
    gemm={"float32": 2e11, "bfloat16": 9e11},
    bandwidth=4e10,
    cache_bytes=32 << 20,
    cost_models={"float32": {"call": 1e-6, "gemm": 2e11, "small_gemm": 1e11, "fft": 2e10, "bandwidth": 5e10}},
    spread={"gemm float32": 0.01},
    measured_at="2026-01-02T03:04:05+00:00",
)


def result(
    implementation: str = "sdpa",
    seq_len: int = 512,
    seconds: Sequence[float] | float | None = 1e-3,
    *,
    ratio: float | None = None,
    status: Status = "ok",
    message: str | None = None,
    round: int = 1,
    values: dict[str, tuple[str, float]] | None = None,
    **case: Any,
) -> Result:
    """Return a result with these latencies (one float means 20 equal samples); `values` are name -> (unit, value)."""
    samples = () if seconds is None else (seconds,) * 20 if isinstance(seconds, float) else tuple(seconds)
    measurements = [Measurement("latency", "s", samples)] if samples else []
    measurements += [Measurement(name, unit, (value,)) for name, (unit, value) in (values or {}).items()]
    return Result(
        case=Case(implementation, seq_len, ratio, **case),
        round=round,
        status=status,
        measurements=tuple(measurements),
        message=message,
        details=ResultDetails(stop_reason="precise") if samples else NO_DETAILS,
        fingerprint=ENVIRONMENT.fingerprint,
        host=ENVIRONMENT.host,
    )


ELSEWHERE = Environment({**FACTS, "cpu": "Other CPU"}, "e" * 16)


def elsewhere(results: Iterable[Result]) -> list[Result]:
    """Return the results as those of another machine."""
    return [replace(one, fingerprint=ELSEWHERE.fingerprint, host=ELSEWHERE.host) for one in results]


def in_two_rounds(results: Iterable[Result]) -> list[Result]:
    """Return the results of the first round again in a second: one round alone tells nothing apart."""
    results = list(results)
    return [*results, *(replace(one, round=2) for one in results)]
