"""A/A noise against NumPy, and the tolerance that follows."""

from __future__ import annotations

import numpy as np
import pytest

from dctbench.analysis import summarise
from dctbench.compare.noise import noise
from dctbench.model import Result
from tests.support.made import result


def rounds(name: str, seconds: np.ndarray) -> list[Result]:
    return [result(name, 512, float(t), round=i) for i, t in enumerate(seconds, 1)]


def p95_of_changes(seconds: np.ndarray) -> float:
    return float(np.expm1(np.quantile(np.abs(np.diff(np.log(seconds))), 0.95)))


def test_raw_and_relative_changes_are_those_between_neighbouring_processes() -> None:
    rng = np.random.default_rng(0)
    drift = np.exp(rng.normal(0, 0.3, 12))
    sdpa, none = drift * np.exp(rng.normal(0, 0.01, 12)), 0.1 * drift * np.exp(rng.normal(0, 0.01, 12))
    found = noise(summarise([*rounds("sdpa", sdpa), *rounds("none", none)]), "sdpa")
    assert found is not None
    by_name = {one.case.implementation: one for one in found.cases}
    assert by_name["none"].raw == pytest.approx(p95_of_changes(none))
    assert by_name["none"].relative == pytest.approx(p95_of_changes(none / sdpa))
    assert by_name["sdpa"].relative is None
    assert found.relative == by_name["none"].relative
    assert found.raw > 5 * found.relative  # the reference cancels what both share
    assert found.quiet
    assert found.tolerance == 0.10


def test_a_noisy_machine_gets_the_tolerance_its_noise_asks_for() -> None:
    rng = np.random.default_rng(1)
    wild = np.exp(rng.normal(0, 0.3, 12))
    found = noise(summarise([*rounds("sdpa", np.ones(12)), *rounds("none", wild)]), "sdpa")
    assert found is not None
    assert not found.quiet
    assert found.tolerance == pytest.approx(max(0.25, 1.5 * p95_of_changes(wild)))


def test_five_rounds_are_enough_for_noise() -> None:
    found = noise(summarise([*rounds("sdpa", np.ones(5)), *rounds("none", np.ones(5))]), "sdpa")
    assert found is not None
    assert [(one.processes, one.raw) for one in found.cases] == [(5, 0.0), (5, 0.0)]


def test_too_few_rounds_or_no_reference_give_no_noise() -> None:
    assert noise(summarise([*rounds("sdpa", np.ones(4)), *rounds("none", np.ones(4))]), "sdpa") is None
    assert noise(summarise(rounds("none", np.ones(12))), "sdpa") is None


def test_processes_are_compared_within_a_round_although_the_reference_misses_some() -> None:
    drift = np.exp(np.random.default_rng(2).normal(0, 0.5, 8))
    none, sdpa = rounds("none", drift)[:7], rounds("sdpa", drift)[1:]
    found = noise(summarise([*none, *sdpa]), "sdpa")
    assert found is not None
    assert found.relative == pytest.approx(0.0, abs=1e-12)
