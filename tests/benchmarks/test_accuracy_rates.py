"""The simulation of verdicts on accuracy: small runs of it, and what it committed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import accuracy_rates
from benchmarks.simulated import FIRST


@pytest.mark.parametrize("name", [name for name in accuracy_rates.NOISE if name not in accuracy_rates.MEANS])
def test_each_noise_has_mean_zero_and_standard_deviation_one(name: str) -> None:
    drawn = accuracy_rates.NOISE[name](np.random.default_rng(0), 100_000)
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(1, rel=0.05)


def test_failing_seeds_move_the_mean_as_stated() -> None:
    drawn = accuracy_rates.OWN * accuracy_rates.NOISE["failing"](np.random.default_rng(0), 100_000)
    assert drawn.mean() == pytest.approx(accuracy_rates.MEANS["failing"], rel=0.05)


def test_a_small_simulation_has_all_figures_and_those_that_were_committed() -> None:
    found = accuracy_rates.first()
    assert found == json.loads(accuracy_rates.RESULTS.read_text(encoding="utf-8"))[FIRST]
    assert [row["noise"] for row in found["rows"]] == list(accuracy_rates.NOISE)
    assert len(accuracy_rates.table(found)) == 2 + len(accuracy_rates.NOISE) + 2


def test_the_committed_figures_hold_what_the_method_claims() -> None:
    found = json.loads(accuracy_rates.RESULTS.read_text(encoding="utf-8"))
    assert {(row["seeds"], row["noise"]) for row in found["rows"]} == {
        (seeds, name) for seeds in accuracy_rates.SEEDS for name in accuracy_rates.NOISE
    }
    chance = 3 * np.sqrt(0.05 / found["runs"])
    for row in found["rows"]:
        assert row["false_alarms"] <= 0.05 + chance
        if row["noise"] in ("normal", "heavy-tailed"):
            assert row["false_as_good"] <= 0.025 + chance
            assert row["false_as_good_of_eight"] <= 0.025 + chance
            assert row["kept_share_held"] >= 0.95 - chance
            assert row["resolution_held"] >= 0.95 - chance
