"""What limits a call, from numbers alone: bytes it must move, work per byte, and its share of the machine's ceilings.

The roofline (Williams, Waterman and Patterson 2009, CACM 52:4): a call of F FLOPs that moves B bytes takes at least
max(F / compute ceiling, B / bandwidth ceiling) seconds. Both ceilings are measured here (`dctbench doctor
--calibrate`), not read from a data sheet.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

from dctbench.machine.calibration import Calibration
from dctbench.model import DTYPE_BYTES, Bound, Case, Ceilings, Result, Roofline

MARGIN = 2.0
"""How many times faster than the ceilings a result must be to be called impossible.

The ceilings are the best seen, but on a shared machine the best seen may be little more than half of what there is.
A method that caches its output, or returns memory it never wrote, is faster by orders of magnitude.
"""

_TOKEN_BYTES = 8


def bytes_at_least(case: Case, state_bytes: float = 0.0) -> int:
    """Bytes that one call must move whatever the method: its inputs and its output once, and what it keeps once.

    Inputs and output by scope, in the case's dtype: `attention` q, k, v and the result, `layer` and `encoder` one
    (batch, seq_len, dim) in (the encoder: tokens of 8 bytes) and one out. `backward` reads the output's gradient and
    the inputs and writes the inputs' gradients; `train` is forward and backward. Intermediates may stay in caches and
    gradients of weights are left out, so that this is a bound from below.

    Args:
        case: the shape.
        state_bytes: parameters and buffers (`memory.state`), read once in each direction; 0 for a bound that holds
            for methods that do not touch all of what they keep.
    """
    numbers = case.batch * case.seq_len * case.dim * DTYPE_BYTES[case.dtype]
    inputs = {"attention": 3 * numbers, "layer": numbers, "encoder": case.batch * case.seq_len * _TOKEN_BYTES}
    read, written = inputs[case.scope], numbers
    forward = read + written + state_bytes
    gradients = 0 if case.scope == "encoder" else read  # tokens have none
    backward = written + read + gradients + state_bytes
    return round({"forward": forward, "backward": backward, "train": forward + backward}[case.mode])


def under_the_roof(result: Result, machine: Calibration | None) -> Result:
    """The result with its roofline among the details, or as an error if no call can be so fast.

    Rounds that do not count FLOPs take them from the method's own formula. Without either the result is unchanged.
    """
    latency, counted = result.measurement("latency"), result.measurement("flops")
    flops = counted.samples[0] if counted else result.details.flops_analytic
    if machine is None or latency is None or not flops or result.case.device != machine.device:
        return result
    impossible = faster_than_possible(result.case, min(latency.samples), flops, machine)
    if impossible:
        return replace(result, status="error", message=impossible, measurements=())
    state = result.measurement("memory.state")
    median = statistics.median(latency.samples)
    found = roofline(result.case, median, flops, state.samples[0] if state else 0.0, machine)
    return result if found is None else replace(result, details=replace(result.details, roofline=found))


def roofline(case: Case, seconds: float, flops: float, state_bytes: float, machine: Calibration) -> Roofline | None:
    """Where a call that took `seconds` stands; None where the machine was not calibrated for it.

    That is: another device, another number of threads than was calibrated with, or a dtype without a ceiling.
    """
    compute = machine.compute_ceiling(case.dtype)
    if compute is None or machine.device != case.device or case.threads not in (None, machine.threads):
        return None
    ceilings = Ceilings(compute, machine.bandwidth)
    moved = bytes_at_least(case, state_bytes)
    by_compute, by_memory = flops / compute, moved / machine.bandwidth
    bound: Bound = "compute"
    at_least = by_compute
    if by_memory > by_compute:
        fits = machine.cache_bytes is not None and moved <= machine.cache_bytes
        bound, at_least = ("cache", by_compute) if fits else ("bandwidth", by_memory)
    return Roofline(
        intensity=flops / moved,
        rate=flops / seconds,
        throughput=moved / seconds,
        ridge=ceilings.ridge,
        share=at_least / seconds,
        bound=bound,
        ceilings=ceilings,
    )


def fastest_possible(case: Case, flops: float, machine: Calibration) -> float:
    """Seconds that no method can stay under, on this machine's ceilings: for refusing results, hence generous.

    Compute: the fastest dtype's ceiling, since a kernel may convert, times the threads beyond those calibrated with.
    Memory: inputs and output alone, less what the last-level cache may hold.
    """
    more_threads = max(1.0, (case.threads or machine.threads) / machine.threads)
    by_compute = flops / (max(machine.gemm.values()) * more_threads)
    from_memory = max(0, bytes_at_least(case) - (machine.cache_bytes or 0))
    return max(by_compute, from_memory / (machine.bandwidth * more_threads))


def faster_than_possible(case: Case, seconds: float, flops: float, machine: Calibration) -> str | None:
    """Why a call of this case cannot have taken so little time, in a sentence; None when it can.

    Args:
        case: the case, on the device of the calibration.
        seconds: of one call; the least of its samples.
        flops: counted for one call.
        machine: the ceilings of that device.
    """
    least = fastest_possible(case, flops, machine) / MARGIN
    if seconds >= least:
        return None
    return (
        f"implausible: {seconds:.3g} s for a call that takes this machine at least {least:.3g} s "
        f"({flops:.3g} FLOP, {MARGIN:g} times its measured ceilings allowed)"
    )
