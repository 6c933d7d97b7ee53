"""Longer trainings: planned by a run itself, for the methods that fell short of exact attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dctbench import analysis
from dctbench.analysis.accuracy import Standing, task_results
from dctbench.app.check_baseline import suite_of_baseline
from dctbench.app.check_plan import plan_check
from dctbench.app.check_sides import measure_head
from dctbench.app.requests import CheckRequest
from dctbench.app.run import RunOutcome, measure
from dctbench.compare.stored import compare_stored
from dctbench.model import Case, Result, RunSettings, VerdictKind
from dctbench.scheduler.events import Event, RunPlanned, ignore
from dctbench.scheduler.patience import longer_trainings
from dctbench.scheduler.plan import plan_cases
from dctbench.store import open_store
from tests.support.made import RUN
from tests.support.scripted import Describing
from tests.support.trained import trained, whole_suite

USUAL = [
    *trained("sdpa", [0.9, 0.91, 0.92]),
    *trained("dct-x", [0.5, 0.51, 0.52], ratio=4),
    *trained("linformer", [0.3, 0.31, 0.32], ratio=4),
    *trained("linear", [0.9, 0.91, 0.92]),
    *trained("pool", [0.3, 0.31, 0.32], ratio=4),
    *trained("none", [0.1, 0.11, 0.12]),
]
LONGER = [
    *trained("sdpa", [0.93], task="mnist1d/4x", steps=2000),
    *trained("dct-x", [0.93], task="mnist1d/4x", ratio=4, steps=2000),
    *trained("linformer", [0.33], task="mnist1d/4x", ratio=4, steps=2000),
    *trained("pool", [0.33], task="mnist1d/4x", ratio=4, steps=2000),
]
RESULTS = {(one.case, one.round): one for one in [*USUAL, *LONGER]}


def cases(results: Sequence[Result]) -> list[Case]:
    return list(dict.fromkeys(one.case for one in results))


def run(folder: Path, settings: RunSettings, events: list[Event], known: Sequence[Result] = ()) -> RunOutcome:
    """Measure the usual cases, of which some results are in the store already."""
    runner = Describing(lambda case, round: RESULTS[case, round])
    plan = plan_cases(cases(USUAL), settings, runner)
    made = replace(RUN, settings=settings)
    with open_store(str(folder / "results.sqlite"), create=True) as store:
        store.add_run(made, plan.cases, plan.rounds)
        store.add_environment(made.id, runner.environment)
        store.add_results(made.id, known)
        return measure(made, plan, runner, store, events.append, stored=known)


def test_what_falls_short_is_trained_longer_beside_exact_attention_and_none_is_not() -> None:
    summaries = analysis.summarise(USUAL)
    assert {*longer_trainings(summaries, 4)} == {*cases(LONGER)}
    assert not longer_trainings(analysis.summarise([one for one in USUAL if one.case.implementation != "none"]), 4)
    tasks = {case.task for case in longer_trainings(analysis.summarise(whole_suite()), 2)}
    assert "masked-bytes/2x" not in tasks  # a task that says nothing
    assert "mnist1d/scrambled/2x" in tasks


def test_a_run_extends_its_plan_by_one_seed_and_tells_slow_from_unable(tmp_path: Path) -> None:
    events: list[Event] = []
    found = run(tmp_path, RunSettings(rounds=3, patience=4), events)
    assert {*found.recorded.plan} == {*cases(USUAL), *cases(LONGER)}
    assert {case: n for case, n in found.plan.rounds.items() if n == 1} == dict.fromkeys(cases(LONGER), 1)
    [results] = task_results(found.recorded.summaries)
    standings = {one.case.implementation: one.standing for one in results.methods}
    assert (standings["dct-x"], standings["linformer"]) == (Standing.SLOW, Standing.WORSE)
    planned = [len(event.plan.cases) for event in events if isinstance(event, RunPlanned)]
    assert planned == [6, 10]


def test_a_run_that_was_stopped_before_its_longer_trainings_makes_them_when_it_is_resumed(tmp_path: Path) -> None:
    settings = RunSettings(rounds=3, patience=4)
    found = run(tmp_path, settings, [], known=USUAL)
    assert len(found.recorded.results) == len(RESULTS)
    with open_store(str(tmp_path / "results.sqlite")) as store:
        assert store.planned_rounds(RUN.id) == found.plan.rounds


def test_without_patience_or_under_a_budget_nothing_is_added(tmp_path: Path) -> None:
    for number, settings in enumerate((RunSettings(rounds=3), RunSettings(rounds=3, patience=4, budget=3600.0))):
        (folder := tmp_path / str(number)).mkdir()
        assert {*run(folder, settings, []).recorded.plan} == {*cases(USUAL)}


def test_a_longer_training_that_fails_fails_neither_the_run_nor_what_was_asked_for(tmp_path: Path) -> None:
    broken = {**RESULTS}
    for one in LONGER:
        broken[one.case, one.round] = replace(one, status="timeout", measurements=(), message="after 1h")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "RESULTS", broken)
        found = run(tmp_path, RunSettings(rounds=3, patience=4), [])
    assert {*found.recorded.longer} == {*cases(LONGER)}
    assert found.exit_code == 0


def test_no_other_run_needs_the_longer_trainings_of_a_baseline(tmp_path: Path) -> None:
    settings = RunSettings(rounds=3, patience=4)
    base = run(tmp_path, settings, []).recorded
    head = replace(base, run=replace(base.run, id=base.run.id[::-1])).only(cases(USUAL))
    judged = {verdict.case for verdict in compare_stored(base, head).judgement.verdicts}
    assert judged == {*cases(USUAL)}
    _, planned = suite_of_baseline(replace(base, run=replace(base.run, suite="accuracy")))
    assert {*planned} == {*cases(USUAL)}


def test_a_longer_training_that_the_other_run_planned_itself_is_compared(tmp_path: Path) -> None:
    base = run(tmp_path, RunSettings(rounds=3, patience=4), []).recorded
    own = replace(base.run, id=base.run.id[::-1], settings=replace(base.run.settings, patience=None))
    head = replace(base, run=own)
    judged = {verdict.case for verdict in compare_stored(base, head).judgement.verdicts}
    assert judged == {*cases(USUAL), *cases(LONGER)}


def test_a_check_beside_a_baseline_needs_none_of_its_longer_trainings(tmp_path: Path) -> None:
    base = run(tmp_path, RunSettings(rounds=3, patience=4), []).recorded
    base = replace(base, run=replace(base.run, suite="accuracy"))
    assert base.longer
    runner: Any = Describing(lambda case, round: RESULTS[case, round])
    request = CheckRequest(baseline=base.run.id, store=str(tmp_path / "results.sqlite"))
    plan = plan_check(*suite_of_baseline(base), request, base, runner, ignore)
    with open_store(request.store) as store:
        outcome = measure_head(plan, request, [base], runner, store, ignore)
    assert {v.case: v.kind for v in outcome.judgement.verdicts} == dict.fromkeys(cases(USUAL), VerdictKind.PASS)
    assert outcome.exit_code == 0
