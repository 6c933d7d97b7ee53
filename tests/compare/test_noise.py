"""A/A noise against NumPy, and the tolerance that follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dctbench.analysis import Summary, summarise
from dctbench.compare.noise import Noise, noise
from tests.support.made import result


def side(**seconds: Sequence[float] | np.ndarray) -> list[Summary]:
    """A process of each method per round."""
    return summarise(
        result(name, 512, float(one), round=number)
        for name, values in seconds.items()
        for number, one in enumerate(values, 1)
    )


def p95(logs: np.ndarray) -> float:
    return float(np.expm1(np.quantile(np.abs(logs), 0.95)))


def medians(logs: np.ndarray) -> np.ndarray:
    return np.array([np.median(logs[i : i + 3]) for i in range(len(logs) - 2)])


def measured(base: list[Summary], head: list[Summary]) -> Noise:
    found = noise(base, head)
    assert found is not None
    return found


def test_a_case_of_too_few_pairs_is_left_out_and_no_other() -> None:
    head = {"none": [1.0, 1.1], "sdpa": [1.0, 1.1, 0.9, 1.0, 1.05, 0.95]}
    found = measured(side(none=[1.0] * 2, sdpa=[1.0] * 6), side(**head))
    assert [one.case.implementation for one in found.cases] == ["sdpa"]


def test_what_both_processes_of_a_pair_share_is_no_noise_and_the_median_of_pairs_is_what_a_gate_judges() -> None:
    rng = np.random.default_rng(0)
    drift = np.exp(rng.normal(0, 0.3, 12))
    logs = {name: rng.normal(0, 0.02, 12) for name in ("sdpa", "none")}
    head = {name: drift * np.exp(log) for name, log in logs.items()}
    found = measured(side(sdpa=drift, none=drift), side(**head))
    for one in found.cases:
        own = logs[one.case.implementation]
        assert (one.pairs, one.single, one.judged) == pytest.approx((12, p95(own), p95(medians(own))))
    assert found.single == pytest.approx(p95(np.concatenate(list(logs.values()))))
    assert found.judged == pytest.approx(p95(np.concatenate([medians(own) for own in logs.values()])))
    assert found.judged < found.single
    assert (found.quiet, found.tolerance) == (True, 0.10)


def test_a_noisy_machine_gets_the_tolerance_its_noise_asks_for_and_no_more() -> None:
    wild = np.random.default_rng(1).normal(0, 0.15, 12)
    found = measured(side(sdpa=np.ones(12)), side(sdpa=np.exp(wild)))
    assert not found.quiet
    assert found.tolerance == pytest.approx(1.5 * p95(medians(wild)))
    assert 0.10 < found.tolerance < 1.5 * p95(wild)


def test_one_pair_in_which_a_side_was_held_up_does_not_widen_the_tolerance() -> None:
    found = measured(side(sdpa=np.ones(12)), side(sdpa=[1.0] * 5 + [4.0] + [1.0] * 6))
    assert found.single > 0.5
    assert (found.judged, found.tolerance) == (0.0, 0.10)


def test_five_pairs_are_enough_for_noise_and_four_are_not() -> None:
    assert [one.pairs for one in measured(side(sdpa=np.ones(5)), side(sdpa=np.ones(5))).cases] == [5]
    assert noise(side(sdpa=np.ones(4)), side(sdpa=np.ones(12))) is None
    assert noise(side(sdpa=np.ones(12)), side(none=np.ones(12))) is None
