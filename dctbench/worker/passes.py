"""The passes after timing: times of the device alone, memory, the split of the time, energy, error, own metrics.

A long call has few calls to spare. Then one call serves several passes, none is repeated, and those that would go
beyond the time limit of the case are left out, with the reason.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from dctbench import catalog
from dctbench.catalog.engines import ENGINES
from dctbench.errors import UnsupportedError
from dctbench.machine import energy
from dctbench.model import CallSplit, Case, CaseWarning, ResultDetails, WarningCode
from dctbench.worker.collected import Collected
from dctbench.worker.devices import Cache, DeviceModule
from dctbench.worker.metrics import added, error, inputs
from dctbench.worker.metrics.kernels import attention_kernels, compiled_attention_kernels
from dctbench.worker.metrics.output import WrongOutputError, check_form, check_same, check_written, new_memory_holds_nan
from dctbench.worker.metrics.spectrum import spectrum
from dctbench.worker.metrics.split import REPEATS, split
from dctbench.worker.progress import LONG_CALL, Progress
from dctbench.worker.workload import (
    SEED,
    Arguments,
    Workload,
    gradients,
    input_parts,
    make_arguments,
    real_arguments,
    shared_weights,
)

LAUNCH_BOUND = 0.1
"""A call is launch-bound if the device waits for the host for more than this share of its latency."""
REMEMBERED = 4
"""A call that is more than this many times as fast with inputs that it had before seems to remember its outputs."""


@dataclass(frozen=True, slots=True)
class Untimed:
    """What a pass may take: the seconds of one call, and how much of the time limit is left."""

    call: float
    progress: Progress

    @property
    def long(self) -> bool:
        """Whether calls are too long to be repeated for each pass."""
        return self.call >= LONG_CALL

    def begin(self, calls: int = 1, more: float = 0.0) -> None:
        """Check that a pass of this many calls and `more` seconds fits into the time limit.

        Raises:
            UnsupportedError: otherwise.
        """
        self.progress.step()
        self.progress.require(calls * self.call + more)


def measure_device_times(
    case: Case, device: DeviceModule, subject: Workload, cache: Cache, untimed: Untimed, collected: Collected
) -> None:
    """Measure the time of a call without the host, and that of its kernels, where the host launches them.

    A long call does not wait for the host.
    """
    if untimed.long:
        return
    [latency] = [each.samples for each in collected.measurements if each.metric == "latency"]
    with collected.attempt("queued_time"):
        untimed.begin()
        queued = device.queued_seconds(case.device, subject.prepare_new, subject.call, cache)
        if queued is not None:
            collected.add("queued_time", statistics.median(queued))
            waiting = 1 - statistics.median(queued) / statistics.median(latency)
            if waiting > LAUNCH_BOUND:
                collected.warnings.append(CaseWarning(WarningCode.LAUNCH_BOUND, {"share": round(waiting, 3)}))
    with collected.attempt("kernel_time"):
        untimed.begin()
        kernels = device.kernel_seconds(case.device, lambda: _step(case, subject, 0), cache)
        if kernels is not None:
            collected.add("kernel_time", kernels[0])
            collected.details |= ResultDetails(kernels=kernels[1])


def _step(case: Case, subject: Workload, number: int) -> object:
    """Prepare and run call `number`."""
    if case.mode == "backward":
        raise UnsupportedError("a backward pass cannot be repeated without its forward pass")
    return subject.call(subject.prepare(number))


def other_passes(
    case: Case,
    device: DeviceModule,
    subject: Workload,
    expected: Tensor,
    untimed: Untimed,
    collected: Collected,
    *,
    cache: Cache,
    with_energy: bool,
) -> None:
    """Measure memory, the split of the time, and energy.

    `expected` is the output of the first call. A long call repeats it while its memory is measured.
    """
    if ENGINES[case.engine].exported:
        reason = f"{case.engine} allocates its memory outside of torch"
        collected.details |= ResultDetails(absent={"memory.tensor": reason})
        _memory_of_process(case, device, subject, untimed, collected)
    elif untimed.long:
        _memory_in_one_call(case, device, subject, expected, untimed, collected)
        if case.engine == "compile":  # any other engine is checked while its error is measured
            check_whole_output(subject, untimed, collected)
    else:
        _memory(case, device, subject, untimed, collected)
        check_whole_output(subject, untimed, collected)

    if case.mode == "forward" and case.engine == "eager":
        with collected.attempt("split"):
            repeats = 1 if untimed.long else REPEATS
            untimed.begin(repeats)
            parts = split(subject.module, lambda: _step(case, subject, 0), case.device, repeats)
            if parts is not None:
                collected.details |= ResultDetails(split=CallSplit(parts.shares, parts.operations))
    if not with_energy:
        return
    with collected.attempt("energy"):
        counter = device.energy_counter(case.device)
        untimed.begin(2, energy.most_seconds(counter))
        try:
            used = energy.measure(
                partial(_step, case, subject),
                lambda: device.synchronize(case.device),
                counter,
                untimed.progress.step,
            )
        except energy.NoEnergyError as refusal:
            raise UnsupportedError(refusal.message) from None
        if cache == "warm":
            _check_remembers_nothing(collected, used.seconds)
        collected.add("energy", used.joules)
        reading = {"source": counter.source, "idle_watts": used.idle_watts, "calls": used.calls}
        collected.details |= ResultDetails(energy=reading)


def _check_remembers_nothing(collected: Collected, repeated: float) -> None:
    """Refuse the energy of calls that are far faster than those whose latency was taken, whose inputs were new.

    Writing new inputs between the calls would cost energy, so this pass uses the same few again and again.

    Raises:
        UnsupportedError: when the latency is more than REMEMBERED times `repeated`, the seconds of such a call.
    """
    [latency] = [each.samples for each in collected.measurements if each.metric == "latency"]
    new = statistics.median(latency)
    if REMEMBERED * repeated < new:
        raise UnsupportedError(
            f"a call takes {repeated:.2g} s with inputs that it had before, and {new:.2g} s with new ones: "
            "it seems to remember its outputs"
        )


def check_whole_output(subject: Workload, untimed: Untimed, collected: Collected) -> None:
    """Check that a call writes its whole output. Of a long one, `measure_errors` checks that, unless it is compiled.

    A compiled module would be compiled once more for the check, which changes what the compiler takes for given. So its
    module is checked as torch runs it by itself.

    Raises:
        WrongOutputError: otherwise.
    """
    with collected.attempt("unwritten outputs"):
        untimed.begin()
        eager = subject.eager()  # the replay of a graph allocates nothing
        check_written(lambda: eager.module(*eager.arguments[0]).detach())


def _memory(case: Case, device: DeviceModule, subject: Workload, untimed: Untimed, collected: Collected) -> None:
    with collected.attempt("memory.tensor"):
        untimed.begin()
        ungraphed = subject.ungraphed()
        prepared = ungraphed.prepare(0)
        collected.add("memory.tensor", device.peak_tensor_bytes(case.device, lambda: ungraphed.call(prepared)))
    _memory_of_process(case, device, subject, untimed, collected)


def _memory_of_process(
    case: Case, device: DeviceModule, subject: Workload, untimed: Untimed, collected: Collected
) -> None:
    with collected.attempt("memory.process"):
        untimed.begin()
        again = subject.prepare(0)
        collected.add("memory.process", device.process_bytes(case.device, lambda: subject.call(again)))


def _memory_in_one_call(
    case: Case, device: DeviceModule, subject: Workload, expected: Tensor, untimed: Untimed, collected: Collected
) -> None:
    """Measure both figures of the memory in one call, and check that it repeats the first output, if any call does."""
    ungraphed = subject.ungraphed()
    tensor: list[int] = []
    output: list[object] = []

    def call() -> None:
        output[:] = [ungraphed.call(prepared)]

    def peak() -> None:
        tensor.append(device.peak_tensor_bytes(case.device, call))

    with collected.attempt("memory.tensor"):
        untimed.begin()
        subject.restore(range(1))
        prepared = ungraphed.prepare(0)
        with collected.attempt("memory.process"):
            collected.add("memory.process", device.process_bytes(case.device, peak))
        if not tensor:  # the device does not measure its processes, and has made no call
            peak()
        collected.add("memory.tensor", tensor[0])
        if case.mode != "backward":
            seen = check_form(subject.form, output[0]).detach()
            if subject.draws:  # then the first output is one of inference, and so is what it is compared with
                seen = subject.output(subject.arguments[0])
            check_same(case, seen, expected, "after timing")


def measure_errors(
    case: Case, device: DeviceModule, subject: Workload, scratch: str | None, untimed: Untimed, collected: Collected
) -> None:
    """Measure the error on noise, on smooth input and on the input of a case, if it has one, against exact attention.

    There are none if the output cannot be compared with it. For a long call that is not compiled, the first is also the
    check that it writes its whole output.
    """
    if case.scope in ("encoder", "model"):
        return  # after norms and feed-forward layers an error of the attention has no meaning
    if not subject.comparable:
        collected.warnings.append(CaseWarning(WarningCode.NO_SHARED_WEIGHTS))
        return
    made: dict[str, Callable[[], Arguments]] = {
        "noise": partial(make_arguments, case, inputs.noise),
        "smooth": partial(make_arguments, case, inputs.smooth),
    }
    if case.input is not None:
        made["input"] = partial(real_arguments, case, scratch)
    for name, make in made.items():
        with collected.attempt(f"error.{name}"), torch.inference_mode():
            output, expected = _outputs(case, subject, name, make, scratch, untimed)
            value = error.relative_error(output, expected)
            exact = catalog.implementation(case.implementation).kind is catalog.Kind.EXACT
            claims_exact = exact and ENGINES[case.engine].precision == "float32"
            if claims_exact and error.beyond_tolerance(value, case.dtype, device.tf32_products(case.device)):
                wrong = f"an exact method differs from exact attention by {value:.2g} on the {name} input"
                raise WrongOutputError(wrong)
            collected.add(f"error.{name}", value)
            with collected.attempt(f"cosine.{name}"):  # an output of zeros has none
                collected.add(f"cosine.{name}", error.cosine(output, expected))


def _outputs(
    case: Case,
    subject: Workload,
    name: str,
    make: Callable[[], Arguments],
    scratch: str | None,
    untimed: Untimed,
) -> tuple[Tensor, Tensor]:
    """Return the output of a case on an input, and the exact one: all rows, or those that are compared."""
    untimed.begin()
    done = untimed.progress.watched()
    rows = error.compared_rows(case.seq_len)
    arguments = subject.laid_out(make())
    error.require_memory(case.batch, case.seq_len, case.heads, case.head_dim)

    def compute() -> Tensor:
        if case.scope == "attention":
            q, k, v = arguments
            return error.exact_attention(q, k, v, rows, done)
        return error.exact_layer(arguments[0], shared_weights(case, scratch), case.heads, rows, done)

    # The weights of a case may be those of the layer that its input comes from.
    key = (case.scope, case.batch, case.seq_len, case.heads, case.head_dim, case.dtype, SEED, name, case.input)
    exact = error.cached(compute, key, scratch)
    untimed.begin()
    checked: AbstractContextManager[None] = nullcontext()
    if untimed.long and name == "noise" and case.engine != "compile":
        checked = new_memory_holds_nan()
    with checked, subject.repeatable():
        # The replay of a graph allocates nothing, so that its output would never hold a NaN.
        module = subject.ungraphed().module if untimed.long else subject.module
        output = check_form(subject.form, module(*arguments)).cpu()
    return output if rows is None else output.index_select(-2, rows), exact


def measure_spectrum(case: Case, scratch: str | None, untimed: Untimed, collected: Collected) -> None:
    """Record the spectrum of the input of a case, and of the queries, keys and values that its weights make of it."""
    if case.input is None:
        return
    with collected.attempt("spectrum"), torch.inference_mode():
        untimed.begin()
        collected.details |= ResultDetails(spectrum=spectrum(input_parts(case, scratch)))


def observe_kernels(case: Case, subject: Workload, untimed: Untimed, collected: Collected) -> None:
    """Record the attention kernels of one call. With gradients if the case has them: a kernel may need that.

    The replay of a graph calls no kernel by its name, so the call is one without it.
    """
    with collected.attempt("kernel"), gradients(case):
        compiled = case.engine == "compile"
        untimed.begin(2 if compiled else 1)
        ungraphed = subject.ungraphed()
        seen = (compiled_attention_kernels if compiled else attention_kernels)(
            lambda: ungraphed.module(*ungraphed.arguments[0])
        )
        collected.details |= ResultDetails(kernel=" + ".join(seen) or None)


def measure_added_metrics(case: Case, subject: Workload, untimed: Untimed, collected: Collected) -> None:
    """Measure the metrics of installed packages. They come last, since their code may change its inputs."""
    for metric in catalog.metrics().values():
        if metric.target is not None:
            with collected.attempt(metric.name), gradients(case):
                untimed.begin()
                value, unit = added.measure(metric, case, subject.module, subject.arguments[0])
                collected.add(metric.name, value, unit=unit)
