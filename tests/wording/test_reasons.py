"""Reasons in words: every code has a sentence with its values in it."""

from __future__ import annotations

from typing import Any

import pytest

from dctbench.model import Reason, ReasonCode
from dctbench.wording.reasons import reason_line, reason_text

SENTENCES: list[tuple[ReasonCode, dict[str, Any], str]] = [
    (ReasonCode.NOT_IN_HEAD, {}, "measured in base, not in head"),
    (ReasonCode.NEW, {}, "base has no such case"),
    (ReasonCode.NEW_AND_FAILS, {"head": "oom: big"}, "new, and head ended: oom: big"),
    (ReasonCode.FAILS_ON_BOTH_SIDES, {"base": "oom", "head": "error: x"},
     "fails on both sides (base ended: oom; head: error: x)"),
    (ReasonCode.HEAD_FAILED, {"head": "error: {head}"}, "ran in base, head ended: error: {head}"),
    (ReasonCode.BASE_NOT_LOADED, {"message": "no such module"}, "base could not load it: no such module"),
    (ReasonCode.RUNS_NOW, {"base": "timeout"}, "runs now, base ended: timeout"),
    (ReasonCode.BASE_BROKEN, {"base": "timeout", "reference": "none"},
     "runs now, base ended: timeout; the reference none does not run there"),
    (ReasonCode.BASE_FAILED_SOMETIMES, {"base": "oom"}, "base failed in some of its processes (oom)"),
    (ReasonCode.OTHER_ENVIRONMENT, {}, "measured in another environment, and latencies compare only within one"),
    (ReasonCode.OTHER_MANNER, {"base_in_turns": True},
     "measured in turns with another process, here by itself, and that alone changes latencies"),
    (ReasonCode.OTHER_SETTING, {"setting": "cache", "base": "cold", "head": None},
     "measured with another setting of cache: cold, here None"),
    (ReasonCode.OTHER_PLAN, {"base": "fft", "head": "basis"},
     "another transform plan, on another machine or by another calibration: fft, here basis"),
    (ReasonCode.NO_REFERENCE, {"reference": "sdpa"},
     "the reference sdpa was not measured with it on both sides"),
    (ReasonCode.NOT_MEASURED, {"side": "base"}, "not measured in base"),
    (ReasonCode.NOT_MEASURED, {}, "not measured"),
    (ReasonCode.NEEDS_PROCESSES, {}, "more processes are needed"),
    (ReasonCode.REFERENCES_DISAGREE, {}, "the raw change and the change against the references disagree"),
    (ReasonCode.PROCESSES_DISAGREE, {}, "beyond the tolerance, but not in enough of the processes"),
    (ReasonCode.NOT_CONFIRMED, {"then": None}, "slower at first, but fresh processes did not confirm it"),
    (ReasonCode.NOT_CONFIRMED, {"then": "needs_processes"},
     "slower at first, but fresh processes did not confirm it; more processes are needed"),
    (ReasonCode.NOT_CONFIRMED, {"then": None, "first": "faster"},
     "faster at first, but fresh processes did not confirm it"),
    (ReasonCode.RUN_TO_RUN, {"first": "slower"},
     "slower than the stored run, but two runs of the same code may differ as much"),
    (ReasonCode.TOO_FEW_RUNS, {}, "beyond the tolerance, but not proven by so few runs of base"),
    (ReasonCode.MAY_BE_DRIFT, {},
     "beyond the tolerance, but no reference beside it tells that from a change of the machine"),
    (ReasonCode.TOO_FEW_SEEDS, {}, "fewer than two seeds were trained on both sides"),
    (ReasonCode.SEEDS_DO_NOT_TELL, {}, "it may have fallen by more than is allowed: more seeds are needed"),
    (ReasonCode.OTHER_STEPS, {}, "trained for another number of steps"),
    (ReasonCode.TOOK_TURNS, {}, "in turns with base; by itself it may be faster"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "values", "text"), SENTENCES)
def test_a_reason_is_a_sentence_with_its_values(code: ReasonCode, values: dict[str, Any], text: str) -> None:
    assert reason_line(Reason(code, values)) == text


def test_every_code_has_a_sentence() -> None:
    assert {code for code, _, _ in SENTENCES} == set(ReasonCode)


def test_no_reason_is_no_text() -> None:
    assert reason_line(None) == ""


def test_a_message_is_kept_whole_in_a_file_and_on_one_line_in_a_table() -> None:
    reason = Reason(ReasonCode.HEAD_FAILED, {"head": "error: no\n  at \x1blayer.py:3"})
    assert reason_text(reason) == "ran in base, head ended: error: no\n  at layer.py:3"
    assert reason_line(reason) == "ran in base, head ended: error: no at layer.py:3"
