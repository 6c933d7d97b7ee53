"""The table of --dry-run: its rows tell the cases apart."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from dctbench.cli.tables.plan import print_plan
from dctbench.model import Case
from dctbench.scheduler.estimate import estimate
from dctbench.scheduler.pace import Pace
from dctbench.scheduler.plan import Plan

CASE = Case("dct-x", 64, 4)
OTHER: dict[str, Any] = {
    "implementation": "dct-kv", "seq_len": 128, "ratio": 8, "batch": 2, "heads": 4, "head_dim": 32,
    "dtype": "bfloat16", "device": "cuda:0", "scope": "attention", "mode": "train", "engine": "compile", "threads": 2,
    "task": "recall", "kept": 32, "period": 0.02, "deadline": 0.01, "model": "minilm", "layers": "2..", "recover": 10,
    "input": "photo", "ranks": 2,
}  # fmt: skip


def table(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("field", [field.name for field in fields(Case)])
def test_two_cases_that_differ_in_one_field_have_different_rows(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    cases = (CASE, replace(CASE, **{field: OTHER[field]}))
    print_plan(Plan(dict.fromkeys(cases, 2), None, estimate(cases, {})), None, "md")
    header, _, *rows = table(capsys)
    assert header[-1] == "estimate"
    assert len({tuple(row[:-1]) for row in rows}) == 2


def test_an_axis_in_which_all_cases_agree_needs_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    cases = (replace(CASE, period=0.02, threads=2), replace(CASE, period=0.04, threads=2))
    print_plan(Plan(dict.fromkeys(cases, 2), None, estimate(cases, {})), None, "md")
    header, _, *rows = table(capsys)
    assert "threads" not in header
    assert [row[header.index("period")] for row in rows] == ["20.0 ms", "40.0 ms"]


def test_a_case_that_is_not_expected_to_end_and_a_longer_one_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    cases = [replace(CASE, seq_len=n) for n in (64, 128, 256)]
    predicted = replace(
        estimate(cases, {}, pace=Pace(limit=120.0)), calls=dict(zip(cases, (1e-3, 5e3, 4e4), strict=True))
    )
    predicted = replace(predicted, left_out=predicted.longer_than_unending(cases))
    print_plan(Plan(dict.fromkeys(cases, 2), None, predicted), None, "md")
    _, _, first, *others = table(capsys)
    assert "," not in first[-1]
    assert [row[-1] for row in others] == ["2m00s, timeout", "0s, left out"]
