"""The simulation of several runs of base: a small run of it, and what it committed."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from benchmarks import base_runs
from benchmarks.simulated import FIRST
from dctbench.model import Case


def seconds(run: base_runs.Run, case: Case) -> float:
    latency = run[case].latency
    assert latency is not None
    return latency.value


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_runs_differ_by_what_is_drawn_in_common_and_by_case(share: float) -> None:
    drawn = base_runs.runs_of_the_same_code(np.random.default_rng(0), 20, share)
    logs = np.array([
        [math.log(seconds(run, case)) - math.log(seconds(run, Case("sdpa", case.seq_len)))
         for case in run if case.implementation == "dct-x"]
        for run in drawn
    ])  # fmt: skip
    apart = logs - logs.mean(axis=0)
    common = apart.mean(axis=1).std(ddof=1)
    if share:
        assert common == pytest.approx(0.15, rel=0.4)
    else:  # besides, the processes of a case differ
        assert common < 0.05
        assert apart.std() > 0.14


def test_a_small_simulation_has_all_figures_and_those_that_were_committed() -> None:
    found = base_runs.first()
    assert found == json.loads(base_runs.RESULTS.read_text(encoding="utf-8"))[FIRST]
    assert [(row["bases"], row["share"]) for row in found["rows"]] == [
        (bases, share) for bases in base_runs.BASES for share in base_runs.SHARES
    ]
    assert len(base_runs.table(found)) == 2 + len(found["rows"]) + 2


def test_the_committed_changes_hold_about_as_often_as_they_say() -> None:
    for row in json.loads(base_runs.RESULTS.read_text(encoding="utf-8"))["rows"]:
        assert 0.91 <= row["held"] <= 0.99
        assert row["false_alarms"] <= 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5
