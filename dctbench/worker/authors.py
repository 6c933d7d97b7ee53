"""Measure a case as DCT-Former's authors do, beside our own figures, so that what the protocol changes is a number.

Their public program (`models/benchmarking.py` of DCT-Former-Public) times 50 calls of a model that was just built:
without a warm-up, each on an input of its own, with gradients enabled although nothing is trained. It reports the mean
of all calls, and the peak of the memory with the weights in it, both divided by the batch. The output of a call is held
until the next one has returned. With gradients enabled it refers to everything that a backward pass would need, so the
peak holds that twice.

A process of its own does all of this: in one that has measured the case already, the first call would be a warm one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from dctbench import catalog
from dctbench.model import DTYPE_BYTES, Case
from dctbench.protocol import CaseReply
from dctbench.worker import threads
from dctbench.worker.collected import Collected
from dctbench.worker.devices import DeviceModule
from dctbench.worker.memory_need import NotEnoughMemoryError
from dctbench.worker.metrics import inputs, memory
from dctbench.worker.metrics.output import check_form
from dctbench.worker.progress import Progress
from dctbench.worker.workload import SEED, Rates, Workload, make_arguments, make_module, make_workload, shapes_only

CALLS = 50
"""As in the authors' program."""
LEAST_CALLS = 3
KEPT_PER_TOKEN = 200
"""Numbers for each of a token's values and scores, more than the encoder keeps of them in two calls."""
CPU_SECONDS = 10.0
"""On a processor, where a call of their batches takes seconds, no call begins after this time but the least ones."""


def measure_by_authors(case: Case, device: DeviceModule, progress: Progress, rates: Rates | None) -> CaseReply:
    """Measure `authors.latency` and `authors.memory` of a forward case in this process, which has measured nothing yet.

    Args:
        case: what to measure.
        device: the module of its device's kind.
        progress: the time limit.
        rates: this machine's rates for the transform planner; None for the shipped ones.

    Raises:
        NotEnoughMemoryError: before running a case that cannot fit.
        UsageError, UnsupportedError: from the implementation, for a shape or option it refuses.
    """
    device.use(case.device)
    threads.use(case.threads)
    torch.manual_seed(SEED)
    catalog.implementation(case.implementation).load()
    _refuse_what_cannot_fit(case, device)
    collected = Collected()
    with torch.enable_grad():
        kept = memory.Kept(case.device)
        module = make_module(case, rates=rates)
        subject = make_workload(case, module)
        collected.add("authors.latency", *_seconds_per_sequence(case, device, subject, progress))
        with collected.attempt("authors.memory"):
            peak = device.peak_tensor_bytes(case.device, lambda: _two_calls(case, subject))
            state = max(memory.state_bytes(module), kept.bytes(subject.tensors))
            collected.add("authors.memory", (state + peak) / case.batch)
    return collected.reply()


def _refuse_what_cannot_fit(case: Case, device: DeviceModule) -> None:
    """Refuse a case whose two calls, with what their backward passes need, would not fit. Small ones need no estimate.

    Raises:
        NotEnoughMemoryError: naming what they need.
    """
    available = device.memory_bytes(case.device)
    tokens = case.batch * case.seq_len
    if KEPT_PER_TOKEN * tokens * (case.dim + case.heads * case.seq_len) * DTYPE_BYTES[case.dtype] < available // 4:
        return

    def make() -> Callable[[], object]:
        subject = shapes_only(case, case.device)
        return lambda: [subject.module(*subject.arguments[0]) for _ in range(2)]

    needed = memory.predicted_tensor_bytes(make, gradients=True)
    if needed > available:
        raise NotEnoughMemoryError(needed, available)


def _seconds_per_sequence(case: Case, device: DeviceModule, subject: Workload, progress: Progress) -> list[float]:
    """Time the calls by the wall clock, from an idle device to an idle device."""
    taken: list[float] = []
    spent = 0.0
    output: object = None
    while len(taken) < CALLS:
        long = case.device_kind == "cpu" and spent > CPU_SECONDS
        if len(taken) >= LEAST_CALLS and (long or not progress.allows(taken[-1] * case.batch)):
            break
        arguments = make_arguments(case, inputs.noise, len(taken))
        device.synchronize(case.device)
        start = progress.clock()
        output = subject.module(*arguments)  # the previous output lives until here
        device.synchronize(case.device)
        seconds = progress.clock() - start
        taken.append(seconds / case.batch)
        spent += seconds
        progress.step()
    check_form(subject.form, output)
    return taken


def _two_calls(case: Case, subject: Workload) -> object:
    """Make two calls, each with an input of its own, and hold the first output during the second call."""
    output: object = None
    for number in range(2):
        output = subject.module(*make_arguments(case, inputs.noise, number))
    return output
