"""The suites for GPUs, planned on a machine without one: their size, and how long they take by estimate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.scheduler.plan import Plan, make_plan
from dctbench.spec import suites


@pytest.fixture(scope="module")
def plans() -> Iterator[dict[str, Plan]]:
    with LocalRunner(LocalSettings()) as runner:
        yield {name: make_plan(suites.load(name), runner) for name in ("gpu-quick", "gpu")}


def test_the_quick_one_has_few_cases_and_takes_less_than_its_description_says(plans: dict[str, Plan]) -> None:
    assert "under 3 minutes by estimate" in suites.load("gpu-quick").description
    assert plans["gpu-quick"].seconds < 180
    assert len(plans["gpu-quick"].cases) <= 20
    assert {case.batch for case in plans["gpu-quick"].cases} == {1, 16}


def test_the_long_one_is_planned_in_minutes_and_not_in_days(plans: dict[str, Plan]) -> None:
    assert 10 * 60 < plans["gpu"].seconds < 60 * 60


@pytest.mark.parametrize("name", ["gpu-quick", "gpu"])
def test_every_method_is_measured_with_and_without_launch_gaps(plans: dict[str, Plan], name: str) -> None:
    cases = plans[name].cases
    methods = {case.implementation for case in cases}
    assert {(case.implementation, case.engine) for case in cases} == {
        (method, engine) for method in methods for engine in ("eager", "cudagraph")
    }
    assert {case.dtype for case in cases} == {"bfloat16"}
