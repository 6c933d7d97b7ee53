"""Judging two stored runs, where nothing more can be measured."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dctbench import analysis
from dctbench.compare import CONFIRMING, Comparison, Judgement, Rules, judge
from dctbench.model import Result, VerdictKind
from tests.support.made import result

STORED = Rules(pairs=2, max_pairs=1000, confirm=False)


def rounds(seconds: Sequence[float], first: int = 1) -> list[Result]:
    """The case in that many rounds, each beside a reference that takes 1 ms."""
    return [
        one
        for number, took in enumerate(seconds, first)
        for one in (result("sdpa", 1024, 1e-3, round=number), result("dct-x", 1024, took, ratio=8, round=number))
    ]


def judged(base: Sequence[Result], head: Sequence[Result], rules: Rules) -> Judgement:
    sides = [{s.case: s for s in analysis.summarise(results)} for results in (base, head)]
    cases = {case: case for case in sides[1] if case.implementation != "sdpa"}
    return judge(Comparison(sides[0], sides[1], cases, paired=False), rules)


BASE = [2e-3 + i * 1e-6 for i in range(5)]
HEAD = [3e-3 + i * 1e-6 for i in range(5)]


def test_two_stored_runs_are_told_apart_without_fresh_processes_but_a_gate_waits_for_them() -> None:
    [verdict] = judged(rounds(BASE), rounds(HEAD), STORED).verdicts
    assert (verdict.kind, verdict.reason) == (VerdictKind.SLOWER, None)
    waiting = judged(rounds(BASE), rounds(HEAD), Rules(pairs=5, max_pairs=15))
    assert (waiting.verdicts[0].kind, waiting.confirming) == (VerdictKind.INCONCLUSIVE, True)


def test_fresh_processes_that_are_stored_are_asked() -> None:
    head = rounds(HEAD) + rounds(BASE, CONFIRMING + 1)
    [verdict] = judged(rounds(BASE), head, STORED).verdicts
    assert verdict.kind is VerdictKind.PASS
    assert verdict.effect == pytest.approx(1.0)
