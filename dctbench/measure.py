"""One case from construction to its measurements: the order in which a worker asks each metric its question.

Timing comes first and alone; memory, FLOPs and error are taken in separate, untimed passes afterwards. When one
of those fails the case keeps what was measured, and a warning says what is missing and why.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from dctbench import catalog, units
from dctbench.devices import DeviceModule
from dctbench.errors import DctbenchError, UnsupportedError, UsageError
from dctbench.metrics import error, flops, inputs, latency, memory
from dctbench.model import JSON, Case

_clock = perf_counter
SEED = 0


class WrongOutputError(DctbenchError):
    """The implementation's output has a wrong shape, type or values: its latency means nothing."""


class NotEnoughMemoryError(DctbenchError):
    """The case would need more memory than there is, by an estimate made before anything was allocated."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"needs about {units.size(needed)} of {units.size(available)} (estimate)")
        self.needed = needed


def measure_case(case: Case, device: DeviceModule, *, sampling: latency.Sampling, scratch: str | None) -> JSON:
    """Measure one case in this process.

    Args:
        case: what to measure.
        device: the module of its device's kind.
        sampling: when to stop taking latency samples.
        scratch: a folder shared by the cases of one sweep, for exact outputs; None computes them anew.

    Returns:
        status, measurements, warnings and details, as plain JSON.

    Raises:
        NotEnoughMemoryError: before trying what cannot fit.
        WrongOutputError: for an output of a wrong shape or type, with NaN, or that changes from call to call.
        UsageError, UnsupportedError: from the implementation, for a shape or option it refuses.
    """
    if case.threads:
        torch.set_num_threads(case.threads)
    dtype = getattr(torch, case.dtype)
    collected = _Collected()
    with torch.inference_mode():
        _refuse_what_cannot_fit(case, device)
        layer_class, options = layer_class_and_options(case)
        start = _clock()
        layer = construct(layer_class, options, dtype, case.device).eval()
        device.synchronize(case.device)
        collected.add("setup", _clock() - start)
        collected.add("memory.state", memory.state_bytes(layer))
        shared = inputs.weights(case.dim, dtype, SEED)
        comparable = inputs.share_weights(layer, shared)
        rotating = [inputs.noise(case, dtype, SEED, i).to(case.device) for i in range(inputs.ROTATION)]

        start = _clock()
        first = layer(rotating[0])
        device.synchronize(case.device)
        collected.add("first_call", _clock() - start)
        _check_output(case, first, dtype)
        expected = [layer(x).clone() for x in rotating[:2]]
        if torch.equal(expected[0], expected[1]):
            raise WrongOutputError("two different inputs gave the same output: it does not depend on its input")

        samples = latency.measure(
            lambda number: layer(rotating[number % inputs.ROTATION]),
            lambda: device.synchronize(case.device),
            sampling,
        )
        collected.add("latency", *samples.seconds)
        for x, before in zip(rotating, expected, strict=False):
            _check_repeatable(case, layer(x), before)

        with collected.attempt("memory.tensor"):
            collected.add("memory.tensor", memory.peak_tensor_bytes(lambda: layer(rotating[0])))
        with collected.attempt("flops"):
            collected.add("flops", counted_flops(case))
        if comparable:
            for name, make in (("noise", inputs.noise), ("smooth", inputs.smooth)):
                with collected.attempt(f"error.{name}"):
                    x = make(case, dtype, SEED)
                    collected.add(f"error.{name}", _error(case, layer, x, shared, name, scratch))
        else:
            collected.warnings.append(
                "error: not measured, since the method has no v_proj and out_proj to share weights with exact attention"
            )
    collected.details.update(
        threads=torch.get_num_threads(),
        calls_per_sample=samples.calls_per_sample,
        warmup_calls=samples.warmup_calls,
        stop_reason=samples.stop_reason,
        inputs=f"i.i.d. N(0, 1), {inputs.ROTATION} in rotation, seed {SEED}",
    )
    collected.details["flops.convention"] = flops.CONVENTION
    stated = stated_flops(case)
    if stated is not None:
        collected.details["flops.analytic"] = stated
    plan = getattr(layer, "plan", None)
    if plan is not None:
        collected.details["plan"] = str(plan)
    return collected.to_json()


class _Collected:
    """What a case has given so far."""

    def __init__(self) -> None:
        self.measurements: list[JSON] = []
        self.warnings: list[str] = []
        self.details: JSON = {}

    def add(self, metric: str, *samples: float) -> None:
        unit = catalog.METRICS[metric].unit
        self.measurements.append({"metric": metric, "unit": unit, "samples": list(samples)})

    @contextmanager
    def attempt(self, metric: str) -> Iterator[None]:
        """A pass after the timed one: its failure leaves this metric absent, with a warning, and the rest whole."""
        try:
            yield
        except WrongOutputError:
            raise
        except Exception as failure:
            text = failure.message if isinstance(failure, DctbenchError) else f"{type(failure).__name__}: {failure}"
            self.warnings.append(f"{metric}: not measured ({' '.join(text.split())[:300]})")

    def to_json(self) -> JSON:
        return {
            "status": "ok",
            "measurements": self.measurements,
            "warnings": self.warnings,
            "details": self.details,
        }


def layer_class_and_options(case: Case) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class to build, and the arguments that every layer is promised: seq_len, dim, heads and, if used, ratio."""
    entry = catalog.implementation(case.implementation)
    layer_class = entry.load()
    options: dict[str, Any] = {"seq_len": case.seq_len, "dim": case.dim, "heads": case.heads}
    if case.ratio is not None:
        options["ratio"] = case.ratio
    return layer_class, options


def construct(layer_class: type[nn.Module], options: dict[str, Any], dtype: torch.dtype, device: str) -> nn.Module:
    """Build a layer; `dtype` and `device` are given to a constructor that takes them and applied to one that does not.

    Raises:
        UsageError: for a class whose constructor does not accept the promised arguments, or that is no nn.Module.
    """
    takes = inspect.signature(layer_class).parameters
    direct = ("dtype" in takes and "device" in takes) or any(p.kind is p.VAR_KEYWORD for p in takes.values())
    placed: dict[str, Any] = {"dtype": dtype, "device": device} if direct else {}
    try:
        inspect.signature(layer_class).bind(**options, **placed)
    except TypeError as mismatch:
        raise UsageError(f"{layer_class.__name__} does not accept {', '.join(options)}: {mismatch}") from None
    layer = layer_class(**options, **placed)
    if not isinstance(layer, nn.Module):
        raise UsageError(f"{layer_class.__name__} is not a torch.nn.Module")
    return layer if direct else layer.to(device=device, dtype=dtype)


def counted_flops(case: Case) -> int:
    """FLOPs of one forward call, counted on meta: of the method and shape, whatever the device."""
    layer_class, options = layer_class_and_options(case)
    dtype = getattr(torch, case.dtype)
    layer = construct(layer_class, options, dtype, "meta").eval()
    x = torch.empty(case.batch, case.seq_len, case.dim, dtype=dtype, device="meta")
    return flops.count(lambda: layer(x))


def stated_flops(case: Case) -> int | None:
    """FLOPs by the method's own formula, or None where it states none or refuses the shape."""
    try:
        layer_class, options = layer_class_and_options(case)
        stated = getattr(construct(layer_class, options, torch.float32, "meta"), "flops", None)
        return None if stated is None else int(stated(case.batch))
    except Exception:  # an estimate must not stop a plan; measuring the case will say what is wrong with it
        return None


def _refuse_what_cannot_fit(case: Case, device: DeviceModule) -> None:
    """Estimate the need of a case that might hold n x n matrices beyond the device's memory; the others just run."""
    dtype = getattr(torch, case.dtype)
    available = device.memory_bytes(case.device)
    quadratic = 4 * case.batch * case.heads * case.seq_len**2 * dtype.itemsize
    if quadratic < available // 4:
        return

    def make() -> Callable[[], object]:
        layer_class, options = layer_class_and_options(case)
        layer = construct(layer_class, options, dtype, case.device)
        x = torch.empty(case.batch, case.seq_len, case.dim, dtype=dtype, device=case.device)
        return lambda: layer(x)

    try:
        needed = memory.predicted_tensor_bytes(make)
    except (UnsupportedError, UsageError):
        raise
    except Exception:  # no estimate for code that fake tensors cannot run: let it try
        return
    if needed > available:
        raise NotEnoughMemoryError(needed, available)


def _check_output(case: Case, output: object, dtype: torch.dtype) -> None:
    expected = (case.batch, case.seq_len, case.dim)
    if not isinstance(output, Tensor):
        raise WrongOutputError(f"the output is a {type(output).__name__}, not a tensor")
    if tuple(output.shape) != expected:
        raise WrongOutputError(f"the output has shape {tuple(output.shape)}, expected {expected}")
    if output.dtype != dtype:
        raise WrongOutputError(f"the output is {output.dtype}, expected {dtype}")
    if not torch.isfinite(output).all():
        raise WrongOutputError("the output holds NaN or infinite values")


def _check_repeatable(case: Case, output: Tensor, before: Tensor) -> None:
    if not torch.isfinite(output).all():
        raise WrongOutputError("after timing, the output holds NaN or infinite values")
    change = error.relative_error(output, before)
    if error.beyond_tolerance(change, case.dtype):
        raise WrongOutputError(f"after timing, the same input gave another output (relative difference {change:.2g})")


def _error(case: Case, layer: nn.Module, x: Tensor, shared: inputs.Weights, name: str, scratch: str | None) -> float:
    rows = error.compared_rows(case.seq_len)
    key = (case.batch, case.seq_len, case.heads, case.head_dim, case.dtype, SEED, name)
    exact = error.cached_exact(x, shared, case.heads, rows, key, scratch)
    output = layer(x.to(case.device)).cpu()
    value = error.relative_error(output if rows is None else output[:, rows], exact)
    claims_exact = getattr(layer, "exact", False) is True
    if claims_exact and error.beyond_tolerance(value, case.dtype):
        raise WrongOutputError(f"an exact method differs from exact attention by {value:.2g} on the {name} input")
    return value
