"""Measure a case over several devices: time it as its slowest rank sees it, and count what its layer communicates."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dctbench.attention.sharded.communication import CONVENTION, Silent, rank_bounds
from dctbench.errors import UsageError
from dctbench.machine import host
from dctbench.machine.temporary import OwnedFolder
from dctbench.model import (
    Case,
    CaseWarning,
    Collective,
    Communication,
    ResultDetails,
    WarningCode,
    why_not_divided,
)
from dctbench.protocol import CaseReply, MeasureRequest
from dctbench.worker.collected import Collected
from dctbench.worker.devices import DeviceModule
from dctbench.worker.memory_need import refuse_what_cannot_fit, runs_math_attention
from dctbench.worker.metrics import flops, inputs, latency, memory
from dctbench.worker.metrics.output import check_same, form_of
from dctbench.worker.passes import Untimed, check_whole_output, measure_errors
from dctbench.worker.progress import Progress
from dctbench.worker.ranks.children import Children
from dctbench.worker.ranks.group import Group, backend, connection_lost
from dctbench.worker.ranks.member import Member, Order, build_rank, share_threads
from dctbench.worker.timed_calls import refuse_the_impossible
from dctbench.worker.what_ran import how_sampled, what_ran
from dctbench.worker.workload import SEED, Rates, Workload, make_arguments, make_module

_LEAST_SECONDS = 60.0
_MOST_SECONDS = 86_400.0
"""Bounds of the time after which a collective gives up. The time limit of the case usually ends it before."""


def measure_ranks(
    request: MeasureRequest,
    device: DeviceModule,
    *,
    sampling: latency.Sampling,
    turn: Callable[[], None] = lambda: None,
    alive: Callable[[], None] = lambda: None,
) -> CaseReply:
    """Measure a case with `ranks`, of which this process is rank 0. The further ranks are its children.

    Args:
        request: what to measure.
        device: the module of the device's kind.
        sampling: when to stop taking latency samples.
        turn: returns when it is this process's turn, if it takes turns with another.
        alive: tells the runner that the case makes progress.

    Raises:
        UsageError: for a case that is not a forward pass of a layer.
        UnsupportedError, UnavailableError: for a method without a sharded form, and for devices that are not there.
        NotEnoughMemoryError: before running a case that cannot fit.
        RankError: for a rank that ended or failed.
        WrongOutputError: for an output that differs from that of one device or between calls, or is unwritten.
        ImplausibleError: for calls that are faster than the devices can compute.
    """
    case = request.case
    _check(case, device)
    cache = request.cache or device.CACHE
    if cache == "cold":  # the cache is not emptied between two calls of one sample
        sampling = replace(sampling, calls_most=1)
    progress = Progress(sampling.limit, alive)
    seconds = min(max(sampling.limit, _LEAST_SECONDS), _MOST_SECONDS)
    collected = Collected()
    place = None if request.scratch is None else Path(request.scratch)
    with OwnedFolder("dctbench-ranks-", place) as owned, _ranks(request, owned.path, seconds, progress) as others:
        device.use(case.device)
        share_threads(case)
        torch.manual_seed(SEED)
        group = others.meet(lambda: Group(case, 0, owned.path, seconds))
        with torch.inference_mode():
            start = progress.clock()
            member = Member(case, device, group, request.rates, cache)
            collected.add("setup", progress.clock() - start)
            _measure(request, device, member, sampling, turn, progress, collected)
            member.lead(Order.END)
        group.close()
    sent = group.communicator.sent
    collected.details |= what_ran(case, device, member.module, request.rates) | device.describe(case.device)
    collected.details |= ResultDetails(
        communication=Communication(
            backend=backend(case) if group.size > 1 else "none",
            convention=CONVENTION,
            collectives={name: Collective(one.calls, one.bytes) for name, one in sent.items()},
        ),
        absent={"memory.process": "measured for one process only", "energy": "measured for one process only"},
    )
    refuse_the_impossible(case, collected)
    return collected.reply()


def _check(case: Case, device: DeviceModule) -> None:
    """Check that the method can have its form, and all of it memory, before any process starts.

    Each rank looks at its device itself: this process would hold memory of the GPUs of the others.

    Raises:
        UsageError, UnsupportedError, NotEnoughMemoryError: otherwise.
    """
    assert case.ranks is not None
    if (reason := why_not_divided(case)) is not None:
        raise UsageError(reason)
    if case.ranks > 1:
        backend(case)
    build_rank(case, Silent(0, case.ranks), "meta", None)
    if case.ranks == 1:
        refuse_what_cannot_fit(replace(case, ranks=None), device)
    else:
        refuse_what_cannot_fit(case, device, _needed_by_ranks)


def _needed_by_ranks(case: Case) -> int | None:
    """Return the bytes that a call needs of the memory of one device, which ranks on a CPU share; None if unknown."""
    assert case.ranks is not None
    ranks = case.ranks
    last = ranks - 1  # no rank has more rows

    def make() -> Callable[[], object]:
        # Under fake tensors, where the CPU stands for any device.
        layer = build_rank(case, Silent(last, ranks), "cpu", None)
        first, end = rank_bounds(case.seq_len, ranks)[last:]
        x = torch.empty(case.batch, end - first, case.dim, dtype=getattr(torch, case.dtype))
        return lambda: layer(x)

    try:
        needed = memory.predicted_tensor_bytes(make, math_attention=runs_math_attention(case))
    except Exception:
        return None
    return needed * ranks if case.device_kind == "cpu" else needed


@contextmanager
def _ranks(request: MeasureRequest, folder: Path, seconds: float, progress: Progress) -> Iterator[Children]:
    """Have the further ranks at work. If one of them fails, its reason replaces the lost connection.

    Their start, which takes as long as importing torch, does not count for the time limit of the case.
    """
    began = progress.clock()
    children = Children(request, folder, seconds, progress.step)
    progress.excuse(progress.clock() - began)
    try:
        yield children
    except Exception as error:
        failure = children.failure() if connection_lost(error) else None
        children.end(grace=0.0)
        if failure is not None:
            raise failure from error
        raise
    finally:
        children.end()


def _measure(
    request: MeasureRequest,
    device: DeviceModule,
    member: Member,
    sampling: latency.Sampling,
    turn: Callable[[], None],
    progress: Progress,
    collected: Collected,
) -> None:
    case, group = request.case, member.group
    first = member.lead(Order.FIRST)
    collected.add("first_call", first)
    collected.add("bytes.communicated", group.communicator.bytes_sent)
    sent = {name: replace(one) for name, one in group.communicator.sent.items()}
    progress.step()
    # The other ranks are no disturbance, and the kernel's counters do not separate them from other processes.
    watch = device.watch(case.device, paired=group.size > 1 or bool(sampling.turns))
    timer = LedTimer(member, progress.clock)
    samples = latency.measure(timer, sampling, watch.disturbed, turn, first=first, progress=progress)
    seen = watch.conditions()
    call = statistics.median(samples.seconds)
    untimed = Untimed(call, progress)
    collected.add("latency", *samples.seconds)
    collected.warnings += [*latency.warnings(samples), *seen.warnings, *_shared_cores(case)]
    collected.details |= seen.details | how_sampled(case, device, member.cache, samples, member.subject.drawn)
    member.lead(Order.CHECK, samples.calls_per_sample, call)
    if not request.timing_only:
        with collected.attempt("memory.tensor"):
            untimed.begin()
            collected.add("memory.tensor", member.lead(Order.MEMORY))
        collected.add("memory.state", memory.state_bytes(member.module))
        _count_flops(case, request.rates, collected)
        whole = Whole(member)
        if group.size > 1:
            with collected.attempt("comparison with one device"):
                if untimed.long:
                    untimed.begin(1 + group.size)  # the layer on one device takes about as long as all ranks together
                _check_against_one_device(case, device, whole, request.rates)
        elif not untimed.long:
            check_whole_output(member.subject, untimed, collected)
        subject = Workload(case, whole, [], member.comparable, None, form_of(case))
        measure_errors(case, device, subject, request.scratch, untimed, collected)
    group.communicator.sent = sent


def _shared_cores(case: Case) -> list[CaseWarning]:
    """Return the warning for ranks that share cores."""
    cores = host.usable_cores()
    if case.ranks is None or case.device_kind != "cpu" or case.ranks <= cores:
        return []
    return [CaseWarning(WarningCode.RANKS_SHARE_CORES, {"ranks": case.ranks, "of_cores": cores})]


def _count_flops(case: Case, rates: Rates | None, collected: Collected) -> None:
    """Count the FLOPs of all ranks together, from shapes."""
    assert case.ranks is not None
    with collected.attempt("flops"):
        counts = []
        for rank in range(case.ranks):
            communicator = Silent(rank, case.ranks)
            layer = build_rank(case, communicator, "meta", rates)
            rows = getattr(layer, "stop", case.seq_len) - getattr(layer, "start", 0)
            x = torch.empty(case.batch, rows, case.dim, dtype=getattr(torch, case.dtype), device="meta")
            counts.append(flops.count(lambda layer=layer, x=x: layer(x)))  # type: ignore[misc]
        collected.add("flops", sum(one.flops for one in counts))
        collected.details |= ResultDetails(flops_uncounted=tuple(counts[0].uncounted))


def _check_against_one_device(case: Case, device: DeviceModule, whole: Whole, rates: Rates | None) -> None:
    """Check that the ranks compute what the layer computes on one device, with the same weights and input.

    The two may do so by different products, so that they differ by the rounding of products on the device.

    Raises:
        WrongOutputError: otherwise.
    """
    layer = make_module(replace(case, ranks=None), None, rates)
    inputs.share_weights(layer, inputs.weights(case.dim, getattr(torch, case.dtype), SEED))
    [x] = make_arguments(case, inputs.noise)
    tf32 = device.tf32_products(case.device)
    check_same(case, whole(x), layer(x), f"on {case.ranks} ranks instead of one", tf32)


class Whole(nn.Module):
    """The layer of all ranks as one module: x (batch, n, dim) -> the same shape, on the CPU. It is not for timing."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self._member = member
        self._dtype = getattr(torch, member.case.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Divide the input among the ranks, and join their outputs."""
        self._member.group.order((Order.CALL,))
        return self._member.output(x).to(self._dtype)


class LedTimer(latency.Timer):
    """The timer of rank 0: it lets all ranks time the same calls."""

    def __init__(self, member: Member, clock: Callable[[], float]) -> None:
        super().__init__(lambda _: None, lambda _: None, lambda _: 0.0, clock)
        self._member = member

    def time(self, calls: int, *, keep: bool = False) -> float:
        """Return the seconds of `calls` calls on the slowest rank."""
        self.calls += calls
        return self._member.lead(Order.TIME, calls, keep)
