"""What the live line is made of: it is drawn at every event of a run that may have thousands of cases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from dctbench.cli.terminal.progress import Live
from dctbench.model import Case
from dctbench.scheduler.estimate import Estimate, estimate
from dctbench.scheduler.events import CaseFinished, CaseStarted, RunPlanned
from dctbench.scheduler.plan import Plan
from tests.support.made import ENVIRONMENT, result

CASES = [Case("sdpa", 64 * n) for n in range(1, 41)]


def test_the_time_left_is_that_of_the_processes_to_come_and_is_not_summed_at_every_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predicted = replace(estimate(CASES, {}), calls=dict.fromkeys(CASES, 1.0))
    plan = Plan(dict.fromkeys(CASES, 3), None, predicted)
    left = [predicted.seconds(case, number) for number in (1, 2, 3) for case in CASES]
    asked = Counter[tuple[Case, int]]()
    seconds = Estimate.seconds

    def counted(self: Any, case: Case, round: int) -> float:
        asked[case, round] += 1
        return seconds(self, case, round)

    monkeypatch.setattr(Estimate, "seconds", counted)
    monkeypatch.setattr("dctbench.cli.terminal.progress.monotonic", lambda: 0.0)
    stored = [result("sdpa", CASES[0].seq_len)]
    live = Live(RunPlanned(plan, ENVIRONMENT, "s.sqlite", None, stored))
    assert f"est. {live.eta()}" in live.header  # before anything has shown the pace, the two agree
    asked.clear()
    del left[0]
    for number in (1, 2, 3):
        for case in CASES if number > 1 else CASES[1:]:
            assert live.to_come == pytest.approx(sum(left))
            live(CaseStarted(case, number, 0, 120))
            live(CaseFinished(replace(result("sdpa", case.seq_len, round=number), status="error"), 1, 120))
            del left[0]
    assert live.eta() == "0s"
    assert set(asked.values()) == {1}  # once for each process that has ended
