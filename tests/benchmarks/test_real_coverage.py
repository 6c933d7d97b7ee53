"""How often intervals hold on runs that were really measured: the counting, and what the document says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import real_coverage
from dctbench.exporters.json_document import document, dumps
from tests.support.made import ENVIRONMENT, RUN, result


def run(seconds: dict[tuple[str, float | None], list[float]]) -> dict[str, Any]:
    cases = [
        {"implementation": name, "seq_len": 512, "ratio": ratio, "seconds": times}
        for (name, ratio), times in seconds.items()
    ]
    return {"machine": "made up", "cases": cases}


def test_equal_rounds_hold_everywhere_and_know_the_ratio() -> None:
    found = real_coverage.held(run({("sdpa", None): [2e-3] * 8, ("dct-x", 4): [1e-3] * 8}), 3)
    shares = {name: value for name, value in found.items() if name != "half_width"}
    assert shares == {"ratios_others": 1, "ratios_all": 1, "latencies_others": 1, "latencies_all": 1}
    assert 0 < found["half_width"] < 1e-3  # one step of the clock is a ten-thousandth of these latencies


def test_a_window_is_held_against_the_rounds_that_are_not_in_it() -> None:
    """Two windows of three of four rounds, in which the method is constant. The round outside differs, so neither holds
    it; with all rounds neither holds their mean.
    """
    found = real_coverage.held(run({("sdpa", None): [2e-3] * 4, ("dct-x", 4): [1.5e-3, 1e-3, 1e-3, 1e-3]}), 3)
    # Of the second window only the method's own latency and ratio are wrong; the first window saw the difference.
    assert found["ratios_others"] == 0.5
    assert found["latencies_others"] == 0.75


def test_of_independent_rounds_ninety_five_percent_hold() -> None:
    """On average: all ratios of a run share its rounds of sdpa, so that one run may miss in many windows."""
    rng = np.random.default_rng(6)
    names = [("sdpa", None), *(("dct-x", float(ratio)) for ratio in range(2, 13))]
    found = []
    for _ in range(30):
        level = rng.normal(0, 0.1, 24)
        made = run({name: list(1e-3 * np.exp(level + rng.normal(0, 0.1, 24))) for name in names})
        found.append(real_coverage.held(made, 6))
    means = {name: np.mean([one[name] for one in found]) for name in found[0]}
    for figure in real_coverage.FIGURES:
        others, every = (means[f"{figure}_{truth}"] for truth in real_coverage.TRUTHS)
        assert others < every
        assert (others + every) / 2 == pytest.approx(0.95, abs=0.02)


def test_a_run_is_added_by_its_medians(tmp_path: Path) -> None:
    times = {"sdpa": [2e-3, 4e-3, 3e-3], "dct-x": [1e-3, 1e-3, 2e-3]}
    results = [
        result(name, 512, seconds, ratio=4 if name == "dct-x" else None, round=number)
        for name, rounds in times.items()
        for number, seconds in enumerate(rounds, 1)
    ]
    path = tmp_path / "rounds.json"
    path.write_text(dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results)))
    entry = real_coverage.medians(path)
    assert {one["implementation"]: one["seconds"] for one in entry["cases"]} == times
    short = [one for one in results if (one.case.implementation, one.round) != ("dct-x", 3)]
    path.write_text(dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, short)))
    with pytest.raises(SystemExit, match="dct-x r=4 was not measured in every round"):
        real_coverage.medians(path)


def test_the_committed_runs_are_of_many_rounds_and_hold_what_the_document_says() -> None:
    for one in json.loads(real_coverage.RESULTS.read_text(encoding="utf-8")):
        counts = {len(case["seconds"]) for case in one["cases"]}
        assert min(counts) >= 40
        assert len(counts) == 1
        assert len(one["cases"]) >= 10
        for window in real_coverage.WINDOWS:
            shares = real_coverage.held(one, window)
            assert 0.89 <= shares["ratios_others"] <= shares["ratios_all"] < 0.95
            assert shares["latencies_all"] < 0.9
