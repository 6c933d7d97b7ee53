"""How each case of a run is measured in each round."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.machine.calibration import DISTURBING_CORES, Calibration
from dctbench.model import Case
from dctbench.runners import MeasureSpec
from dctbench.scheduler.pace import Pace
from dctbench.scheduler.specs import Specs
from tests.support.made import CALIBRATION

CASE, OTHER = Case("sdpa", 64), Case("sdpa", 128, device="cuda:0")
RATES = {"call": 0.0, "gemm": 1.0, "small_gemm": 1.0, "fft": 1e18, "bandwidth": 1e18}


def test_without_settings_a_case_is_measured_as_the_runner_does() -> None:
    assert Specs().of(CASE, 3) == MeasureSpec(3, {}, None)


def test_a_case_has_the_pace_of_its_round_its_budget_and_its_own_sampling_in_that_order() -> None:
    specs = Specs(
        sampling={CASE.id: {"samples_least": 99.0}},
        calibrations={"cpu": replace(CALIBRATION, cost_models={"float32": RATES})},
        pace=Pace(),
        budgets={(CASE.id, 2): 7.0, (OTHER.id, 1): 8.0},
    )
    assert specs.of(CASE, 1) == MeasureSpec(1, {**Pace().sampling(1), "samples_least": 99.0}, RATES)
    assert specs.of(CASE, 2) == MeasureSpec(2, {**Pace().sampling(2), "samples_least": 99.0, "budget": 7.0}, RATES)
    assert specs.of(OTHER, 1) == MeasureSpec(1, {**Pace().sampling(1), "budget": 8.0}, None)
    assert specs.of(OTHER, 2) == MeasureSpec(2, Pace().sampling(2), None)


@pytest.mark.parametrize(
    ("case", "others", "used"),
    [
        (Case("dct-x", 512, 4), 0.0, True),
        (Case("dct-x", 512, 4, threads=2), 0.0, True),
        (Case("dct-x", 512, 4, threads=1), 0.0, False),
        (Case("dct-x", 512, 4, dtype="bfloat16"), 0.0, False),
        (Case("dct-x", 512, 4, device="cuda:0"), 0.0, False),
        (Case("dct-x", 512, 4), DISTURBING_CORES, False),
    ],
)
def test_calibrated_rates_are_used_with_the_threads_and_the_dtype_that_they_were_measured_with(
    case: Case, others: float, used: bool
) -> None:
    calibration = Calibration("cpu", 2, {}, 1e10, None, cost_models={"float32": RATES}, others=others)
    assert Specs(calibrations={"cpu": calibration}).of(case, 1).rates == (RATES if used else None)
