"""Outputs that must not be timed, and ways in which code under test might cheat the checks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dctbench.model import Case, Result
from dctbench.runners import MeasureSpec
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.worker.metrics.output import (
    WrongOutputError,
    check_depends_on_input,
    check_form,
    check_same,
    check_written,
    form_of,
)
from tests.support import SUPPORT

CASE = Case("sdpa", 16, heads=2, head_dim=8)
QUICK = {"warmup_least": 0.0, "warmup_most": 0.01, "budget": 0.01, "samples_least": 3}


def good() -> Tensor:
    return torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (good()[:, 1:], "shape"),
        (good().double(), "torch.float64, expected torch.float32"),
        ((good(),), "is a tuple"),
        (good() / 0, "NaN or infinite"),
    ],
)
def test_an_output_of_the_wrong_form_is_refused(output: object, words: str) -> None:
    check_form(form_of(CASE), good())
    with pytest.raises(WrongOutputError, match=words):
        check_form(form_of(CASE), output)


def test_a_form_is_that_of_the_scope() -> None:
    check_form(form_of(Case("sdpa", 16, heads=2, head_dim=8, scope="attention")), good().view(1, 2, 16, 8))


def test_equal_outputs_of_different_inputs_are_refused() -> None:
    check_depends_on_input(good(), good() + 1)
    with pytest.raises(WrongOutputError, match="does not depend"):
        check_depends_on_input(good(), good())


def test_rounding_may_differ_between_calls_and_more_may_not() -> None:
    check_same(CASE, good() * (1 + 1e-6), good(), "later")
    with pytest.raises(WrongOutputError, match="later, the same input gave another output"):
        check_same(CASE, good() * 1.001, good(), "later")
    with pytest.raises(WrongOutputError, match="later, the output holds NaN"):
        check_same(CASE, good() * float("nan"), good(), "later")


def test_zeros_are_the_same_as_zeros() -> None:
    check_same(CASE, good() * 0, good() * 0, "later")
    with pytest.raises(WrongOutputError, match="another output"):
        check_same(CASE, good(), good() * 0, "later")


def test_unwritten_memory_is_detected_whatever_it_contained() -> None:
    def half() -> Tensor:
        out = torch.empty(1, 16, 16)
        out[:, :8] = 1.0
        return out

    check_written(lambda: torch.empty(1, 16, 16).copy_(good()))
    with pytest.raises(WrongOutputError, match="did not write"):
        check_written(half)


def test_the_check_for_unwritten_memory_restores_torchs_settings() -> None:
    def fails() -> Tensor:
        raise ZeroDivisionError

    for before in (False, True):
        torch.use_deterministic_algorithms(before)
        try:
            with pytest.raises(ZeroDivisionError):
                check_written(fails)
            assert torch.are_deterministic_algorithms_enabled() is before
        finally:
            torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    tests = str(SUPPORT)
    settings = LocalSettings(case_timeout=60, sampling=QUICK, env={"PYTHONPATH": tests, "OMP_NUM_THREADS": "1"})
    with LocalRunner(settings) as made:
        yield made


def measured(runner: LocalRunner, name: str, mode: str = "forward") -> Result:
    case = Case(f"hostile:{name}", 16, heads=2, head_dim=8, mode=mode)
    return runner.submit(case, MeasureSpec(1)).result(timeout=120)


def test_rows_left_unwritten_are_refused_whichever_check_sees_them_first(runner: LocalRunner) -> None:
    result = measured(runner, "LeavesRowsUnwritten")
    assert result.status == "error"
    assert any(words in str(result.message) for words in ("did not write", "another output", "NaN"))


def test_a_method_that_changes_once_it_is_timed_is_refused(runner: LocalRunner) -> None:
    result = measured(runner, "TiresAfterAWhile")
    assert (result.status, result.measurements) == ("error", ())
    assert "the same input gave another output" in str(result.message)


def test_a_method_that_remembers_outputs_by_the_address_of_their_input_is_refused(runner: LocalRunner) -> None:
    result = measured(runner, "RemembersByAddress")
    assert (result.status, result.measurements) == ("error", ())
    assert "the same input gave another output" in str(result.message)


def test_a_method_that_remembers_outputs_by_a_part_of_their_input_is_refused(runner: LocalRunner) -> None:
    result = measured(runner, "RemembersByPart")
    assert (result.status, result.measurements) == ("error", ())
    assert "does not depend on its input" in str(result.message)


def test_a_clock_that_stands_still_does_not_reach_the_timer(runner: LocalRunner) -> None:
    result = measured(runner, "StopsTheClock")
    latency = result.measurement("latency")
    assert result.status == "ok", result.message
    assert latency is not None
    assert min(latency.samples) > 0


@pytest.mark.parametrize("mode", ["backward", "train"])
def test_the_checks_hold_in_other_modes_too(runner: LocalRunner, mode: str) -> None:
    assert measured(runner, "Good", mode=mode).status == "ok"
    assert measured(runner, "TiresAfterAWhile", mode=mode).status == "error"
