"""How the settings of a run become what its processes do."""

from __future__ import annotations

import math

import pytest

from dctbench.model import Case, RunSettings
from dctbench.scheduler.pace import Pace, most_rounds, pace_of

P99 = 299
"""The least n with 1 - 0.99^n >= 0.95."""


def test_the_usual_settings_spread_twenty_samples_two_seconds_and_the_calls_of_a_p99_over_the_rounds() -> None:
    assert 1 - 0.99**P99 >= 0.95 > 1 - 0.99 ** (P99 - 1)
    assert pace_of(RunSettings(rounds=4)) == Pace(
        samples_least=20 - 3 * 3, budget=2 / 4, later_samples=3, limit=120.0, releases=math.ceil(P99 / 4)
    )
    assert pace_of(RunSettings(rounds=1)).samples_least == 20
    assert pace_of(RunSettings(rounds=10)).budget == 0.4


def test_everything_that_was_asked_for_reaches_the_processes() -> None:
    asked = RunSettings(
        rounds=7, samples=100, isolation="fresh", energy=False, case_timeout=9.0, priority=True, search="rate",
        protocol="authors",
    )  # fmt: skip
    assert pace_of(asked) == Pace(
        isolation="fresh", energy=False, samples_least=15, budget=0.4, later_samples=15, exactly=True, limit=9.0,
        releases=15, priority=True, search=True, by_authors=True,
    )  # fmt: skip
    assert pace_of(RunSettings(rounds=7, samples=4)).samples_least == 3
    assert pace_of(RunSettings(rounds=200, samples=None)).releases == 3


def test_a_later_round_warms_up_and_samples_for_a_moment_only() -> None:
    first = {"samples_least": 20, "budget": 2.0, "releases": 60, "priority": 0, "search": 0}
    later = {"samples_least": 3, "budget": 0.06, "warmup_least": 0.06, "warmup_most": 0.3}
    assert Pace().sampling(1) == first
    assert Pace().sampling(2) == {**first, **later}


def test_samples_that_were_asked_for_are_single_calls_however_long_they_take() -> None:
    pace = Pace(exactly=True, priority=True, search=True, releases=9)
    assert pace.sampling(1) == {
        "samples_least": 20, "budget": 2.0, "releases": 9, "priority": 1, "search": 1, "long_seconds": 1e9,
        "calls_most": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("isolation", "device", "forked"),
    [("auto", "cpu", True), ("auto", "cuda:0", False), ("zygote", "cuda:0", True), ("fresh", "cpu", False)],
)
def test_processes_are_forked_where_nothing_forbids_it(isolation: str, device: str, forked: bool) -> None:
    assert Pace(isolation=isolation).forked(Case("sdpa", 64, device=device)) is forked  # type: ignore[arg-type]


def test_a_plan_without_cases_has_one_round() -> None:
    assert most_rounds({}) == 1
    assert most_rounds({Case("sdpa", 64): 2, Case("sdpa", 128): 5}) == 5
