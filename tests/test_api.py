"""The Python API: requests in, outcomes out, nothing printed, progress by a listener."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import assert_type

import pandas as pd
import pytest

import dctbench
from dctbench.app.check import CheckOutcome
from dctbench.app.choose import ChooseOutcome
from dctbench.app.run import RunOutcome
from dctbench.errors import UsageError
from dctbench.scheduler.events import (
    CaseFinished,
    CaseStarted,
    CheckPlanned,
    Event,
    Notice,
    RoundStarted,
    RunPlanned,
    RunStarted,
    StillRunning,
)
from dctbench.store import open_store


def test_a_notebook_measures_asks_checks_and_reads(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "results.sqlite")
    axes = dctbench.AxisValues(impl="sdpa,none", seq=[64], heads=2, head_dim=8)
    heard: list[Event] = []
    finished: list[CaseFinished] = []

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, CaseFinished):  # stored before it is announced
            finished.append(event)
            with open_store(store) as opened:
                name = "mine" if event.side is None else "check"
                assert event.result in opened.results(opened.find_run(name).run.id)

    request = dctbench.RunRequest(axes=axes, rounds=1, label="mine", store=store)
    outcome = assert_type(dctbench.run(request, listen), RunOutcome)
    steps = [type(event) for event in heard if not isinstance(event, Notice | StillRunning)]
    assert steps == [RunPlanned, RunStarted, *[CaseStarted, CaseFinished] * 2]
    assert (outcome.exit_code, outcome.recorded.run.label, outcome.recorded.run.argv) == (0, "mine", ())
    assert {result.case.implementation for result in outcome.recorded.results} == {"sdpa", "none"}

    answer = assert_type(dctbench.choose(dctbench.ChooseRequest(seq_len=64, store=store)), ChooseOutcome)
    [(ranking, choice)] = answer.answers
    assert [s.case.implementation for s in ranking.ranked] == ["sdpa"]
    assert (choice.within, answer.exit_code) == (ranking.ranked, 0)

    heard.clear()
    finished.clear()
    rules = dctbench.GateRules(pairs=2, max_pairs=2)
    asked = dctbench.CheckRequest(baseline="mine", rules=rules, store=store)
    checked = assert_type(dctbench.check(asked, listen), CheckOutcome)
    assert checked.exit_code in (0, 3)  # what a shared machine can tell from one process is not the point here
    assert {verdict.case for verdict in checked.comparison.judgement.verdicts} == {
        result.case for result in outcome.recorded.results
    }
    assert {type(event) for event in heard} >= {CheckPlanned, RoundStarted}
    assert {event.side for event in finished} == {"head"}

    frame = assert_type(dctbench.load_results(store), pd.DataFrame)
    assert set(frame["label"]) == {"mine", "check"}
    with pytest.raises(UsageError, match="every stored run is complete"):
        dctbench.resume(dctbench.ResumeRequest(store=store))
    assert capfd.readouterr() == ("", "")


NAMES = ["AxisValues", "CheckRequest", "ChooseRequest", "GateRules", "ResumeRequest", "RunRequest", "__version__",
         "check", "choose", "load_results", "resume", "run"]  # fmt: skip


def test_the_package_alone_imports_nothing_heavy_and_names_its_api() -> None:
    code = "import dctbench, sys; print(sorted(dctbench.__all__)); print({'torch', 'numpy'} & sys.modules.keys())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert out.splitlines() == [str(NAMES), "set()"]
