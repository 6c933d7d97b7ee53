"""Measure one case: construct it, time it, then run a separate pass for each other metric.

Timing comes first and alone. Memory, FLOPs, error and energy follow in passes of their own. If one of these fails, the
case keeps what was measured, and a warning says what is missing and why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from time import perf_counter

import torch
from torch import Tensor

from dctbench import catalog
from dctbench.attention import error_means
from dctbench.attention.sdpa import SDPAttention
from dctbench.attention.window import WindowAttention
from dctbench.errors import DctbenchError, UnavailableError, UnsupportedError, UsageError, text_of
from dctbench.model import NO_DETAILS, CallSplit, Case, CaseWarning, ResultDetails, WarningCode
from dctbench.protocol import CaseReply, Figures
from dctbench.text.format import format_size
from dctbench.text.warning_values import warning_record
from dctbench.worker import threads
from dctbench.worker.devices import Cache, DeviceModule
from dctbench.worker.metrics import added, energy, error, flops, inputs, latency, memory
from dctbench.worker.metrics.kernels import attention_kernels
from dctbench.worker.metrics.output import (
    WrongOutputError,
    check_depends_on_input,
    check_form,
    check_same,
    check_written,
)
from dctbench.worker.metrics.split import split
from dctbench.worker.workload import (
    SEED,
    Rates,
    Workload,
    compiler_options,
    compiling,
    make_arguments,
    make_module,
    make_workload,
    meta_call,
    shapes_only,
)

_clock = perf_counter


class NotEnoughMemoryError(DctbenchError):
    """The case would need more memory than there is, by an estimate made before anything was allocated."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"needs about {format_size(needed)} of {format_size(available)} (estimate)")
        self.needed = needed


class NotFiniteError(DctbenchError):
    """A measured value is NaN or infinite."""


def measure_case(
    case: Case,
    device: DeviceModule,
    *,
    sampling: latency.Sampling,
    scratch: str | None,
    cache: Cache | None = None,
    rates: Rates | None = None,
    timing_only: bool = False,
    turn: Callable[[], None] = lambda: None,
) -> CaseReply:
    """Measure one case in this process.

    Args:
        case: what to measure.
        device: the module of its device's kind.
        sampling: when to stop taking latency samples.
        scratch: a folder shared by the cases of one sweep, for exact outputs; None computes them again.
        cache: what the last-level cache holds when a timed call begins; None for the default of the device.
        rates: this machine's rates for the transform planner; None for the shipped ones.
        timing_only: leave out the passes whose figures do not differ between processes.
        turn: returns when it is this process's turn, if it takes turns with another.

    Raises:
        NotEnoughMemoryError: before running a case that cannot fit.
        WrongOutputError: for an output of a wrong shape or type, with NaN, unwritten, or that changes between calls.
        UsageError, UnsupportedError: from the implementation, for a shape or option it refuses.
    """
    device.use(case.device)
    # Made before the implementation is imported, so that nothing it does reaches the clock.
    cache = cache or device.CACHE
    stopwatch = device.stopwatch(case.device, cache)
    if cache == "cold":  # the cache is not emptied between two calls of one sample
        sampling = replace(sampling, calls_most=1)
    if case.threads:
        torch.set_num_threads(case.threads)
    else:
        threads.use_no_more_than_the_quota()
    torch.manual_seed(SEED)  # a method's own parameters are then the same in every process
    collected = _Collected()
    _refuse_what_cannot_fit(case, device)
    catalog.implementation(case.implementation).load()  # so that the import is not timed as construction
    with _gradients(case):
        start = _clock()
        module = make_module(case, rates=rates)
        device.synchronize(case.device)
        collected.add("setup", _clock() - start)
        collected.add("memory.state", memory.state_bytes(module))
        subject = make_workload(case, module)
        expected = _first_calls(case, device, subject, collected)
        watch = device.watch(case.device, paired=bool(sampling.turns))
        timer = latency.Timer(subject.prepare, subject.call, stopwatch)
        samples = latency.measure(timer, sampling, watch.disturbed, turn)
        seen = watch.conditions()
        collected.add("latency", *samples.seconds)
        collected.warnings += [*latency.warnings(samples), *seen.warnings]
        collected.details |= seen.details
        _check_again(case, subject, expected, timer.output(samples.calls_per_sample))
        del timer, stopwatch  # with the buffer that empties the cache, which the passes below would find in memory
        if not timing_only:
            with collected.attempt("unwritten outputs"):
                check_written(lambda: module(*subject.arguments[0]).detach())
            _other_passes(case, device, subject, collected)
    if not timing_only:
        with collected.attempt("flops"):
            counted = flops.count(meta_call(case, rates))
            collected.add("flops", counted.flops)
            collected.details |= ResultDetails(flops_uncounted=tuple(counted.uncounted))
        _errors(case, subject, scratch, collected)
        _added_metrics(case, subject, collected)
    swept = f", {format_size(device.swept_bytes(case.device))} swept before each call" if cache == "cold" else ""
    collected.details |= ResultDetails(
        threads=torch.get_num_threads(),
        cache=f"{cache}{swept}",
        calls_per_sample=samples.calls_per_sample,
        warmup_calls=samples.warmup_calls,
        stop_reason=samples.stop_reason,
        turns=samples.turns or None,
        retaken=samples.retaken or None,
        noisy=samples.noisy,
        inputs=f"i.i.d. N(0, 1), {inputs.ROTATION} in rotation, seed {SEED}",
    )
    collected.details |= _what_ran(case, module, rates) | device.describe(case.device)
    if not timing_only and collected.details.kernel is None:
        with collected.attempt("kernel"), _gradients(case):  # a kernel may serve only calls without gradients
            seen_kernels = attention_kernels(lambda: module(*subject.arguments[0]))
            collected.details |= ResultDetails(kernel=" + ".join(seen_kernels) or None)
    return collected.reply()


def _other_passes(case: Case, device: DeviceModule, subject: Workload, collected: _Collected) -> None:
    """Measure memory, kernel time, the split of the time, and energy, each in calls of its own."""
    with collected.attempt("memory.tensor"):
        ungraphed = subject.ungraphed()
        prepared = ungraphed.prepare(0)
        collected.add("memory.tensor", device.peak_tensor_bytes(case.device, lambda: ungraphed.call(prepared)))
    with collected.attempt("memory.process"):
        again = subject.prepare(0)
        collected.add("memory.process", device.process_bytes(case.device, lambda: subject.call(again)))

    def step(number: int) -> object:
        if case.mode == "backward":
            raise UnsupportedError("a backward pass cannot be repeated without its forward pass")
        return subject.call(subject.prepare(number))

    with collected.attempt("kernel_time"):
        kernels = device.kernel_seconds(case.device, lambda: step(0))
        if kernels is not None:
            collected.add("kernel_time", kernels[0])
            collected.details |= ResultDetails(kernels=kernels[1])
    if case.mode == "forward" and case.engine == "eager":
        with collected.attempt("split"):
            parts = split(subject.module, lambda: step(0), case.device)
            if parts is not None:
                collected.details |= ResultDetails(split=CallSplit(parts.shares, parts.operations))
    with collected.attempt("energy"):
        counter = device.energy_counter(case.device)
        used = energy.measure(step, lambda: device.synchronize(case.device), counter)
        collected.add("energy", used.joules)
        reading = {"source": counter.source, "idle_watts": used.idle_watts, "calls": used.calls}
        collected.details |= ResultDetails(energy=reading)


class _Collected:
    """What has been measured of a case so far."""

    def __init__(self) -> None:
        self.measurements: list[Figures] = []
        self.warnings: list[CaseWarning] = []
        self.details = NO_DETAILS

    def add(self, metric: str, *samples: float, unit: str | None = None) -> None:
        if not all(map(math.isfinite, samples)):
            raise NotFiniteError(f"{metric} came out as {samples[0]:g}")
        unit = unit or catalog.METRICS[metric].unit
        assert unit is not None  # only the metric of a package has none, and its code returns the unit with the value
        self.measurements.append(Figures(metric, unit, list(samples)))

    @contextmanager
    def attempt(self, metric: str) -> Iterator[None]:
        """Run a pass after timing. If it fails, this metric is absent, with a warning, and the others are kept.

        If this machine cannot measure the metric at all, the details say why, and there is no warning.
        """
        try:
            yield
        except WrongOutputError:
            raise
        except (UnsupportedError, UnavailableError) as reason:
            self.details |= ResultDetails(absent={metric: reason.message})
        except Exception as failure:
            kind = "" if isinstance(failure, DctbenchError) else f"{type(failure).__name__}: "
            problem = " ".join((kind + text_of(failure)).split())[:300]
            self.warnings.append(CaseWarning(WarningCode.NOT_MEASURED, {"metric": metric, "reason": problem}))

    def reply(self) -> CaseReply:
        warnings = [warning_record(warning) for warning in self.warnings]
        return CaseReply("ok", self.measurements, warnings=warnings, details=self.details.to_json())


def stated_flops(case: Case, rates: Rates | None = None) -> int | None:
    """Return the FLOPs of one forward call by the method's own formula, or None if it has none or refuses the shape."""
    try:
        stated = getattr(make_module(case, "meta", rates), "flops", None)
        return None if stated is None else int(stated(case.batch))
    except Exception:  # an estimate must not stop a plan; measuring the case shows the error
        return None


def _gradients(case: Case) -> AbstractContextManager[object]:
    return torch.inference_mode() if case.mode == "forward" else torch.enable_grad()


def _first_calls(case: Case, device: DeviceModule, subject: Workload, collected: _Collected) -> list[Tensor]:
    """Time the first call separately. Return the outputs of two inputs, which later outputs are checked against."""
    if case.engine != "eager":
        start = _clock()
        with compiling(case):
            subject.call(subject.prepare(0))
        device.synchronize(case.device)
        collected.add("compile", _clock() - start)
    prepared = subject.prepare(0)
    device.synchronize(case.device)  # preparation, such as a forward pass, is not part of the call
    start = _clock()
    subject.call(prepared)
    device.synchronize(case.device)
    collected.add("first_call", _clock() - start)
    expected = [check_form(case, subject.output(number)).clone() for number in range(2)]
    check_depends_on_input(*expected)
    return expected


def _check_again(case: Case, subject: Workload, expected: list[Tensor], timed: tuple[int, object]) -> None:
    """Check, after timing, the output of a timed call, and the output of the first input once more."""
    number, output = timed
    number %= len(subject.arguments)
    if case.mode != "backward":
        # Copied first: an engine may return the same buffer from every call.
        kept = check_form(case, output).detach().clone()
        before = expected[number] if number < len(expected) else subject.output(number)
        check_same(case, kept, before, "in a timed call")
    check_same(case, subject.output(0), expected[0], "after timing")


def estimated_bytes(case: Case) -> int | None:
    """Return the bytes that a call of the case and its preparation would need, from shapes alone.

    None for code that cannot run on fake tensors.

    Raises:
        UsageError, UnsupportedError: from the implementation, for a shape or option it refuses.
    """

    def make() -> Callable[[], object]:
        subject = shapes_only(case, case.device)
        return lambda: subject.call(subject.prepare(0))

    try:
        parts = make_module(case, "meta").modules()
        kernels = {_kernel(case, part) for part in parts if isinstance(part, SDPAttention)}
        training = case.mode != "forward"
        return memory.predicted_tensor_bytes(make, math_attention="math" in kernels, gradients=training)
    except (UnsupportedError, UsageError):
        raise
    except Exception:
        return None


def _refuse_what_cannot_fit(case: Case, device: DeviceModule) -> None:
    """Refuse a case that would not fit into the memory of the device. Small cases run without an estimate."""
    available = device.memory_bytes(case.device)
    quadratic = 4 * case.batch * case.heads * case.seq_len**2 * getattr(torch, case.dtype).itemsize
    if quadratic < available // 4:
        return
    needed = estimated_bytes(case)
    if needed is not None and needed > available:
        raise NotEnoughMemoryError(needed, available)


def _kernel(case: Case, part: SDPAttention) -> str:
    dtype = getattr(torch, case.dtype)
    return part.kernel(case.device, dtype, batch=case.batch, backward=case.mode != "forward")


def _named_kernel(case: Case, module: torch.nn.Module) -> str | None:
    """Return the kernel that parts of the module name: exact attention, and the window where FlexAttention runs."""
    for part in module.modules():
        if isinstance(part, SDPAttention):
            return _kernel(case, part)
        if isinstance(part, WindowAttention) and part.form == "flex":
            return part.form
    return None


def _errors(case: Case, subject: Workload, scratch: str | None, collected: _Collected) -> None:
    """Measure error.noise and error.smooth, if the output can be compared with that of exact attention."""
    if case.scope == "encoder":
        return  # after norms and feed-forward layers an error of the attention has no meaning
    if not subject.comparable:
        collected.warnings.append(CaseWarning(WarningCode.NO_SHARED_WEIGHTS))
        return
    for name, draw in (("noise", inputs.noise), ("smooth", inputs.smooth)):
        with collected.attempt(f"error.{name}"), torch.inference_mode():
            collected.add(f"error.{name}", _error(case, subject, name, draw, scratch))


def _error(case: Case, subject: Workload, name: str, draw: Callable[..., Tensor], scratch: str | None) -> float:
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
    claims_exact = catalog.implementation(case.implementation).kind is catalog.Kind.EXACT
    if claims_exact and error.beyond_tolerance(value, case.dtype):
        raise WrongOutputError(f"an exact method differs from exact attention by {value:.2g} on the {name} input")
    return value


def _added_metrics(case: Case, subject: Workload, collected: _Collected) -> None:
    """Measure the metrics of installed packages. They come last, since their code may change its inputs."""
    for metric in catalog.metrics().values():
        if metric.target is not None:
            with collected.attempt(metric.name), _gradients(case):
                value, unit = added.measure(metric, case, subject.module, subject.arguments[0])
                collected.add(metric.name, value, unit=unit)


def _what_ran(case: Case, module: torch.nn.Module, rates: Rates | None) -> ResultDetails:
    """Return the kernel, if a part names it, the transform and the conventions behind the figures."""
    entry = catalog.implementation(case.implementation)
    exact = entry.kind is catalog.Kind.EXACT
    own = entry.family is catalog.Family.OWN
    return ResultDetails(
        error_means=error_means(case.implementation).value if own else None,
        flops_convention=flops.CONVENTION,
        flops_analytic=stated_flops(case, rates) if case.mode == "forward" else None,
        tolerance=error.TOLERANCE[case.dtype] if exact else None,
        kernel=_named_kernel(case, module),
        compiler=", ".join(compiler_options(case)) or None,
        plan=" + ".join(dict.fromkeys(_plans(module))) or None,
    )


def _plans(module: torch.nn.Module) -> Iterator[str]:
    """Return the plans of the outermost parts that have one. Such a plan covers the transforms inside the part."""
    plan = getattr(module, "plan", None)
    if isinstance(plan, str):
        yield plan
        return
    for part in module.children():
        yield from _plans(part)
