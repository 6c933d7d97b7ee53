"""The passes after timing: memory, kernel time, the split of the time, energy, error, and metrics of packages."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dctbench import catalog
from dctbench.errors import UnsupportedError
from dctbench.model import CallSplit, Case, CaseWarning, ResultDetails, WarningCode
from dctbench.worker.collected import Collected
from dctbench.worker.devices import DeviceModule
from dctbench.worker.metrics import added, energy, error, inputs
from dctbench.worker.metrics.output import WrongOutputError
from dctbench.worker.metrics.split import split
from dctbench.worker.workload import SEED, Workload, gradients, make_arguments


def other_passes(case: Case, device: DeviceModule, subject: Workload, collected: Collected) -> None:
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


def measure_errors(case: Case, subject: Workload, scratch: str | None, collected: Collected) -> None:
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


def measure_added_metrics(case: Case, subject: Workload, collected: Collected) -> None:
    """Measure the metrics of installed packages. They come last, since their code may change its inputs."""
    for metric in catalog.metrics().values():
        if metric.target is not None:
            with collected.attempt(metric.name), gradients(case):
                value, unit = added.measure(metric, case, subject.module, subject.arguments[0])
                collected.add(metric.name, value, unit=unit)
