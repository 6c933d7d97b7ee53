"""The measured ceilings of the machine and the planner's rates: measured by a worker, or read from the store."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from dctbench.doctor.finding import Finding, ok, warning
from dctbench.errors import CannotJudgeError
from dctbench.machine.calibration import DISTURBING_CORES, DTYPES, Calibration
from dctbench.protocol import CalibrateRequest, CalibrationReply, Failure
from dctbench.runners.local import LocalRunner
from dctbench.text.format import format_count, format_seconds

TIMEOUT = 300.0
UNSTEADY = 0.1
"""A ceiling whose two best rounds differ by more than this is unreliable."""
REMEDY = "dctbench doctor --calibrate"


class CalibrationError(CannotJudgeError):
    """A worker could not measure the ceilings."""


def calibrate(runner: LocalRunner, device: str) -> Calibration:
    """Measure the ceilings of a device and the planner's rates in a worker.

    Raises:
        CalibrationError: if the worker failed.
    """
    reply = runner.ask(CalibrateRequest(device), CalibrationReply, TIMEOUT, holding=device)
    if isinstance(reply, Failure):
        raise CalibrationError(f"the ceilings of {device} could not be measured: {reply.message}")
    return Calibration.from_json(reply.calibration)


def ceilings(device: str, found: Calibration | None, suite: str | None = None) -> Finding:
    """Report the ceilings of the device, or that they were not measured in this environment.

    Args:
        device: as cases name it.
        found: what was measured in the environment.
        suite: that whose variables the environment has, or None if it has those of this process alone.
    """
    check = "ceilings"
    remedy = REMEDY if suite is None else f"{REMEDY} --suite {shlex.quote(suite)}"
    if found is None:
        return warning(
            check,
            f"{device}: not measured in this environment, so there are no shares of the roofline and no check for "
            "implausible results, and transforms are planned by shipped rates",
            f"{remedy} (half a minute)",
        )
    rates = ", ".join(f"{dtype} {format_count(found.gemm[dtype], 'FLOP/s')}" for dtype in DTYPES if dtype in found.gemm)
    threads = f"{found.threads} thread{'s' if found.threads != 1 else ''}"
    text = f"{device} with {threads}: {rates}; copy {format_count(found.bandwidth, 'B/s')} ({found.measured_at[:10]})"
    doubts = [f"{name} unsteady" for name, spread in sorted(found.spread.items()) if spread > UNSTEADY]
    if found.others >= DISTURBING_CORES:
        doubts.insert(0, f"others used {found.others:.1f} cores meanwhile")
    if doubts:
        again = f"they may be too low: {remedy} at a quiet moment"
        return warning(check, f"{text}; {', '.join(doubts)}", again, found.to_json())
    slow = [
        dtype for dtype in ("bfloat16", "float16") if found.gemm.get(dtype, 1e99) < found.gemm.get("float32", 0) / 2
    ]
    if slow:
        text += f"; {' and '.join(slow)} products are slower than float32 ones here"
    elsewhere = f"for `check`, `noise` and the suite ci, which set other variables: {REMEDY} --suite ci"
    return ok(check, text, found.to_json(), advice=elsewhere if suite is None else None)


def rates(found: Calibration) -> list[Finding]:
    """Report the rates of the transform planner, a line per dtype."""
    return [ok("planner", f"{found.device}, {dtype}: {_rates(model)}") for dtype, model in found.cost_models.items()]


def _rates(model: Mapping[str, float]) -> str:
    flops = {
        name: format_count(model[key], "FLOP/s")
        for name, key in (("products", "gemm"), ("small ones", "small_gemm"), ("FFTs", "fft"))
    }
    products = ", ".join(f"{name} {rate}" for name, rate in flops.items())
    return f"{format_seconds(model['call'])} a call, {products}, memory {format_count(model['bandwidth'], 'B/s')}"
