"""Code that acts beyond its own process: other processes, its parent, its response, and the state of the next case."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest

from dctbench.errors import UsageError
from dctbench.model import Case, CaseWarning, Result, WarningCode
from dctbench.runners import MeasureSpec
from dctbench.runners.local import LocalRunner, LocalSettings
from tests.reliability.test_kill_loop import carries
from tests.runners.test_local import QUICK
from tests.support import SUPPORT
from tests.support.command import MARK

ALL_ALONG = 2
"""The supervisor and the zygote, which outlive a case."""


@pytest.fixture(scope="module")
def mark() -> str:
    return uuid.uuid4().hex


@pytest.fixture(scope="module")
def runner(mark: str) -> Iterator[LocalRunner]:
    """One runner for all tests: whatever a case does, the next one is measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(SUPPORT))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv(MARK, mark)
        with LocalRunner(LocalSettings(case_timeout=60, sampling=QUICK)) as made:
            yield made


@pytest.fixture
def measured(runner: LocalRunner, mark: str) -> Iterator[Callable[[str], Result]]:
    """Measure a case and check that it leaves no process behind. At the end, check that another case is ok."""

    def measure(name: str) -> Result:
        result = runner.submit(Case(name, 16, heads=2, head_dim=8), MeasureSpec(1)).result(timeout=120)
        assert len(marked(mark)) <= ALL_ALONG
        return result

    yield measure
    assert measure("none").status == "ok"


def marked(mark: str) -> list[int]:
    """Return the living processes that the runner or its cases started."""
    return [one.pid for one in psutil.process_iter() if carries(one, mark)]


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("AnswersNaN", "error", "the answer of its process is not valid: JSON is malformed"),
        ("AnswersDeeply", "error", "the answer of its process is not valid: expected object, got array"),
        ("AnswersOkAlone", "error", "the answer of its process is not valid: the status ok without a latency"),
        ("AnswersNoise", "error", "the answer of its process is not valid: JSON is malformed"),
        ("HangsUp", "error", "it gave up its channel without a result, and did not end"),
        ("RaisesTheUnspeakable", "error", "UnspeakableError: no text available: __str__ raised RuntimeError"),
        ("RaisesBaseException", "error", "Beyond: every except clause (hostile.py:"),
        ("ExitsWhenBuilt", "error", "the implementation called sys.exit(3)"),
        ("VanishesWhenBuilt", "error", "the process ended without a result (exit code 9)"),
        ("KillsItsParent", "error", "its parent process ended or hung while it ran"),
        ("StopsItsParent", "ok", "None"),
        ("ForksAndContinues", "ok", "None"),
    ],
)
def test_acting_beyond_the_process_is_a_result_and_the_next_case_is_measured(
    measured: Callable[[str], Result], name: str, status: str, message: str
) -> None:
    result = measured(f"hostile:{name}")
    assert (result.status, str(result.message)[: len(message)]) == (status, message)
    assert bool(result.measurements) is (status == "ok")


def test_processes_that_a_case_leaves_in_sessions_of_their_own_are_ended_and_counted(
    measured: Callable[[str], Result],
) -> None:
    result = measured("hostile:LeavesOrphans")
    assert result.status == "ok"
    assert CaseWarning(WarningCode.LEFT_BEHIND, {"processes": 2}) in result.warnings


def test_a_fresh_process_is_supervised_like_a_forked_one(mark: str, runner: LocalRunner) -> None:
    with LocalRunner(replace(runner.settings, isolation="fresh", env={MARK: f"{mark}-fresh"})) as fresh:
        fresh.variables |= runner.variables | {MARK: f"{mark}-fresh"}
        case = Case("hostile:LeavesOrphans", 16, heads=2, head_dim=8)
        result = fresh.submit(case, MeasureSpec(1)).result(timeout=120)
        assert CaseWarning(WarningCode.LEFT_BEHIND, {"processes": 2}) in result.warnings
        assert not marked(f"{mark}-fresh")


def test_changes_by_one_case_do_not_affect_another(measured: Callable[[str], Result]) -> None:
    before = measured("hostile:Surroundings").message
    assert before is not None
    assert "torch.float32, 1, False" in before
    changed = measured("hostile:ChangesItsSurroundings")
    assert changed.status in ("ok", "error")
    assert measured("hostile:Surroundings").message == before


def test_a_crash_writes_no_core_dump(measured: Callable[[str], Result]) -> None:
    assert str(measured("hostile:CoreLimit").message).startswith("RuntimeError: (1, 1)")


def test_an_implementation_that_dies_when_described_does_not_affect_others(runner: LocalRunner) -> None:
    names = ["hostile:DiesWhenDescribed", "hostile:VanishesWhenBuilt", "hostile:ExitsWhenBuilt", "hostile:Good"]
    cases = [Case(name, 64) for name in (*names, "sdpa")]
    facts = runner.describe(names, cases)
    assert {name: method.uses_ratio for name, method in facts.methods.items()} == {"sdpa": False} | dict.fromkeys(
        ["hostile:Good"], True
    )
    assert [case.implementation for case, flops in facts.flops.items() if flops] == ["sdpa"]
    assert set(facts.flops) == set(cases)
    assert str(facts.unanswered).startswith("hostile:DiesWhenDescribed: ")
    assert runner.describe(["sdpa"], cases[-1:]).unanswered is None


def test_only_the_implementation_that_cannot_be_imported_is_named(runner: LocalRunner) -> None:
    with pytest.raises(UsageError, match=r"^hostile:Absent: hostile has no 'Absent'$"):
        runner.describe(["hostile:Good", "hostile:Absent", "sdpa"], [])
