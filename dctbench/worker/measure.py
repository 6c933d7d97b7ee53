"""Measure one case: construct it, time it, then run a separate pass for each other metric.

Timing comes first and alone. Memory, FLOPs, error and energy follow in passes of their own. If one of these fails, the
case keeps what was measured, and a warning says what is missing and why.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from dctbench import catalog
from dctbench.catalog.engines import ENGINES
from dctbench.catalog.inputs import check_length
from dctbench.model import Case, CaseWarning, ResultDetails, WarningCode
from dctbench.protocol import CaseReply
from dctbench.worker import threads
from dctbench.worker.collected import Collected
from dctbench.worker.compiler_cache import own_cache
from dctbench.worker.devices import Cache, DeviceModule
from dctbench.worker.memory_need import refuse_what_cannot_fit
from dctbench.worker.metrics import flops, latency, memory, response
from dctbench.worker.metrics.output import check_form
from dctbench.worker.model_call import ModelCall, measure_model
from dctbench.worker.passes import (
    Untimed,
    measure_added_metrics,
    measure_device_times,
    measure_errors,
    measure_spectrum,
    observe_kernels,
    other_passes,
)
from dctbench.worker.progress import Progress
from dctbench.worker.timed_calls import check_timed_calls, refuse_the_impossible
from dctbench.worker.what_ran import how_sampled, what_ran
from dctbench.worker.workload import (
    SEED,
    Rates,
    Workload,
    compiling,
    gradients,
    make_module,
    make_workload,
    meta_call,
    random_states,
)

FLOPS_TOLERANCE = 0.03
"""How far the counted FLOPs may be from a layer's own formula, which may leave out biases and softmax."""


def measure_case(
    case: Case,
    device: DeviceModule,
    *,
    sampling: latency.Sampling,
    scratch: str | None,
    cache: Cache | None = None,
    rates: Rates | None = None,
    timing_only: bool = False,
    with_energy: bool = True,
    seed: int = 1,
    turn: Callable[[], None] = lambda: None,
    alive: Callable[[], None] = lambda: None,
) -> CaseReply:
    """Measure one case in this process.

    Args:
        case: what to measure.
        device: the module of its device's kind.
        sampling: when to stop taking latency samples.
        scratch: a folder shared by the cases of one sweep, for exact outputs, exported models and what the compiler
            made; None makes them again.
        cache: what the last-level cache holds when a timed call begins; None for the default of the device.
        rates: this machine's rates for the transform planner; None for the shipped ones.
        timing_only: leave out the passes whose figures do not differ between processes.
        with_energy: measure the energy of a call too, which takes seconds.
        seed: of a training, the number of the process.
        turn: returns when it is this process's turn, if it takes turns with another.
        alive: tells the runner that the case makes progress.

    Raises:
        NotEnoughMemoryError: before running a case that cannot fit.
        WrongOutputError: for an output of a wrong shape or type, with NaN, unwritten, or that changes between calls.
        UsageError, UnsupportedError: from the implementation, for a shape or option it refuses.
    """
    device.use(case.device)
    # Made before the implementation is imported, so that nothing it does reaches the clock.
    cache = cache or device.CACHE
    stopwatch = device.stopwatch(case.device, cache)
    progress = Progress(sampling.limit, alive)
    if cache == "cold":  # the cache is not emptied between two calls of one sample
        sampling = replace(sampling, calls_most=1)
    threads.use(case.threads)
    torch.manual_seed(SEED)  # a method's own parameters are then the same in every process
    collected = Collected()
    refuse_what_cannot_fit(case, device)
    if case.input is not None:
        check_length(case.input, case.seq_len, case.batch)
    catalog.implementation(case.implementation).load()  # so that the import is not timed as construction
    with gradients(case):
        kept = None if timing_only or case.engine != "eager" or case.model is not None else memory.Kept(case.device)
        module, subject, first, expected = _begin(case, device, scratch, rates, collected, progress)
        # Other engines keep buffers of their own. In later rounds the figure is not used.
        apart = [*subject.tensors, expected]
        if not ENGINES[case.engine].exported:
            collected.add("memory.state", max(memory.state_bytes(module), kept.bytes(apart) if kept else 0))
        watch = device.watch(case.device, paired=bool(sampling.turns))
        timer = latency.Timer(subject.prepare, subject.call, stopwatch, renew=subject.renew)
        samples = latency.measure(timer, sampling, watch.disturbed, turn, first=first, progress=progress)
        untimed = Untimed(statistics.median(samples.seconds), progress)
        seen = watch.conditions()
        collected.add("latency", *samples.seconds)
        collected.warnings += [*latency.warnings(samples), *seen.warnings]
        collected.details |= seen.details
        _release(case, device, subject, sampling, timing_only, collected, progress)
        check_timed_calls(case, subject, expected, timer, samples.calls_per_sample, untimed)
        del timer, stopwatch  # with the buffer that empties the cache, which the passes below would find in memory
        if not timing_only:
            measure_device_times(case, device, subject, cache, untimed, collected)
            other_passes(case, device, subject, expected, untimed, collected, cache=cache, with_energy=with_energy)
    if isinstance(module, ModelCall):
        measure_model(case, module, device, collected, seed, progress)
    if not timing_only:
        _count_flops(case, module, subject, rates, collected)
        measure_errors(case, device, subject, scratch, untimed, collected)
        measure_spectrum(case, scratch, untimed, collected)
        measure_added_metrics(case, subject, untimed, collected)
    collected.details |= how_sampled(case, device, cache, samples, subject.drawn)
    with collected.attempt("description"):  # it must not cost what was measured
        collected.details |= what_ran(case, device, module, rates) | device.describe(case.device)
    _hold_against_its_formula(case, collected)
    refuse_the_impossible(case, collected)
    if not timing_only and collected.details.kernel is None and not ENGINES[case.engine].exported:
        observe_kernels(case, subject, untimed, collected)
    return collected.reply()


def _begin(
    case: Case,
    device: DeviceModule,
    scratch: str | None,
    rates: Rates | None,
    collected: Collected,
    progress: Progress,
) -> tuple[nn.Module, Workload, float, Tensor]:
    """Construct the module and call it for the first time.

    Returns the module of torch, the workload that runs it or, for some engines, a model exported from it, and the
    seconds and the output of the first call.
    """
    start = progress.clock()
    module = make_module(case, rates=rates)
    device.synchronize(case.device)
    took = progress.clock() - start
    subject = make_workload(case, module, scratch)
    if not ENGINES[case.engine].exported:
        collected.add("setup", took)
        progress.step()
        return module, *_first_call(case, device, subject, scratch, collected, progress)

    from dctbench.worker.engines.deployed import compare_with_torch, deploy

    subject, eager = deploy(case, subject, scratch, rates, collected, progress.clock)
    progress.step()
    subject, seconds, output = _first_call(case, device, subject, scratch, collected, progress)
    compare_with_torch(case, output, eager, collected)
    return module, subject, seconds, output


def _count_flops(case: Case, module: nn.Module, subject: Workload, rates: Rates | None, collected: Collected) -> None:
    with collected.attempt("flops"):
        call = module.meta_call(subject.arguments[0]) if isinstance(module, ModelCall) else meta_call(case, rates)
        counted = flops.count(call)
        collected.add("flops", counted.flops)
        collected.details |= ResultDetails(flops_uncounted=tuple(counted.uncounted))


def _hold_against_its_formula(case: Case, collected: Collected) -> None:
    """Warn if the FLOPs of a layer that is not ours are others than it says. Tests hold ours against their formulas."""
    counted = next((one.samples[0] for one in collected.measurements if one.metric == "flops"), None)
    stated = collected.details.flops_analytic
    own = catalog.implementation(case.implementation).family is catalog.Family.OWN
    if not own or not counted or not stated or collected.details.flops_uncounted:
        return
    if abs(counted - stated) > FLOPS_TOLERANCE * counted:
        collected.warnings.append(CaseWarning(WarningCode.FLOPS_DIFFER, {"counted": counted, "stated": stated}))


def _release(
    case: Case,
    device: DeviceModule,
    subject: Workload,
    sampling: latency.Sampling,
    timing_only: bool,
    collected: Collected,
    progress: Progress,
) -> None:
    """Release calls on the schedule of the case, if it has one, each until the device is done.

    The time limit does not count this time, which is known beforehand.
    """
    if case.period is None or case.deadline is None:
        return

    def call(prepared: object) -> None:
        subject.call(prepared)
        device.synchronize(case.device)

    before = progress.clock()
    found = response.measure(
        subject.prepare,
        subject.prepare_new,
        call,
        period=case.period,
        deadline=case.deadline,
        count=sampling.releases,
        priority=bool(sampling.priority),
        search=bool(sampling.search) and not timing_only,
    )
    progress.excuse(progress.clock() - before)
    collected.add("response", *found.seconds)
    collected.details |= ResultDetails(schedule=found.schedule)
    if found.rate is not None:
        collected.add("rate", found.rate)
    elif sampling.search and not timing_only:
        collected.details |= ResultDetails(absent={"rate": "not even the period of the case is sustained"})


def _first_call(
    case: Case, device: DeviceModule, subject: Workload, scratch: str | None, collected: Collected, progress: Progress
) -> tuple[Workload, float, Tensor]:
    """Return the seconds and the output of the first call, which later outputs are checked against.

    Before it comes the call that compiles. It is a figure of the process that finds nothing compiled. The workload is
    returned with what the first call showed: whether it draws in training.
    """
    if case.engine in ("compile", "cudagraph"):
        with own_cache(case, scratch) as empty:
            start = progress.clock()
            with compiling(case):
                subject.call(subject.prepare(0))
            device.synchronize(case.device)
            if empty:
                collected.add("compile", progress.clock() - start)
        progress.step()
    prepared = subject.prepare_first()
    device.synchronize(case.device)  # preparation, such as a forward pass, is not part of the call
    states = random_states(case) if case.mode == "train" else []
    start = progress.clock()
    output = subject.call(prepared)
    device.synchronize(case.device)
    seconds = progress.clock() - start
    collected.add("first_call", seconds)
    progress.step()
    if not all(map(torch.equal, states, random_states(case))):
        subject = replace(subject, draws=True)
    if case.mode != "forward":  # the output of a backward pass is None, and a check compares forward outputs
        output = subject.output(subject.first)
    # Copied: an engine may return the same buffer from every call.
    return subject, seconds, check_form(subject.form, output).detach().clone()
