"""Energy with a clock and a counter that the tests control."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dctbench.machine import energy
from dctbench.machine.energy import NoEnergyError, Windows


class Machine:
    """Uses `idle` watts, and `joules` more in each call of `seconds`. The counter is updated every `tick` seconds."""

    source = "made up"
    windows = Windows(idle=1.0, busy=2.0)
    closed = False

    def __init__(self, idle: float, joules: float, seconds: float, tick: float) -> None:
        self.now = 0.0
        self.idle = idle
        self.each = joules
        self.seconds = seconds
        self.tick = tick
        self.calls = 0
        self._history = [(0.0, 0.0)]

    def total(self) -> float:
        return self.idle * self.now + self.each * self.calls

    def joules(self) -> float:
        moment = int(self.now / self.tick + 1e-9)
        if moment != self._history[-1][0]:
            self._history.append((moment, self.total()))
        return self._history[-1][1]

    def call(self, number: int) -> None:
        assert number >= 0
        self.now += self.seconds
        self.calls += 1

    def close(self) -> None:
        self.closed = True

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def measured(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> energy.Energy:
    monkeypatch.setattr(energy, "_clock", lambda: machine.now)
    monkeypatch.setattr(energy, "_sleep", machine.sleep)
    return energy.measure(machine.call, lambda: None, machine)


def test_what_idling_uses_is_subtracted_and_the_rest_shared_among_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(idle=60.0, joules=0.5, seconds=0.004, tick=0.1)
    found = measured(machine, monkeypatch)
    assert found.joules == pytest.approx(0.5, rel=0.02)
    assert found.idle_watts == pytest.approx(60.0, rel=0.02)
    assert found.calls >= 500
    assert machine.closed


def test_the_pass_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(idle=60.0, joules=0.5, seconds=0.004, tick=0.1)
    measured(machine, monkeypatch)
    assert machine.now < 1.0 + 2.0 + 4 * 0.1 + 0.1


def test_the_pass_says_at_least_once_a_second_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(idle=60.0, joules=0.5, seconds=0.004, tick=1.0)
    machine.windows = Windows(idle=5.0, busy=10.0)
    said = [0.0]
    monkeypatch.setattr(energy, "_clock", lambda: machine.now)
    monkeypatch.setattr(energy, "_sleep", machine.sleep)
    energy.measure(machine.call, lambda: None, machine, lambda: said.append(machine.now))
    assert machine.now > 15
    assert max(after - before for before, after in pairwise([*said, machine.now])) <= 1.0
    assert machine.now <= energy.most_seconds(machine) + 0.004 == pytest.approx(15 + 4 + 0.004)


def test_a_call_longer_than_the_window_is_made_at_least_once(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(idle=60.0, joules=90.0, seconds=3.0, tick=0.1)
    found = measured(machine, monkeypatch)
    assert found.calls >= 1
    assert found.joules == pytest.approx(90.0, rel=0.05)


def test_a_stuck_counter_ends_the_pass_without_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(idle=60.0, joules=0.5, seconds=0.004, tick=1e9)
    machine.tick = 0.1
    monkeypatch.setattr(machine, "joules", lambda: 42.0)
    with pytest.raises(NoEnergyError, match="no more energy than an idle device"):
        measured(machine, monkeypatch)


def test_calls_that_cost_nothing_above_idle_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoEnergyError, match="no more energy than an idle device"):
        measured(Machine(idle=60.0, joules=-0.1, seconds=0.004, tick=0.1), monkeypatch)
