"""Ceilings and rates come from operations that really run; their values depend on the machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dctbench.machine.calibration import Calibration
from dctbench.transforms import CostModel, plan_dct
from dctbench.worker.metrics import ceilings


def nothing() -> None:
    """Do nothing: a CPU call returns when it is done."""


@pytest.fixture(autouse=True)
def _briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "GEMM_SIZES", (32, 64))
    monkeypatch.setattr(ceilings, "LEAST_SAMPLE", 1e-5)
    monkeypatch.setattr(ceilings, "RATE_SECONDS", 1e-4)
    monkeypatch.setattr(ceilings, "LEAST_BUFFER", 1 << 20)
    monkeypatch.setattr(ceilings, "MOST_BUFFER", 1 << 20)
    monkeypatch.setattr(ceilings, "DTYPES", ("float32", "bfloat16"))


def test_a_calibration_has_a_ceiling_and_rates_for_every_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "GEMM_SECONDS", 1e-4)
    monkeypatch.setattr(ceilings, "COPY_SECONDS", 1e-4)
    found = ceilings.calibrate("cpu", nothing)
    assert set(found.gemm) == set(found.cost_models) == {"float32", "bfloat16"}
    assert set(found.spread) == {"gemm float32", "gemm bfloat16", "copy", "planner float32", "planner bfloat16"}
    assert found.threads == torch.get_num_threads()
    numbers = [*found.gemm.values(), found.bandwidth, *(x for m in found.cost_models.values() for x in m.values())]
    assert all(math.isfinite(number) and number > 0 for number in numbers)
    assert Calibration.from_json(found.to_json()) == found


def test_the_rates_are_a_cost_model_that_the_planner_takes() -> None:
    model = ceilings.cost_model(torch.float32, "cpu", nothing)
    assert CostModel(**asdict(model)) == model
    assert str(plan_dct(1024, 128, 512, cost_model=model))


def test_the_best_round_counts_and_a_ceiling_seen_once_is_doubtful() -> None:
    quiet, disturbed = CostModel(call=1, gemm=8, fft=1), CostModel(call=2, gemm=4, fft=2)
    assert ceilings.best_of([disturbed, quiet]) == CostModel(call=1, gemm=8, fft=2)
    assert ceilings.quickest([5.0, 1.0, 4.0]) == 4.0
    assert ceilings.best_two_difference([3.0, 9.0, 6.0]) == pytest.approx(0.5)
    assert ceilings.best_two_difference([3.0]) == 0


def test_samples_are_seconds_per_call_after_the_first_two(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    took = iter([1.0, 4.0, 2.0, 3.0, 9.0])
    calls = 0

    def clock() -> float:
        return now

    def operation() -> None:
        nonlocal now, calls
        now += next(took)
        calls += 1

    monkeypatch.setattr(ceilings, "_clock", clock)
    assert ceilings._samples(operation, nothing, 0.0) == [2.0, 3.0, 9.0]
    assert calls == 5
    took = iter([1e-9, 1e-9, 5.0, 6.0, 7.0])
    assert ceilings._samples(operation, nothing, 0.0, 1) == [5.0, 6.0, 7.0]


class Timed:
    """Stands in for `_samples`: calls each operation once, counts its FLOPs with torch, and gives prepared times.

    The time that should count is neither the first, nor the last, nor the smallest.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
        self.left = list(seconds)
        self.flops: list[int] = []
        self.calls: list[int | None] = []
        monkeypatch.setattr(ceilings, "_samples", self)

    def __call__(self, operation: Callable[[], object], *given: object) -> list[float]:
        with FlopCounterMode(display=False) as counter:
            operation()
        self.flops.append(counter.get_total_flops())
        self.calls.append(given[2] if len(given) > 2 else None)  # type: ignore[arg-type]
        took = self.left.pop(0)
        return [3 * took, took, 0.5 * took, 2 * took]


def test_a_matrix_product_ceiling_is_the_work_of_the_product_over_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "GEMM_SIZES", (16, 32, 64, 128))
    timed = Timed(monkeypatch, 1e-6, 2e-6, 4e-6, 100e-6)
    found = ceilings.gemm_ceiling(torch.float32, "cpu", nothing)
    assert timed.flops == [2 * size**3 for size in (16, 32, 64, 128)]
    assert found == pytest.approx(2 * 64**3 / 4e-6)


@pytest.mark.parametrize(
    ("seconds", "tried"),
    [((1e-6, 7e-6, 56e-6), 3), ((1e-6, 9e-6, 72e-6), 2), ((0.031, 0.24, 1.8), 2), ((0.032, 0.24, 1.8), 1)],
)
def test_larger_products_are_tried_while_the_rate_rises_and_they_are_short(
    monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, ...], tried: int
) -> None:
    """A rate under 90% of the best ends it, and so does a product whose successor would take over 0.25 s."""
    monkeypatch.setattr(ceilings, "GEMM_SIZES", (16, 32, 64))
    timed = Timed(monkeypatch, *seconds)
    ceilings.gemm_ceiling(torch.float32, "cpu", nothing)
    assert len(timed.flops) == tried


def test_a_copy_reads_and_writes_each_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    Timed(monkeypatch, 1e-3)
    assert ceilings.copy_ceiling("cpu", nothing, None) == pytest.approx(2 * (1 << 20) / 1e-3)


@pytest.mark.parametrize(("cache", "expected"), [(None, 1 << 10), (1 << 9, 1 << 12), (1 << 20, 1 << 14)])
def test_a_copy_is_of_eight_times_the_cache_within_bounds(
    monkeypatch: pytest.MonkeyPatch, cache: int | None, expected: int
) -> None:
    monkeypatch.setattr(ceilings, "LEAST_BUFFER", 1 << 10)
    monkeypatch.setattr(ceilings, "MOST_BUFFER", 1 << 14)
    Timed(monkeypatch, 1.0)
    assert ceilings.copy_ceiling("cpu", nothing, cache) == 2 * expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_rates_are_work_over_time_without_that_of_a_call(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    """At least half of the time counts: the small product takes hardly longer than a call."""
    timed = Timed(monkeypatch, 5e-6, 1e-3, 1.5e-6, 2e-3, 4e-3)
    found = ceilings.cost_model(dtype, "cpu", nothing)
    assert found.call == pytest.approx(1e-6)
    assert timed.calls == [1, None, None, None, None]
    assert found.gemm == pytest.approx(timed.flops[1] / (1e-3 - 1e-6))
    assert found.small_gemm == pytest.approx(timed.flops[2] / 0.75e-6)
    # 2.5 n log2(n) for a real FFT, half of the 5 n log2(n) of a complex one, for 128 columns.
    assert found.fft == pytest.approx(2.5 * 4096 * 12 * 128 / (2e-3 - 1e-6))
    assert found.bandwidth == pytest.approx(2 * (16 << 20) / (4e-3 - 1e-6))
