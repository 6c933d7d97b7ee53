"""What the program of a bundle measures beside times: the energy of a call, and its own memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dctbench.bundle import target
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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no procfs")
def test_memory_is_that_of_the_program_and_not_of_what_started_it() -> None:
    held = bytearray(200 << 20)  # a parent that is larger than the child will be
    held[::4096] = b"x" * len(held[::4096])
    code = "from dctbench.bundle import target; print(target.most_resident())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1 << 20 < int(done.stdout) < 150 << 20
