"""The reasons of verdicts in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dctbench.model import Reason, ReasonCode
from dctbench.text.sanitize import sanitize_text

_SENTENCES: Mapping[ReasonCode, str] = {
    ReasonCode.NOT_IN_HEAD: "measured in base, not in head",
    ReasonCode.NEW: "base has no such case",
    ReasonCode.NEW_AND_FAILS: "new, and head ended: {head}",
    ReasonCode.FAILS_ON_BOTH_SIDES: "fails on both sides (base ended: {base}; head: {head})",
    ReasonCode.HEAD_FAILED: "ran in base, head ended: {head}",
    ReasonCode.BASE_NOT_LOADED: "base could not load it: {message}",
    ReasonCode.RUNS_NOW: "runs now, base ended: {base}",
    ReasonCode.BASE_BROKEN: "runs now, base ended: {base}; the reference {reference} does not run there",
    ReasonCode.BASE_FAILED_SOMETIMES: "base failed in some of its processes ({base})",
    ReasonCode.OTHER_ENVIRONMENT: "measured in another environment, and latencies compare only within one",
    ReasonCode.OTHER_SETTING: "measured with another setting of {setting}: {base}, here {head}",
    ReasonCode.OTHER_PLAN: "another transform plan, on another machine or by another calibration: {base}, here {head}",
    ReasonCode.NO_REFERENCE: "the reference {reference} was not measured with it on both sides",
    ReasonCode.NEEDS_PROCESSES: "more processes are needed",
    ReasonCode.REFERENCES_DISAGREE: "the raw change and the change against the references disagree",
    ReasonCode.PROCESSES_DISAGREE: "beyond the tolerance, but not in enough of the processes",
    ReasonCode.RUN_TO_RUN: "{first} than the stored run, but two runs of the same code may differ as much",
    ReasonCode.TOO_FEW_RUNS: "beyond the tolerance, but not proven by so few runs of base",
    ReasonCode.MAY_BE_DRIFT: "beyond the tolerance, but no reference beside it tells that from a change of the machine",
    ReasonCode.TOO_FEW_SEEDS: "fewer than two seeds were trained on both sides",
    ReasonCode.SEEDS_DO_NOT_TELL: "it may have fallen by more than is allowed: more seeds are needed",
    ReasonCode.OTHER_STEPS: "trained for another number of steps",
    ReasonCode.TOOK_TURNS: "in turns with base; by itself it may be faster",
}
_MANNERS = {True: "in turns with another process", False: "by itself"}


def reason_text(reason: Reason | None) -> str:
    """`ran in base, head ended: error: SIGSEGV`, with the whole message; empty where there is no reason."""
    return "" if reason is None else sanitize_text(_text(reason.code, reason.values))


def reason_line(reason: Reason | None) -> str:
    """The same on one line."""
    return " ".join(reason_text(reason).split())


def _text(code: ReasonCode, values: Mapping[str, Any]) -> str:
    if code is ReasonCode.NOT_CONFIRMED:
        text = f"{values.get('first', 'slower')} at first, but fresh processes did not confirm it"
        then = values["then"]
        return f"{text}; {_text(ReasonCode(then), {})}" if then else text
    if code is ReasonCode.NOT_MEASURED:
        return f"not measured in {values['side']}" if values else "not measured"
    if code is ReasonCode.OTHER_MANNER:
        base = values["base_in_turns"]
        return f"measured {_MANNERS[base]}, here {_MANNERS[not base]}, and that alone changes latencies"
    return _SENTENCES[code].format(**values)
