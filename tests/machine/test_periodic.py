"""Calls on a schedule, with a clock that only calls and sleeps advance, and likely causes from counters."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dctbench.machine import periodic
from dctbench.machine.periodic import Call, Counters, Observer, Releases, causes, release, sustained_rate

PERIOD, DEADLINE = 0.020, 0.010


class Silent(Observer):
    """Counts nothing, and takes no time."""

    def read(self) -> Counters:
        return Counters()


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Replace the clock. The fixture lets that many seconds pass."""
    now = [100.0]

    def forward(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(periodic, "clock", lambda: now[0])
    monkeypatch.setattr(time, "sleep", forward)
    return forward


def released(passing: Callable[[float], None], seconds: Callable[[int], float], count: int = 50) -> Releases:
    return release(int, lambda n: passing(seconds(n)), period=PERIOD, deadline=DEADLINE, count=count, observer=Silent())


def test_responses_run_from_the_intended_release(passing: Callable[[float], None]) -> None:
    """A call of 50 ms holds up the next two, although these take 4 ms: that is what a schedule feels."""
    found = released(passing, lambda n: 0.050 if n == 10 else 0.004, count=20)
    assert found.responses[9:15] == pytest.approx([0.004, 0.050, 0.034, 0.018, 0.004, 0.004])
    assert causes(found, period=PERIOD, deadline=DEADLINE) == {10: "unknown", 11: "queued", 12: "queued"}
    assert not found.late


def test_a_schedule_that_every_call_misses_ends_early_with_its_rate(passing: Callable[[float], None]) -> None:
    found = released(passing, lambda n: 0.040, count=1000)
    assert found.late
    assert len(found.calls) == periodic.LATE_CALLS
    assert found.rate == pytest.approx(25.0)
    assert set(causes(found, period=PERIOD, deadline=DEADLINE).values()) == {"compute"}


def test_slow_calls_are_given_up_sooner(passing: Callable[[float], None]) -> None:
    found = released(passing, lambda n: 3.0, count=1000)
    assert found.late
    assert len(found.calls) == periodic.LATE_LEAST


def test_a_call_in_time_is_enough_to_go_on(passing: Callable[[float], None]) -> None:
    found = released(passing, lambda n: 0.004 if n == 3 else 0.015, count=60)
    assert not found.late
    assert len(found.calls) == 60


def test_the_sustained_rate_is_that_of_the_calls_themselves(passing: Callable[[float], None]) -> None:
    rate = sustained_rate(int, lambda n: passing(0.004), prepare_new=int, slowest=PERIOD)
    assert rate == pytest.approx(250, rel=0.02)
    assert sustained_rate(int, lambda n: passing(0.030), prepare_new=int, slowest=PERIOD) is None


def test_a_call_that_remembers_its_outputs_sustains_no_higher_rate(passing: Callable[[float], None]) -> None:
    """It takes 4 ms for new values, and 0.1 ms for those that came before."""
    rate = sustained_rate(
        int, lambda n: passing(0.004 if n >= 1000 else 1e-4), prepare_new=(1000).__add__, slowest=PERIOD
    )
    assert rate is not None
    assert rate <= 250.001


def with_one_late(**counted: float) -> str:
    """Return the cause of one call of 30 ms among 40 of 4 ms, during which this was counted."""
    usual = Call(0.0, 0.004, Counters(hertz=3e9, minor=10))
    late = Call(0.0, 0.030, Counters(**{"hertz": 3e9, "minor": 10, **counted}))  # type: ignore[arg-type]
    found = Releases([*[usual] * 20, late, *[usual] * 20], 1.0, late=False)
    return causes(found, period=PERIOD, deadline=DEADLINE)[20]


@pytest.mark.parametrize(
    ("counted", "cause"),
    [
        ({}, "unknown"),
        ({"continued": 1}, "stopped"),
        ({"collecting": 0.020}, "collection"),
        ({"throttled": 0.040}, "throttled"),
        ({"waited": 0.025, "involuntary": 3}, "waited"),
        ({"waited": 0.002}, "unknown"),
        ({"waited": 0.002, "involuntary": 3}, "preempted"),
        ({"stolen": 0.030}, "stolen"),
        ({"stolen": 0.02}, "stolen"),
        ({"stolen": 0.01}, "unknown"),  # a single tick of the kernel
        ({"major": 2}, "faults"),
        ({"minor": 20_000}, "faults"),
        ({"minor": 1000}, "unknown"),
        ({"hertz": 1e9}, "clock"),
    ],
)
def test_a_likely_cause_must_account_for_the_time_or_stand_out(counted: dict[str, float], cause: str) -> None:
    assert with_one_late(**counted) == cause


def test_time_stolen_from_cores_that_the_process_may_not_use_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {1, 3}, raising=False)
    ticks = os.sysconf("SC_CLK_TCK")
    stolen = {"cpu ": 16 * ticks, "cpu0": ticks, "cpu1": 2 * ticks, "cpu2": 5 * ticks, "cpu3": 8 * ticks}
    rows = [f"{name} 1 2 3 4 5 6 7 {count} 9 10\n" for name, count in stolen.items()]
    (tmp_path / "stat").write_text("".join([*rows, "intr 12345 1 2 3 4 5 6 7 8\n"]), encoding="ascii")
    assert periodic._stolen(str(tmp_path / "stat")) == 2 + 8
    assert periodic._stolen(str(tmp_path / "absent")) == 0


def test_a_stopped_process_is_seen_as_such() -> None:
    """A planted stall: a shell stops this process in the 20th call, and continues it 80 ms later."""
    stall = f"kill -STOP {os.getpid()}; sleep 0.08; kill -CONT {os.getpid()}"

    def call(number: int) -> None:
        if number == 20:
            with subprocess.Popen(["/bin/sh", "-c", stall]):
                pass  # until the shell has ended

    before = signal.getsignal(signal.SIGCONT)
    with Observer() as observer:
        found = release(int, call, period=PERIOD, deadline=DEADLINE, count=30, observer=observer)
    late = causes(found, period=PERIOD, deadline=DEADLINE)
    assert found.responses[20] > 0.08
    assert late[20] == "stopped"
    assert late[21] == "queued"
    assert signal.getsignal(signal.SIGCONT) == before


def test_the_counters_of_a_process_grow() -> None:
    with Observer(lambda: 1.5) as observer:
        before = observer.read()
        held = bytearray(64 << 20)
        time.sleep(0.001)
        after = observer.read()
    assert after.minor > before.minor
    assert len(held) == 64 << 20
    assert after.throttled == 1.5
    assert after.waited >= before.waited


def test_a_raised_priority_says_what_became_of_it_and_is_lowered_again() -> None:
    before = os.sched_getscheduler(0)
    with periodic.raised_priority() as raised:
        inside = os.sched_getscheduler(0)
    assert os.sched_getscheduler(0) == before
    if inside == os.SCHED_FIFO:
        assert raised.scheduler == "SCHED_FIFO 50"
    else:
        assert "not allowed" in raised.scheduler
    assert raised.memory == "locked" or "not" in raised.memory
