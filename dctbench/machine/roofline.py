"""The roofline: what limits a call, from the bytes it must move, its FLOPs, and the machine's ceilings.

In the roofline model (Williams, Waterman and Patterson 2009, CACM 52:4) a call of F FLOPs that moves B bytes takes at
least max(F / compute ceiling, B / bandwidth ceiling) seconds. Both ceilings are measured (`dctbench doctor
--calibrate`), not taken from a data sheet.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

from dctbench.catalog.engines import ENGINES
from dctbench.machine.calibration import Calibration
from dctbench.model import DTYPE_BYTES, Bound, Case, Ceilings, Measurement, Result, Roofline

MARGIN = 2.0
"""How many times faster than the ceilings a result must be to be rejected as impossible.

On a shared machine the best measured ceilings may be little more than half of the true ones. A method that caches its
output or returns memory that it never wrote is faster by orders of magnitude.
"""

INT8_PRODUCTS = 4.0
"""How many times faster than float32 products those of int8 can be, whose ceiling is not measured."""

_TOKEN_BYTES = 8


def bytes_at_least(case: Case, state_bytes: float = 0.0) -> int:
    """Return the bytes that one call of any method must move: inputs and output once, and its state once.

    Inputs and output have the dtype of the case. In scope `attention` they are q, k, v and the output; in `layer` one
    (batch, seq_len, dim) in and one out; in `encoder` tokens of 8 bytes in and one (batch, seq_len, dim) out.
    `backward` reads the gradient of the output and the inputs and writes the gradients of the inputs; `train` is
    forward and backward. Intermediates may stay in caches and gradients of weights are not counted, so this is a lower
    bound.

    Args:
        case: the case, in any scope but `model`: the sizes of a model's inputs and outputs are its own.
        state_bytes: bytes of parameters and buffers (`memory.state`), read once in each direction; 0 for a bound that
            also holds for methods that do not read all of their state.
    """
    numbers = case.batch * case.seq_len * case.dim * DTYPE_BYTES[case.dtype]
    inputs = {"attention": 3 * numbers, "layer": numbers, "encoder": case.batch * case.seq_len * _TOKEN_BYTES}
    read, written = inputs[case.scope], numbers
    forward = read + written + state_bytes
    gradients = 0 if case.scope == "encoder" else read  # tokens have none
    backward = written + read + gradients + state_bytes
    return round({"forward": forward, "backward": backward, "train": forward + backward}[case.mode])


def under_the_roof(result: Result, machine: Calibration | None) -> Result:
    """Return the result with its roofline in the details and its floor, or as an error if no call can be so fast.

    The floor is the least time of the call by the roofline: it has the same FLOPs and bytes.

    Rounds that do not count FLOPs use the method's own formula. Without either the result is returned unchanged.
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
    emptied = result.details.swept_bytes is not None
    found = roofline(result.case, median, flops, state.samples[0] if state else 0.0, machine, emptied=emptied)
    if found is None:
        return result
    floor = Measurement("floor", "s", (found.share * median,))
    return replace(
        result,
        measurements=(*result.measurements, floor),
        details=replace(result.details, roofline=found),
    )


def roofline(
    case: Case, seconds: float, flops: float, state_bytes: float, machine: Calibration, *, emptied: bool = False
) -> Roofline | None:
    """Return the roofline of a call that took `seconds`, or None if the machine was not calibrated for it.

    A call of a whole model has none, since the bytes that it must move are not known.

    With `emptied` the cache held nothing of the call when it began, so that the memory is a limit in any case.

    The ceilings hold for one number of threads and the dtypes that were measured. Those of ranks are those of all their
    devices together, as their FLOPs are, and each rank reads a state of its own.
    """
    compute = machine.compute_ceiling(case.dtype)
    if compute is None or machine.device != case.device or case.threads not in (None, machine.threads):
        return None
    if case.scope == "model":
        return None
    devices = _devices(case)
    ceilings = Ceilings(devices * compute, devices * machine.bandwidth)
    moved = bytes_at_least(case, state_bytes * (case.ranks or 1))
    by_compute, by_memory = flops / ceilings.compute, moved / ceilings.bandwidth
    bound: Bound = "compute"
    least_seconds = by_compute
    if by_memory > by_compute:
        fits = not emptied and machine.cache_bytes is not None and moved <= devices * machine.cache_bytes
        bound, least_seconds = ("cache", by_compute) if fits else ("bandwidth", by_memory)
    return Roofline(
        intensity=flops / moved,
        rate=flops / seconds,
        throughput=moved / seconds,
        ridge=ceilings.ridge,
        share=least_seconds / seconds,
        bound=bound,
        ceilings=ceilings,
    )


def _devices(case: Case) -> int:
    """How many devices work on a case: ranks share the CPU, and have a GPU each."""
    return 1 if case.device_kind == "cpu" else case.ranks or 1


def fastest_possible(case: Case, flops: float, machine: Calibration) -> float:
    """Return a lower bound of the seconds of any method on this machine.

    The bound rejects results, so it is generous. Compute: the ceiling of the fastest dtype, since a kernel may convert,
    scaled up to the threads and devices of the case, and for an engine that quantises to int8. Memory: inputs and
    output only, less what the last-level caches may hold; nothing for a whole model.
    """
    devices = _devices(case)
    scale = devices * max(1.0, (case.threads or machine.threads) / machine.threads)
    products = INT8_PRODUCTS if ENGINES[case.engine].quantised else 1.0
    by_compute = flops / (max(machine.gemm.values()) * products * scale)
    if case.scope == "model":
        return by_compute
    from_memory = max(0, bytes_at_least(case) - devices * (machine.cache_bytes or 0))
    return max(by_compute, from_memory / (machine.bandwidth * scale))


def faster_than_possible(case: Case, seconds: float, flops: float, machine: Calibration) -> str | None:
    """Return why a call of this case cannot have taken so little time, in a sentence; None if it can.

    Args:
        case: the case, on the device of the calibration.
        seconds: the time of one call, the least of its samples.
        flops: the FLOPs of one call.
        machine: the ceilings of that device.
    """
    least = fastest_possible(case, flops, machine) / MARGIN
    if seconds >= least:
        return None
    return (
        f"implausible: {seconds:.3g} s for a call that takes this machine at least {least:.3g} s "
        f"({flops:.3g} FLOP, {MARGIN:g} times its measured ceilings allowed)"
    )
