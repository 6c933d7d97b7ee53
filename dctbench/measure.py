"""One case from construction to its measurements: the order in which a worker asks each metric its question.

Timing comes first and alone; memory, FLOPs and error are taken in separate, untimed passes afterwards. When one
of those fails the case keeps what was measured, and a warning says what is missing and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter

import torch
from torch import Tensor

from dctbench import catalog, units
from dctbench.attention.sdpa import SDPAttention
from dctbench.devices import DeviceModule
from dctbench.errors import DctbenchError, UnsupportedError, UsageError
from dctbench.metrics import error, flops, inputs, latency, memory
from dctbench.model import JSON, Case
from dctbench.subject import SEED, Subject, make_arguments, make_module, meta_arguments, meta_call, place

_clock = perf_counter


class WrongOutputError(DctbenchError):
    """The implementation's output has a wrong shape, type or values: its latency means nothing."""


class NotEnoughMemoryError(DctbenchError):
    """The case would need more memory than there is, by an estimate made before anything was allocated."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"needs about {units.size(needed)} of {units.size(available)} (estimate)")
        self.needed = needed


def measure_case(
    case: Case, device: DeviceModule, *, sampling: latency.Sampling, scratch: str | None, timing_only: bool = False
) -> JSON:
    """Measure one case in this process.

    Args:
        case: what to measure.
        device: the module of its device's kind.
        sampling: when to stop taking latency samples.
        scratch: a folder shared by the cases of one sweep, for exact outputs; None computes them anew.
        timing_only: leave out the untimed passes, whose figures do not differ between processes.

    Returns:
        status, measurements, warnings and details, as plain JSON.

    Raises:
        NotEnoughMemoryError: before trying what cannot fit.
        WrongOutputError: for an output of a wrong shape or type, with NaN, or that changes from call to call.
        UsageError, UnsupportedError: from the implementation, for a shape or option it refuses.
    """
    if case.threads:
        torch.set_num_threads(case.threads)
    torch.manual_seed(SEED)  # parameters of a method's own are the same in every process
    collected = _Collected()
    _refuse_what_cannot_fit(case, device)
    catalog.implementation(case.implementation).load()  # so that an import is no part of the construction
    with _gradients(case):
        start = _clock()
        module = make_module(case)
        device.synchronize(case.device)
        collected.add("setup", _clock() - start)
        collected.add("memory.state", memory.state_bytes(module))
        subject = place(case, module)
        expected = _first_calls(case, device, subject, collected)
        samples = latency.measure(subject.prepare, subject.call, lambda: device.synchronize(case.device), sampling)
        collected.add("latency", *samples.seconds)
        for number, before in enumerate(expected):
            _check_repeatable(case, subject.output(number), before)
        if not timing_only:
            with collected.attempt("memory.tensor"):
                prepared = subject.prepare(0)
                collected.add("memory.tensor", memory.peak_tensor_bytes(lambda: subject.call(prepared)))
    if not timing_only:
        with collected.attempt("flops"):
            collected.add("flops", flops.count(meta_call(case)))
        _errors(case, subject, scratch, collected)
    collected.details.update(
        threads=torch.get_num_threads(),
        calls_per_sample=samples.calls_per_sample,
        warmup_calls=samples.warmup_calls,
        stop_reason=samples.stop_reason,
        inputs=f"i.i.d. N(0, 1), {inputs.ROTATION} in rotation, seed {SEED}",
        **_what_ran(case, module),
    )
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


def stated_flops(case: Case) -> int | None:
    """FLOPs of one forward call by the method's own formula; None where it states none, or refuses the shape."""
    try:
        stated = getattr(make_module(case, "meta"), "flops", None)
        return None if stated is None else int(stated(case.batch))
    except Exception:  # an estimate must not stop a plan; measuring the case will say what is wrong with it
        return None


def _gradients(case: Case) -> AbstractContextManager[object]:
    return torch.inference_mode() if case.mode == "forward" else torch.enable_grad()


def _first_calls(case: Case, device: DeviceModule, subject: Subject, collected: _Collected) -> list[Tensor]:
    """The first call, timed apart, and the outputs of two inputs that later ones are checked against."""
    if case.engine == "compile":
        start = _clock()
        subject.call(subject.prepare(0))
        device.synchronize(case.device)
        collected.add("compile", _clock() - start)
    prepared = subject.prepare(0)
    start = _clock()
    subject.call(prepared)
    device.synchronize(case.device)
    collected.add("first_call", _clock() - start)
    _check_output(case, subject.output(0))
    expected = [subject.output(number).clone() for number in range(2)]
    if torch.equal(expected[0], expected[1]):
        raise WrongOutputError("two different inputs gave the same output: it does not depend on its input")
    return expected


def _refuse_what_cannot_fit(case: Case, device: DeviceModule) -> None:
    """Estimate the need of a case that might hold n x n matrices beyond the device's memory; the others just run."""
    dtype = getattr(torch, case.dtype)
    available = device.memory_bytes(case.device)
    quadratic = 4 * case.batch * case.heads * case.seq_len**2 * dtype.itemsize
    if quadratic < available // 4:
        return

    def make() -> Callable[[], object]:
        module = make_module(case)
        arguments = tuple(torch.empty(a.shape, dtype=a.dtype, device=case.device) for a in meta_arguments(case))
        return lambda: module(*arguments)

    try:
        needed = memory.predicted_tensor_bytes(make)
    except (UnsupportedError, UsageError):
        raise
    except Exception:  # no estimate for code that fake tensors cannot run: let it try
        return
    if needed > available:
        raise NotEnoughMemoryError(needed, available)


def _check_output(case: Case, output: object) -> None:
    expected: tuple[int, ...] = (case.batch, case.seq_len, case.dim)
    if case.scope == "attention":
        expected = (case.batch, case.heads, case.seq_len, case.head_dim)
    if not isinstance(output, Tensor):
        raise WrongOutputError(f"the output is a {type(output).__name__}, not a tensor")
    if tuple(output.shape) != expected:
        raise WrongOutputError(f"the output has shape {tuple(output.shape)}, expected {expected}")
    if output.dtype != getattr(torch, case.dtype):
        raise WrongOutputError(f"the output is {output.dtype}, expected torch.{case.dtype}")
    if not torch.isfinite(output).all():
        raise WrongOutputError("the output holds NaN or infinite values")


def _check_repeatable(case: Case, output: Tensor, before: Tensor) -> None:
    if not torch.isfinite(output).all():
        raise WrongOutputError("after timing, the output holds NaN or infinite values")
    change = error.relative_error(output, before)
    if error.beyond_tolerance(change, case.dtype):
        raise WrongOutputError(f"after timing, the same input gave another output (relative difference {change:.2g})")


def _errors(case: Case, subject: Subject, scratch: str | None, collected: _Collected) -> None:
    """error.noise and error.smooth, where the output can be compared with exact attention's."""
    if case.scope == "encoder":
        return  # an error of the attention, seen through norms and feed-forward layers, would mean nothing
    if not subject.comparable:
        collected.warnings.append(
            "error: not measured, since the method has no v_proj and out_proj to share weights with exact attention"
        )
        return
    for name, draw in (("noise", inputs.noise), ("smooth", inputs.smooth)):
        with collected.attempt(f"error.{name}"), torch.inference_mode():
            collected.add(f"error.{name}", _error(case, subject, name, draw, scratch))


def _error(case: Case, subject: Subject, name: str, draw: Callable[..., Tensor], scratch: str | None) -> float:
    rows = error.compared_rows(case.seq_len)
    arguments = make_arguments(case, draw)
    shared = inputs.weights(case.dim, getattr(torch, case.dtype), SEED)

    def compute() -> Tensor:
        if case.scope == "attention":
            q, k, v = arguments
            return error.exact_attention(q, k, v, rows)
        return error.exact_layer(arguments[0], shared, case.heads, rows)

    key = (case.scope, case.batch, case.seq_len, case.heads, case.head_dim, case.dtype, SEED, name)
    exact = error.cached(compute, key, scratch)
    output = subject.module(*arguments).cpu()
    value = error.relative_error(output if rows is None else output.index_select(-2, rows), exact)
    claims_exact = catalog.implementation(case.implementation).exact
    if claims_exact and error.beyond_tolerance(value, case.dtype):
        raise WrongOutputError(f"an exact method differs from exact attention by {value:.2g} on the {name} input")
    return value


def _what_ran(case: Case, module: torch.nn.Module) -> JSON:
    """The kernel, the transform and the conventions behind the figures."""
    found: JSON = {"flops.convention": flops.CONVENTION}
    stated = stated_flops(case) if case.mode == "forward" else None
    if stated is not None:
        found["flops.analytic"] = stated
    for part in module.modules():
        if isinstance(part, SDPAttention):
            dtype = getattr(torch, case.dtype)
            found["kernel"] = part.kernel(case.device, dtype, batch=case.batch, backward=case.mode != "forward")
        plan = getattr(part, "plan", None)
        if plan is not None:
            found["plan"] = str(plan)
    return found
