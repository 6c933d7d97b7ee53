"""What the program of a bundle measures beside times: the energy of a call, and its own memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dctbench.bundle import board, target
from dctbench.machine import power_meters
from dctbench.machine.energy import Windows


class Board:
    """Draws a joule at each call, and nothing else."""

    source = "a made-up sensor, the whole board"
    tick = 1e-3
    windows = Windows(idle=0.01, busy=0.02)
    calls = 0

    def joules(self) -> float:
        return float(self.calls)

    def close(self) -> None:
        pass

    def call(self, number: int) -> None:
        self.calls += 1


def test_the_energy_of_a_call_says_which_sensor_measured_it(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    monkeypatch.setattr(power_meters, "find", lambda: board)
    found = target.energy_of(board.call)
    assert found["joules"] == pytest.approx(1.0, rel=0.1)
    assert found["energy"]["source"] == "a made-up sensor, the whole board"
    assert found["energy"]["idle_watts"] == 0


def test_without_a_meter_the_reason_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = power_meters.find
    monkeypatch.setattr(power_meters, "find", lambda: find(tmp_path))
    assert "no energy meter" in target.energy_of(lambda number: None)["energy.absent"]


def test_a_counter_that_only_root_may_read_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "powercap" / "intel-rapl:0"
    package.mkdir(parents=True)
    (package / "name").write_text("package-0\n")
    find = power_meters.find
    monkeypatch.setattr(power_meters, "find", lambda: find(tmp_path))
    said = target.energy_of(lambda number: None)["energy.absent"]
    assert str(package / "energy_uj") in said
    assert said.endswith("; root can allow it until the next restart: chmod a+r on that file")


def test_energy_is_measured_until_a_case_has_it_and_not_in_every_round(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = {"a": iter([None, 2.0]), "b": iter([3.0])}
    asked: list[tuple[str, bool]] = []

    def process(case_id: str, most: float, *, priority: bool, with_energy: bool) -> dict[str, Any]:
        asked.append((case_id, with_energy))
        joules = next(answers[case_id]) if with_energy else None
        metrics = {} if joules is None else {"energy": [joules]}
        return {"status": "ok", "message": None, "latency": [1e-3], "metrics": metrics, "details": {}}

    facts = {**dict.fromkeys(board.STABLE, "x"), "host": "board"}
    cases = [{"case_id": name, "name": name, "case": {"seq_len": 8, "period": None}} for name in "ab"]
    bundle = {
        "id": "1", "cases": cases, "left_out": [], "rounds": 2, "samples": 7, "schema_version": 1, "label": None,
        "suite": "quick", "dctbench_version": "0", "releases": 3, "case_timeout": 60.0, "energy": True,
    }  # fmt: skip
    monkeypatch.setattr(target, "in_a_process", process)
    monkeypatch.setattr(board, "environment", lambda: facts)
    path = tmp_path / "results.json"
    for _ in range(2):  # the second time it adds to what the first wrote
        assert target.run_all(bundle, 2, path, priority=False, with_energy=True) == 0
    assert [energy for name, energy in asked if name == "a"] == [True, True, False, False]
    assert [energy for name, energy in asked if name == "b"] == [True, False, False, False]
    stored = {one["case_id"]: one["metrics"]["energy"]["value"] for one in json.loads(path.read_text())["results"]}
    assert stored == {"a": 2.0, "b": 3.0}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no procfs")
def test_memory_is_that_of_the_program_and_not_of_what_started_it() -> None:
    held = bytearray(200 << 20)  # a parent that is larger than the child will be
    held[::4096] = b"x" * len(held[::4096])
    code = "from dctbench.bundle import board; print(board.most_resident())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1 << 20 < int(done.stdout) < 150 << 20
