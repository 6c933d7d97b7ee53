"""Ceilings and rates come from operations that really run; their values depend on the machine."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest
import torch

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
