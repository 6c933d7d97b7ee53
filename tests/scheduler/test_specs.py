"""How each case of a run is measured in each round."""

from __future__ import annotations

from dctbench.model import Case
from dctbench.runners import MeasureSpec
from dctbench.scheduler.pace import Pace
from dctbench.scheduler.specs import Specs
from tests.support.made import CALIBRATION

CASE, OTHER = Case("sdpa", 64), Case("sdpa", 128, device="cuda:0")


def test_without_settings_a_case_is_measured_as_the_runner_does() -> None:
    assert Specs().of(CASE, 3) == MeasureSpec(3, {}, None)


def test_a_case_has_the_pace_of_its_round_its_budget_and_its_own_sampling_in_that_order() -> None:
    specs = Specs(
        sampling={CASE.id: {"samples_least": 99.0}},
        calibrations={"cpu": CALIBRATION},
        pace=Pace(),
        budgets={(CASE.id, 2): 7.0, (OTHER.id, 1): 8.0},
    )
    assert specs.of(CASE, 1) == MeasureSpec(1, {**Pace().sampling(1), "samples_least": 99.0}, CALIBRATION)
    assert specs.of(CASE, 2) == MeasureSpec(
        2, {**Pace().sampling(2), "samples_least": 99.0, "budget": 7.0}, CALIBRATION
    )
    assert specs.of(OTHER, 1) == MeasureSpec(1, {**Pace().sampling(1), "budget": 8.0}, None)
    assert specs.of(OTHER, 2) == MeasureSpec(2, Pace().sampling(2), None)
