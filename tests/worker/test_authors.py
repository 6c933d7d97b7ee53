"""The protocol of DCT-Former's authors: which calls it makes, and what their memory is."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch

from dctbench.model import Case
from dctbench.worker import authors
from dctbench.worker.authors import measure_by_authors
from dctbench.worker.devices import cpu
from dctbench.worker.memory_need import NotEnoughMemoryError
from dctbench.worker.progress import Progress

CASE = Case("none", 64, batch=4, heads=2, head_dim=8)


class Clock:
    """A clock on which each interval between two readings takes the next of these times; the last one repeats."""

    def __init__(self, *intervals: float) -> None:
        self.times = self._times(intervals)

    @staticmethod
    def _times(intervals: tuple[float, ...]) -> Iterator[float]:
        now = 0.0
        while True:
            for interval in intervals:
                yield now
                now += interval

    def __call__(self) -> float:
        return next(self.times)


def figures(case: Case, clock: Clock | None = None, limit: float = 1e9) -> dict[str, list[float]]:
    progress = Progress(limit) if clock is None else Progress(limit, clock=clock)
    reply = measure_by_authors(case, cpu, progress, None)
    assert reply.status == "ok"
    return {one.metric: one.samples for one in reply.measurements}


def test_fifty_calls_are_timed_from_the_very_first_each_on_another_input_with_gradients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[bool, bool, float]] = []

    def watched(module: Any, inputs: Any, output: Any) -> None:
        if type(module).__name__ == "NoAttention":
            seen.append((output.requires_grad, module.training, float(inputs[0][0, 0, 0])))

    hook = torch.nn.modules.module.register_module_forward_hook(watched)
    try:
        taken = figures(CASE)["authors.latency"]
    finally:
        hook.remove()
    assert len(taken) == 50
    timed, profiled = seen[:50], seen[50:]
    assert len(profiled) == 2
    assert {(gradients, training) for gradients, training, _ in seen} == {(True, False)}
    assert len({value for *_, value in timed}) == 50


def test_a_call_is_divided_by_the_batch_and_long_ones_on_a_processor_end_after_ten_seconds() -> None:
    # The clock is read at the start, and then at the beginning and end of each call and once after it.
    assert len(figures(CASE, Clock(1e-3))["authors.latency"]) == 50
    slow = figures(CASE, Clock(4.0))["authors.latency"]
    assert slow == [pytest.approx(1.0)] * 3  # 4 s by a batch of 4, and 12 s are more than 10
    assert len(figures(CASE, Clock(2.5))["authors.latency"]) == 5
    assert len(figures(CASE, Clock(2.5), limit=20.0)["authors.latency"]) < 5


def test_memory_has_weights_and_two_calls_whose_backward_passes_could_still_run() -> None:
    """A layer without attention keeps its input, the projected values and its output: three tensors a call."""
    tensor = 4 * CASE.batch * CASE.seq_len * CASE.dim
    weights = 4 * 2 * (CASE.dim**2 + CASE.dim)
    assert figures(CASE)["authors.memory"] == [(weights + 2 * 3 * tensor) / CASE.batch]


def test_what_cannot_fit_twice_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 heads of 4096 x 4096 scores are 1 GiB, softmax keeps them, and two calls of four blocks hold them at once."""
    case = Case("full", 4096, batch=1, heads=16, head_dim=4, scope="encoder")
    few = ModuleType("cpu")
    few.__dict__.update({**vars(cpu), "memory_bytes": lambda name: 4 << 30})
    with pytest.raises(NotEnoughMemoryError) as refused:
        measure_by_authors(case, few, Progress(), None)
    assert refused.value.needed > 8 << 30


def test_the_constants_are_those_that_estimates_use() -> None:
    from dctbench.scheduler import estimate

    assert (authors.CALLS, authors.LEAST_CALLS, authors.CPU_SECONDS) == (
        estimate.AUTHORS_CALLS, estimate.AUTHORS_LEAST_CALLS, estimate.AUTHORS_CPU_SECONDS,
    )  # fmt: skip
