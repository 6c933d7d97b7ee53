"""The simulation of intervals and comparisons: small runs of it, and what it committed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.simulated import FIRST
from dctbench.compare.stored import compare_stored


@pytest.mark.parametrize("name", coverage.NOISE)
def test_each_noise_has_mean_zero_and_standard_deviation_one(name: str) -> None:
    rng = np.random.default_rng(0)
    runs = np.array([coverage.NOISE[name](rng, 6) for _ in range(20_000)])
    assert runs.mean() == pytest.approx(0, abs=0.02)
    assert runs.std() == pytest.approx(1, rel=0.05)


def test_a_small_simulation_has_all_figures_and_those_that_were_committed() -> None:
    found = coverage.first()
    assert found == json.loads(coverage.RESULTS.read_text(encoding="utf-8"))[FIRST]
    assert [row["noise"] for row in found["rows"]] == list(coverage.NOISE)
    for row in found["rows"]:
        assert 0.8 <= row["ratios"] <= 1
        assert row["found"].keys() == {"1.5", "2", "3"}
    noises = len(coverage.NOISE)
    assert len(coverage.table(found)) == 2 * (2 + noises + 3) + 3 + 2 + 2 * noises + 3 + 2 + 3 * noises + 2


def test_what_the_committed_figures_miss_of_their_targets_is_said_beside_them() -> None:
    found = json.loads(coverage.RESULTS.read_text(encoding="utf-8"))
    missed = [
        f"a false alarm in {100 * row['false_alarms']:.1f}% ({row['rounds']} rounds, {row['noise']})"
        for row in found["rows"] if row["false_alarms"] > 0.05
    ]  # fmt: skip
    missed += [
        f"{100 * row['found']['3']:.0f}% of 3x found ({row['rounds']} rounds, {row['noise']})"
        for row in found["rows"] if row["found"]["3"] < 0.85
    ]  # fmt: skip
    asked, said = coverage.targets(found)
    assert asked == (
        "At most 5% of comparisons should have a false alarm, and at least 50% of changes of 2x and 85% of changes of "
        "3x be found."
    )
    assert said == f"**Missed:** {'; '.join(missed)}."
    assert asked in coverage.table(found)
    assert said in coverage.table(found)
    good = {"rounds": 3, "noise": "lognormal", "false_alarms": 0.05, "found": {"2": 0.5, "3": 0.85}}
    assert coverage.targets({"rows": [good]})[1] == "No figure of the table misses that."


def test_a_simulated_comparison_is_that_of_the_command() -> None:
    """So the reference is among its cases, and nothing is called a change of it."""
    rng, sd = np.random.default_rng(3), np.full(4, 0.02)
    base, head = (
        coverage.recorded(name, coverage.drawn(rng, 3, coverage.NOISE["lognormal"], np.full(4, 5e-3), sd, slower))
        for name, slower in (("base", np.ones(4)), ("head", np.array([1.0, 3.0, 1.0, 1.0])))
    )
    outcome = compare_stored(base, head)
    assert outcome.exit_code == 0
    called = [(v.case.implementation, v.case.seq_len) for v in outcome.judgement.verdicts if v.kind.value == "SLOWER"]
    assert called == [("dct-x", 65)]
    assert {v.case.implementation for v in outcome.judgement.verdicts} == {"sdpa", "dct-x"}


def test_the_committed_figures_are_not_far_from_what_is_asked_for() -> None:
    rows = json.loads(coverage.RESULTS.read_text(encoding="utf-8"))["rows"]
    assert {(row["rounds"], row["noise"]) for row in rows} == {(n, name) for n in (3, 6) for name in coverage.NOISE}
    few = json.loads(coverage.RESULTS.read_text(encoding="utf-8"))["few"]
    assert all(row["ratios"] >= 0.91 and row["latencies"] >= 0.92 for row in few)
    for row in rows:
        assert row["ratios"] >= 0.93
        assert row["found"]["2"] >= 0.5
        assert row["found"]["3"] >= 0.65


def test_the_committed_statements_are_seldom_false() -> None:
    """Where the processes of every case have two speeds, a variance cannot be known; the document says so."""
    for row in json.loads(coverage.RESULTS.read_text(encoding="utf-8"))["statements"]:
        assert row["false_marks"] < row["unadjusted"] / 3
        if row["noise"] != "bimodal":
            assert row["sentences"] <= 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5
            assert row["false_marks"] <= 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5


def test_the_committed_ends_of_p99_hold_where_they_are_called_bounds() -> None:
    """Heavy tails are the exception that the document names: 30 processes show too few of them."""
    rows = json.loads(coverage.RESULTS.read_text(encoding="utf-8"))["tails"]
    assert {(row["processes"], row["noise"]) for row in rows} == {
        (n, name) for n in coverage.PROCESSES for name in coverage.NOISE
    }
    for row in rows:
        if row["processes"] >= 30:
            least = 0.8 if row["noise"] == "heavy-tailed" else 0.93
            assert row["held"]["0.95"] >= least
            assert row["held"]["0.99"] >= row["held"]["0.95"]
        else:
            assert row["held"]["0.95"] < 0.93
