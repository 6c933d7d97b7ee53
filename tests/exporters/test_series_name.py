"""The name by which another program follows a case over time."""

from __future__ import annotations

from dataclasses import replace

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
