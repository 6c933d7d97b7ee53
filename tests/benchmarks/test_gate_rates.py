"""What the program counts from a result file. Running gates is not part of the tests."""

from __future__ import annotations

import json
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


@pytest.fixture
def one_gate_of_each(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One gate of two kinds is enough, and each passes without being run. Returns the tolerances they were given."""
    given: list[str] = []

    def check(*arguments: str, **about: object) -> subprocess.CompletedProcess[str]:
        command = list(arguments[0])
        if "check" not in command:
            return run(*arguments, **about)  # type: ignore[no-any-return, call-overload]
        given.append(command[command.index("--tolerance") + 1])
        return subprocess.CompletedProcess(command, 0, stdout='{"verdicts": []}')

    run = subprocess.run
    monkeypatch.setattr(gate_rates, "KINDS", {"same": 1, "copy": 1})
    monkeypatch.setattr(gate_rates, "environment", lambda folder, kind: (folder.mkdir(exist_ok=True), folder)[1])
    monkeypatch.setattr(subprocess, "run", check)
    return given


def test_the_printed_rates_are_those_of_the_documents(
    one_gate_of_each: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An earlier gate, which failed, is in a line of its own and not in the rate."""
    results = tmp_path / "gates.jsonl"
    earlier = {"kind": "same", "exit": 1, "seconds": 60, "verdicts": [], "at": "2026-11-24"}
    results.write_text(json.dumps(earlier) + "\n")
    gate_rates.main(["--results", str(results)])
    said = capsys.readouterr().out
    assert "| the same code | 1 | 0 | 0.0% (0.0% to 97.5%) |" in said
    assert said.endswith("\nEarlier gates that failed: the same code: 1 of 1.\n")


def test_each_gate_records_its_tolerance(one_gate_of_each: list[str], tmp_path: Path) -> None:
    results = tmp_path / "gates.jsonl"
    gate_rates.main(["--results", str(results), "--tolerance", "5%"])
    assert [gate["tolerance"] for gate in gate_rates.read(results)] == one_gate_of_each == ["5%", "5%"]
    gate_rates.main(["--results", str(results), "--tolerance", "5%"])  # the file takes more of them


@pytest.mark.parametrize("file", ["default", "without tolerances", "at 10%"])
def test_a_result_file_holds_gates_of_one_tolerance(
    file: str, one_gate_of_each: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = {"kind": "same", "exit": 0, "seconds": 60, "verdicts": [], "at": "2026-12-01"}
    results = gate_rates.RESULTS if file == "default" else tmp_path / "gates.jsonl"
    if file != "default":
        results.write_text(json.dumps({**gate, **({"tolerance": "10%"} if file == "at 10%" else {})}) + "\n")
    before = results.read_bytes()
    with pytest.raises(SystemExit) as ended:
        gate_rates.main(["--results", str(results), "--tolerance", "5%"])
    assert ended.value.code == 2
    assert "is for a tolerance of 10%: name another with --results" in capsys.readouterr().err
    assert one_gate_of_each == []
    assert results.read_bytes() == before


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
