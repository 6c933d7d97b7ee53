"""What the program counts from a result file. Running gates is not part of the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from scipy.stats import binomtest

from benchmarks import gate_rates
from dctbench.spec import suites


@pytest.mark.parametrize(("hits", "of"), [(0, 200), (1, 10), (10, 10), (57, 60)])
def test_intervals_are_the_exact_ones(hits: int, of: int) -> None:
    expected = binomtest(hits, of).proportion_ci(method="exact")
    assert gate_rates.interval(hits, of) == pytest.approx((expected.low, expected.high))


def test_a_gate_counts_only_when_it_fails_for_what_was_planted() -> None:
    slow, beside, unsure = (
        ["dct-x", gate_rates.PLANTED_LENGTH, ratio, "latency", kind, change]
        for ratio, kind, change in ((8, "SLOWER", 1.4), (4, "SLOWER", 1.5), (4, "INCONCLUSIVE", 1.3))
    )
    elsewhere = ["dct-x", 512, 8, "latency", "SLOWER", 1.4]
    gates = [
        {"kind": "40%", "exit": 1, "seconds": 60, "verdicts": [slow, unsure]},
        {"kind": "40%", "exit": 1, "seconds": 70, "verdicts": [elsewhere]},
        {"kind": "40%", "exit": 1, "seconds": 70, "verdicts": [slow, beside]},
        {"kind": "40%", "exit": 3, "seconds": 80, "verdicts": []},
        {"kind": "same", "exit": 1, "seconds": 90, "verdicts": [elsewhere]},
        {"kind": "same", "exit": 0, "seconds": 90, "verdicts": []},
    ]
    gates = [{**gate, "at": "2026-11-24" if gate["exit"] == 0 else "2026-12-01"} for gate in gates]
    same, planted = gate_rates.counted(gates)
    assert (same["gates"], same["hits"], same["inconclusive"], same["others"]) == (2, 1, 0, 1)
    assert (planted["gates"], planted["hits"], planted["inconclusive"], planted["seconds"]) == (4, 2, 1, 70)
    assert planted["others"] == 1
    assert (planted["called"], planted["planted"], same["planted"]) == (3, 8, 0)  # one gate in two caught, 3 cases in 8
    head, _, *rows, earlier = gate_rates.table(gates)
    assert earlier == "Earlier gates that failed: the same code: 0 of 1."
    assert "| changed cases called |" in head
    assert rows[0].startswith("| the same code | 1 | 1 | 100.0% (2.5% to 100.0%) | - | - |")
    assert rows[1].startswith("| waits 40% longer | 4 | 2 | 50.0% (6.8% to 93.2%) | 3 of 8 | 1.40x | 1 | 1 |")


def test_a_table_without_gates_of_now_says_so() -> None:
    gate = {"kind": "same", "exit": 0, "seconds": 60, "verdicts": [], "at": "2026-11-24"}
    assert gate_rates.table([]) == ["No gate has been counted since 2026-11-30."]
    assert gate_rates.table([gate])[1:] == ["", "Earlier gates that failed: the same code: 0 of 1."]


def test_the_planted_cases_are_those_of_the_suite() -> None:
    axes = suites.load("ci").axes
    assert {"dct-x"} <= set(axes["impl"])
    assert list(axes["seq"]).count(gate_rates.PLANTED_LENGTH) * len(axes["ratio"]) == gate_rates.PLANTED_CASES


@pytest.mark.parametrize("kind", ["40%", "copy"])
def test_what_is_planted_is_in_the_environment_of_head_alone(tmp_path: Path, kind: str) -> None:
    python = gate_rates.environment(tmp_path, kind)
    ask = (
        "import torch, time; from dctbench.attention import build; import dctbench\n"
        f"layer = build('dct-x', seq_len={gate_rates.PLANTED_LENGTH}, dim=16, heads=2, ratio=8)\n"
        "from dctbench.attention.dct_x import DctXAttention\n"
        "print(dctbench.__file__, DctXAttention.forward.__name__, layer(torch.randn(1, 1024, 16)).shape)"
    )
    done = subprocess.run([str(python), "-P", "-c", ask], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert str(tmp_path) in done.stdout
    assert "_planted torch.Size([1, 1024, 16])" in done.stdout
