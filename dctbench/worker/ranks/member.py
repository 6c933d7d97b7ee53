"""What every rank of a case does, in step with the others: make its layer and inputs, and carry out orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from time import perf_counter

import torch
from torch import Tensor

from dctbench.attention.sharded import build_sharded
from dctbench.attention.sharded.communication import Communicator
from dctbench.errors import DctbenchError
from dctbench.model import Case
from dctbench.worker import threads
from dctbench.worker.devices import Cache, DeviceModule
from dctbench.worker.metrics import inputs, latency
from dctbench.worker.metrics.output import Form, check_form
from dctbench.worker.passes import Untimed
from dctbench.worker.progress import Progress
from dctbench.worker.ranks.group import Group, connection_lost
from dctbench.worker.timed_calls import check_timed_calls
from dctbench.worker.workload import SEED, Rates, Workload, make_arguments, planner_options

# Bound before any implementation is imported, so that none can replace the clock.
_clock = perf_counter


class Order(IntEnum):
    """What rank 0 tells all ranks, itself included; the comment names the numbers that come with it."""

    END = 0
    FIRST = 1
    TIME = 2  # calls; whether to keep the output of the last one
    CHECK = 3  # calls of a sample; seconds of a call
    CALL = 4
    MEMORY = 5


def build_rank(case: Case, communicator: Communicator, device: str, rates: Rates | None) -> torch.nn.Module:
    """Return the layer of one rank.

    Raises:
        UsageError, UnsupportedError: for a shape or method that has no sharded form.
    """
    layer = build_sharded(
        case.implementation,
        communicator=communicator,
        seq_len=case.seq_len,
        dim=case.dim,
        heads=case.heads,
        ratio=case.ratio,
        kept=case.kept,
        dtype=getattr(torch, case.dtype),
        device=device,
        **planner_options(case, rates),
    )
    return layer.eval()


def share_threads(case: Case) -> None:
    """Give this rank its share of the threads that the case may use: at least one."""
    assert case.ranks is not None
    threads.use(case.threads)
    share = max(1, torch.get_num_threads() // case.ranks) if case.device_kind == "cpu" else torch.get_num_threads()
    torch.set_num_threads(share)


class Member:
    """One rank with its layer and its rows of the inputs.

    Args:
        case: with `ranks`, and the device of rank 0.
        device: the module of its device's kind.
        group: of this rank.
        rates: this machine's rates for the transform planner.
        cache: what the last-level cache holds when a timed call begins.
    """

    def __init__(self, case: Case, device: DeviceModule, group: Group, rates: Rates | None, cache: Cache) -> None:
        self.case, self.device, self.group, self.cache = case, device, group, cache
        self.name = case.devices[group.rank]
        self._sweep = device.stopwatch(self.name, "cold") if cache == "cold" else None
        self._stopwatch = device.stopwatch(self.name, "warm")
        self.module = build_rank(case, group.communicator, self.name, rates)
        self.comparable = inputs.share_weights(self.module, inputs.weights(case.dim, getattr(torch, case.dtype), SEED))
        first, *rotating = [
            self._rows(make_arguments(replace(case, device="cpu"), inputs.noise, number)[0])
            for number in range(1 + inputs.ROTATION)
        ]
        form = Form(tuple(first.shape), first.dtype)
        arguments = [(rows,) for rows in rotating]
        self.subject = Workload(case, self.module, arguments, self.comparable, None, form, (first,))
        self.timer = latency.Timer(
            self.subject.prepare, self.subject.call, self._together, _clock, renew=self.subject.renew
        )
        self.expected = first

    def follow(self) -> None:
        """Carry out the orders of rank 0 until it ends the case."""
        while True:
            order, *numbers = self.group.order()
            if order == Order.END:
                return
            self.carry_out(Order(int(order)), *numbers)

    def lead(self, order: Order, *numbers: float) -> float:
        """Tell all ranks what to do, do it as well, and return the figure that it gives (rank 0)."""
        self.group.order((order, *numbers))
        return self.carry_out(order, *numbers)

    def carry_out(self, order: Order, first: float = 0, second: float = 0) -> float:
        """Do what an order says, in step with the other ranks, and return its figure, which is the same on all."""
        match order:
            case Order.FIRST:
                return self._first_call()
            case Order.TIME:
                return self.timer.time(int(first), keep=bool(second))
            case Order.CHECK:
                untimed = Untimed(second, Progress())
                check_timed_calls(self.case, self.subject, self.expected, self.timer, int(first), untimed)
            case Order.CALL:
                self.output(torch.empty(self.case.batch, self.case.seq_len, self.case.dim, dtype=self.expected.dtype))
            case Order.MEMORY:
                return self._peak_bytes()
            case Order.END:
                pass
        return 0.0

    def output(self, whole: Tensor) -> Tensor:
        """Return the output of all ranks (batch, n, dim) for the input of rank 0 (batch, n, dim), in float64."""
        rows = self._rows(self.group.shared(whole))
        return self.group.joined(check_form(self.subject.form, self.module(rows)))

    def _rows(self, whole: Tensor) -> Tensor:
        """Return the rows of this rank on its device, in memory of their own."""
        return whole[:, self.group.positions].to(self.name).clone(memory_format=torch.contiguous_format)

    def _first_call(self) -> float:
        """Make the first call, and count what it sends."""
        prepared = self.subject.prepare_first()
        self.group.communicator.sent.clear()
        self.device.synchronize(self.name)
        self.group.wait()
        start = _clock()
        output = self.subject.call(prepared)
        self.device.synchronize(self.name)
        seconds = _clock() - start
        self.expected = check_form(self.subject.form, output).detach().clone()
        return self.group.largest(seconds)

    def _peak_bytes(self) -> float:
        """Return the bytes of the rank that needs most. If a rank fails, rank 0 raises the error and the others go on.

        If it fails between two collectives of the call, the others wait in the second one until that gives up.
        """
        failure: Exception | None = None
        peak = 0.0
        try:
            prepared = self.subject.prepare(0)
            peak = self.device.peak_tensor_bytes(self.name, lambda: self.subject.call(prepared))
        except Exception as error:
            if connection_lost(error):
                raise
            failure = error
        failed = self.group.largest(float(failure is not None))
        peak = self.group.largest(peak)
        if failed and self.group.rank == 0:
            raise failure or DctbenchError("it failed on another rank")
        return peak

    def _together(self, run: Callable[[], object]) -> float:
        """Return the seconds of the slowest rank; all of them begin at the same moment."""
        if self._sweep is not None:
            self._sweep(lambda: None)
        self.group.wait()
        return self.group.largest(self._stopwatch(run))
