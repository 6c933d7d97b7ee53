"""The name by which another program follows a case over time."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from dctbench.exporters.series_name import series_name
from dctbench.model import Case

PLAIN = Case("dct-x", 4096, 8)


def test_a_case_is_named_by_what_it_is() -> None:
    assert series_name(PLAIN) == "dct-x r=8 n=4096 layer forward float32 cpu eager b1 h8x64"


def test_cases_that_differ_have_different_names() -> None:
    cases = [
        PLAIN,
        replace(PLAIN, ratio=4),
        replace(PLAIN, ratio=None, kept=8),
        replace(PLAIN, threads=2),
        replace(PLAIN, ranks=2),
        replace(PLAIN, task="recall"),
        replace(PLAIN, input="ecg"),
        replace(PLAIN, input="text"),
        replace(PLAIN, period=0.02),
        replace(PLAIN, period=0.02, deadline=0.01),
        replace(PLAIN, model="minilm"),
        replace(PLAIN, model="minilm", layers="2.."),
        replace(PLAIN, model="minilm", recover=200),
    ]
    assert len({series_name(case) for case in cases}) == len(cases)


OTHERS: dict[str, Any] = {
    "implementation": "dct-kv", "seq_len": 512, "ratio": 4, "kept": 64, "batch": 2, "heads": 4, "head_dim": 32,
    "dtype": "float64", "device": "cuda", "engine": "compile", "scope": "attention", "mode": "train", "threads": 2,
    "ranks": 2, "task": "recall", "input": "ecg", "period": 0.02, "deadline": 0.01, "model": "minilm", "layers": "2..",
    "recover": 200,
}  # fmt: skip
"""Another value of each field of a case."""


@pytest.mark.parametrize("field", [each.name for each in fields(Case)])
def test_each_field_of_a_case_shows_in_its_name(field: str) -> None:
    assert series_name(replace(PLAIN, **{field: OTHERS[field]})) != series_name(PLAIN)
