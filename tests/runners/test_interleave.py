"""Two processes that take turns: they never run at once, and neither waits for a dead one."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dctbench.errors import DctbenchError
from dctbench.model import Case, Result, WarningCode
from dctbench.runners import MeasureSpec
from dctbench.runners.interleave import TURNS_PER_PROCESS, Alternation, Turn
from dctbench.runners.local import LocalRunner
from dctbench.scheduler.pairs import measure_in_turns
from tests.runners.test_local import make_runner


@pytest.fixture
def runners(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[LocalRunner, LocalRunner]]:
    monkeypatch.setenv("TELLS_ITS_TIMES", str(tmp_path / "times"))
    with ExitStack() as stack:
        first, second = (stack.enter_context(make_runner(monkeypatch, timeout=60)) for _ in range(2))
        yield first, second


def pair(runners: tuple[LocalRunner, LocalRunner], *names: str) -> tuple[Result, Result]:
    cases = [Case(f"hostile:{name}", 16, 2, heads=2, head_dim=8) for name in names]
    first, second = ((runner, case, MeasureSpec(2)) for runner, case in zip(runners, cases, strict=True))
    return measure_in_turns(first, second)


def test_the_calls_of_the_two_processes_alternate_and_never_overlap(
    runners: tuple[LocalRunner, LocalRunner], tmp_path: Path
) -> None:
    results = pair(runners, "TellsItsTimes", "TellsItsTimes")
    assert [result.status for result in results] == ["ok", "ok"], [result.message for result in results]
    for result in results:
        turns, latency = result.details.turns, result.measurement("latency")
        assert latency is not None
        assert turns is not None
        assert len(turns) == TURNS_PER_PROCESS
        assert sum(turns) == len(latency.samples)
        assert result.details.others_cores is None  # the two share the processor with nobody else
        assert not any(warning.code is WarningCode.OTHER_PROCESSES for warning in result.warnings)
    calls = sorted(
        (float(began), float(ended), int(process))
        for process, began, ended in map(str.split, (tmp_path / "times").read_text().splitlines())
    )
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(calls))
    runs = [process for process, _ in itertools.groupby(process for *_, process in calls)]
    # Each warms up before its first turn and checks its output after its last.
    assert len(set(runs)) == 2
    assert len(runs) >= 2 * TURNS_PER_PROCESS


@pytest.mark.parametrize("name", ["Raises", "KillsItself", "Exits"])
def test_when_one_of_the_two_ends_the_other_is_measured(runners: tuple[LocalRunner, LocalRunner], name: str) -> None:
    for names in ((name, "Good"), ("Good", name)):
        statuses = dict(zip(names, (result.status for result in pair(runners, *names)), strict=True))
        assert statuses == {name: "error", "Good": "ok"}


def test_waiting_for_a_turn_ends_with_the_runner() -> None:
    turns, closing = Alternation(), threading.Event()
    closing.set()
    with pytest.raises(DctbenchError, match="closed"):
        Turn(turns, 1).wait(closing)
    Turn(turns, 0).wait(closing)  # it is its turn, so it does not wait
    Turn(turns, 0).leave()
    Turn(turns, 1).wait(closing)


def test_the_time_of_the_other_process_does_not_count_towards_the_timeout(
    monkeypatch: pytest.MonkeyPatch, runners: tuple[LocalRunner, LocalRunner]
) -> None:
    # All turns of the slow process together take longer than the timeout of the other one.
    with make_runner(monkeypatch, timeout=5) as impatient:
        results = pair((impatient, runners[1]), "Good", "TakesItsTime")
    assert [result.status for result in results] == ["ok", "ok"], [result.message for result in results]


def test_a_process_that_stops_during_its_turn_times_out_and_the_other_is_measured(
    monkeypatch: pytest.MonkeyPatch, runners: tuple[LocalRunner, LocalRunner]
) -> None:
    with make_runner(monkeypatch, timeout=8) as impatient:
        first, second = pair((impatient, runners[1]), "StopsItself", "Good")
    assert (first.status, second.status) == ("timeout", "ok")
