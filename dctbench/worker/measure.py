"""Measure one case: construct it, time it, then run a separate pass for each other metric.

Timing comes first and alone. Memory, FLOPs, error and energy follow in passes of their own. If one of these fails, the
case keeps what was measured, and a warning says what is missing and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import torch
from torch import Tensor

from dctbench import catalog
from dctbench.model import Case, ResultDetails
from dctbench.protocol import CaseReply
from dctbench.text.format import format_size
from dctbench.worker import threads
from dctbench.worker.collected import Collected
from dctbench.worker.devices import Cache, DeviceModule
from dctbench.worker.memory_need import refuse_what_cannot_fit
from dctbench.worker.metrics import flops, inputs, latency, memory, response
from dctbench.worker.metrics.kernels import attention_kernels
from dctbench.worker.metrics.output import (
    check_depends_on_input,
    check_form,
    check_same,
    check_written,
)
from dctbench.worker.passes import measure_added_metrics, measure_errors, other_passes
from dctbench.worker.what_ran import what_ran
from dctbench.worker.workload import (
    SEED,
    Rates,
    Workload,
    compiling,
    gradients,
    make_module,
    make_workload,
    meta_call,
)

_clock = perf_counter


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
    collected = Collected()
    refuse_what_cannot_fit(case, device)
    catalog.implementation(case.implementation).load()  # so that the import is not timed as construction
    with gradients(case):
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
        _release(case, device, subject, sampling, timing_only, collected)
        _check_again(case, subject, expected, timer.output(samples.calls_per_sample))
        del timer, stopwatch  # with the buffer that empties the cache, which the passes below would find in memory
        if not timing_only:
            with collected.attempt("unwritten outputs"):
                check_written(lambda: module(*subject.arguments[0]).detach())
            other_passes(case, device, subject, collected)
    if not timing_only:
        with collected.attempt("flops"):
            counted = flops.count(meta_call(case, rates))
            collected.add("flops", counted.flops)
            collected.details |= ResultDetails(flops_uncounted=tuple(counted.uncounted))
        measure_errors(case, subject, scratch, collected)
        measure_added_metrics(case, subject, collected)
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
    collected.details |= what_ran(case, module, rates) | device.describe(case.device)
    if not timing_only and collected.details.kernel is None:
        with collected.attempt("kernel"), gradients(case):  # a kernel may serve only calls without gradients
            seen_kernels = attention_kernels(lambda: module(*subject.arguments[0]))
            collected.details |= ResultDetails(kernel=" + ".join(seen_kernels) or None)
    return collected.reply()


def _release(
    case: Case,
    device: DeviceModule,
    subject: Workload,
    sampling: latency.Sampling,
    timing_only: bool,
    collected: Collected,
) -> None:
    """Release calls on the schedule of the case, if it has one, each until the device is done."""
    if case.period is None or case.deadline is None:
        return

    def call(prepared: object) -> None:
        subject.call(prepared)
        device.synchronize(case.device)

    found = response.measure(
        subject.prepare,
        call,
        period=case.period,
        deadline=case.deadline,
        count=sampling.releases,
        priority=bool(sampling.priority),
        search=bool(sampling.search) and not timing_only,
    )
    collected.add("response", *found.seconds)
    collected.details |= ResultDetails(schedule=found.schedule)
    if found.rate is not None:
        collected.add("rate", found.rate)
    elif sampling.search and not timing_only:
        collected.details |= ResultDetails(absent={"rate": "not even the period of the case is sustained"})


def _first_calls(case: Case, device: DeviceModule, subject: Workload, collected: Collected) -> list[Tensor]:
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
