"""What a check measures, and what a case of it is compared with."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench import catalog
from dctbench.analysis import summarise
from dctbench.app.check import paired_runner
from dctbench.app.check_plan import CheckPlan, DryRun, _same_shape, plan_check
from dctbench.app.requests import CheckRequest
from dctbench.errors import UsageError
from dctbench.model import Case, Reason, ReasonCode, Result, VerdictKind
from dctbench.scheduler.estimate import ZYGOTE_SECONDS
from dctbench.scheduler.events import Event, Listener, Notice, ignore
from dctbench.scheduler.pairs import Side, _references, check_pairs, check_stored
from dctbench.scheduler.plan import Plan
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues
from dctbench.spec.gate import GateRules
from dctbench.store import Store, open_store
from tests.support.made import RUN, elsewhere, result
from tests.support.scripted import Asked, Describing, Scripted
from tests.support.trained import trained


def planned(
    folder: Path,
    cases: Sequence[Case] | None = None,
    *,
    base_impl: str | None = None,
    reference: str | None = None,
    rules: GateRules | None = None,
    listener: Listener = ignore,
    **axes: str,
) -> CheckPlan:
    """The plan of a check of the suite `ci` against another implementation or, by default, another environment."""
    runner = Describing(lambda case, round: result(case.implementation, case.seq_len, 1e-3, round=round))
    suite = suites.override(suites.load("ci"), AxisValues(**axes))
    request = CheckRequest(
        base_impl=base_impl,
        base_python=sys.executable if base_impl is None else None,
        rules=rules or GateRules(reference=reference),
        store=str(folder / "none.sqlite"),
    )
    return plan_check(suite, cases, request, None, runner, listener)  # type: ignore[arg-type]


def test_a_gate_on_accuracy_trains_what_is_judged_and_times_references_beside_the_layers_alone(tmp_path: Path) -> None:
    found = planned(tmp_path, impl="dct-x", task="recall", ratio="4")
    assert {(case.implementation, case.task) for case in found.judged} == {("dct-x", "recall"), ("dct-x", None)}
    assert {(case.implementation, case.task) for case in found.beside} == {("sdpa", None), ("none", None)}
    assert {*found.plan.cases} == {*found.judged, *found.beside}
    again = planned(tmp_path, [case for case in found.judged if case.task], impl="dct-x", task="recall", ratio="4")
    assert [(case.implementation, case.task) for case in again.plan.cases] == [("dct-x", "recall")]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (GateRules(at={"seq_len": 64}), "--at has no effect"),
        (GateRules(confidence=0.99), "--confidence has no effect"),
        (GateRules(max_accuracy_drop=0.02), "--max-accuracy-drop has no effect"),
        (GateRules(at={"seq_len": 64}, limits={"latency_p99": 1.0}, confidence=0.99), None),
    ],
)
def test_a_rule_that_changes_no_verdict_is_named(tmp_path: Path, rules: GateRules, said: str | None) -> None:
    heard: list[Event] = []
    planned(tmp_path, impl="dct-x", seq="64", ratio="4", rules=rules, listener=heard.append)
    told = [event.message for event in heard if isinstance(event, Notice) and "no effect" in event.message]
    assert [text.startswith(f"warning: {said}") for text in told] == ([True] if said else [])


def test_a_reference_that_is_judged_itself_is_not_trained_beside_another_training(tmp_path: Path) -> None:
    found = planned(tmp_path, impl="dct-x,sdpa", task="recall", ratio="4")
    trained = [case for case in found.judged if case.task and case.implementation == "dct-x"]
    timed = [case for case in found.judged if not case.task and case.implementation == "dct-x"]
    assert not _references(trained, found.plan.cases, found.rules)
    assert {case.implementation for case in _references(timed, found.plan.cases, found.rules)} == {"sdpa", "none"}


def test_trainings_of_a_check_are_predicted_one_at_a_time_or_beside_those_of_the_other_side(tmp_path: Path) -> None:
    found = planned(tmp_path, impl="dct-x", task="recall", ratio="4")
    training = next(case for case in found.judged if case.task)
    alone = found.beside_stored([], comparable=True).sides["head"].estimate.seconds(training, 1)
    sides = found.in_pairs(frozenset()).sides.values()
    assert sum(one.estimate.seconds(training, 1) for one in sides) == pytest.approx(alone)
    with paired_runner(found.suite, lambda event: None) as runner:
        assert runner.jobs(training) == 1


def test_no_process_by_another_protocol_is_predicted_since_a_check_starts_none(tmp_path: Path) -> None:
    runner = Describing(lambda case, round: result(case.implementation, case.seq_len, 1e-3, round=round))
    suite = suites.load("ci")
    request = CheckRequest(base_impl="dct-qkv", store=str(tmp_path / "none.sqlite"))
    seconds = []
    for protocol in (None, "authors"):
        asked = replace(suite, settings=replace(suite.settings, protocol=protocol))
        found = plan_check(asked, None, request, None, runner, lambda event: None)  # type: ignore[arg-type]
        assert found.suite.settings.protocol == protocol
        seconds.append(found.plan.seconds)
    assert seconds[0] == seconds[1]


def settled(found: CheckPlan) -> CheckPlan:
    """The plan under rules by which no case gets more than three pairs."""
    return replace(found, rules=replace(found.rules, pairs=3, max_pairs=3))


def sure(case: Case, number: int) -> Result:
    """The same figures in each process."""
    if case.task is None:
        return replace(result(seconds=2e-3, round=number), case=case)
    return replace(trained(case.implementation, [0.8] * number)[-1], case=case)


def side(store: Store, name: str, log: list[Asked | str]) -> Side:
    run = replace(RUN, id=name.ljust(16, "0"))
    store.add_run(run, [], 3)
    store.add_environment(run.id, Scripted.environment)
    return Side(run, Scripted(sure, name, log), store)


def asked(log: Sequence[Asked | str], runner: str) -> Counter[Case]:
    """How many processes of each case a runner was asked for."""
    return Counter(one.case for one in log if isinstance(one, Asked) and one.runner == runner)


def processes(plan: Plan) -> Counter[Case]:
    return Counter(case for case, _ in plan.processes)


def in_pairs(found: CheckPlan, folder: Path, lacking: frozenset[Case] = frozenset()) -> DryRun:
    """What is planned, which is also what the loop over pairs then measures."""
    log: list[Asked | str] = []
    dry = found.in_pairs(lacking)
    with open_store(str(folder / "pairs.sqlite"), create=True) as store:
        base, head = side(store, "base", log), side(store, "head", log)
        check_pairs(base, head, found.counterparts, found.beside, lacking, found.rules, lambda event: None)
    for name, plan in dry.sides.items():
        assert processes(plan) == asked(log, name)
        assert plan.most_rounds == sum(isinstance(one, str) and one.startswith(f"{name} ready") for one in log)
    return dry


def test_one_implementation_as_base_of_the_suite_ci_leaves_its_reference_beside_both_sides_and_reaches_verdicts(
    tmp_path: Path,
) -> None:
    found = settled(planned(tmp_path, base_impl="dct-qkv"))
    amounts = [(length, ratio) for length in (512, 1024) for ratio in (4, 8)]
    judged = {Case(name, length, ratio) for name in ("dct-x", "dct-qkv") for length, ratio in amounts}
    assert set(found.judged) == judged
    assert found.counterparts == {case: Case("dct-qkv", case.seq_len, case.ratio) for case in judged}
    references = {Case(name, length) for name in ("sdpa", "none") for length in (512, 1024)}
    assert set(found.beside) == references
    log: list[Asked | str] = []
    with open_store(str(tmp_path / "pairs.sqlite"), create=True) as store:
        base, head = side(store, "base", log), side(store, "head", log)
        judgement = check_pairs(
            base, head, found.counterparts, found.beside, frozenset(), found.rules, lambda event: None
        )
    assert {*asked(log, "base")} == {*found.counterparts.values(), *references}
    assert {*asked(log, "head")} == judged | references
    assert {(one.metric, one.kind) for one in judgement.verdicts} == {("latency", VerdictKind.PASS)}
    assert judgement.exit_code() == 0


def test_a_reference_is_judged_against_another_implementation_where_nothing_else_is(tmp_path: Path) -> None:
    found = planned(tmp_path, impl="sdpa", seq="64", base_impl="full")
    assert found.counterparts == {Case("sdpa", 64): Case("full", 64)}


@pytest.mark.parametrize(
    ("asked_for", "said"),
    [
        ({"impl": "full,dct-x", "base_impl": "dct-qkv"}, "--base-impl dct-qkv: it compresses, and full at n = 512"),
        ({"impl": "sdpa", "reference": "dct-x"}, "--reference dct-x: it compresses, and sdpa at n = 512"),
    ],
)
def test_a_method_that_compresses_is_refused_where_nothing_says_how_much(
    tmp_path: Path, asked_for: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        planned(tmp_path, **asked_for)  # type: ignore[arg-type]
    assert refused.value.message.startswith(said)
    assert refused.value.hint


def test_a_reference_that_compresses_keeps_as_much_as_a_case_of_the_shape_or_its_own_number(tmp_path: Path) -> None:
    found = planned(tmp_path, impl="full,pool", seq="64", ratio="4", reference="dct-x")
    assert set(found.beside) == {Case("dct-x", 64, 4), Case("none", 64)}
    found = planned(tmp_path, impl="full", seq="64", reference="nystromformer")
    assert set(found.beside) == {Case("nystromformer", 64, kept=64), Case("none", 64)}


def test_base_is_planned_beside_every_case_that_it_is_compared_with_and_starts_once_a_pair(tmp_path: Path) -> None:
    found = settled(planned(tmp_path, impl="dct-x", seq="64", ratio="4,8", base_impl="full"))
    [full] = set(found.counterparts.values())
    dry = in_pairs(found, tmp_path)
    base = dry.sides["base"]
    assert processes(base) == {full: 2 * 3, **dict.fromkeys(found.beside, 3)}
    alone = sum(base.estimate.seconds(case, number) for case, number in base.processes)
    assert base.seconds == pytest.approx(alone + 3 * ZYGOTE_SECONDS)


def test_a_case_that_base_lacks_and_the_references_beside_it_alone_are_planned_once(tmp_path: Path) -> None:
    found = settled(planned(tmp_path, impl="dct-x", seq="64,128", ratio="4", base_impl="dct-x"))
    [lacking] = [case for case in found.judged if case.seq_len == 128]
    dry = in_pairs(found, tmp_path, frozenset({lacking}))
    assert dry.sides["head"].rounds == {case: 3 if case.seq_len == 64 else 1 for case in found.plan.cases}
    assert lacking not in dry.sides["base"].rounds
    assert dry.most == 3
    assert found.in_pairs(found.judged).most == 1


@pytest.mark.parametrize(
    ("because", "there"),
    [(None, False), (Reason(ReasonCode.OTHER_MANNER, {"base_in_turns": True}), False), (None, True)],
)
def test_beside_a_stored_run_a_latency_that_compares_with_none_is_planned_once_and_a_training_by_the_seeds_of_base(
    tmp_path: Path, because: Reason | None, there: bool
) -> None:
    found = settled(planned(tmp_path, impl="dct-x", task="recall", ratio="4", seq="64,128,256"))
    trains = {case.seq_len: case for case in found.judged if case.task}
    timed = {case.seq_len: case for case in found.judged if not case.task}
    # 64 with its references, 128 without any, 256 not at all
    known = [timed[64], *(case for case in found.beside if case.seq_len == 64), timed[128]]
    measured = [sure(case, number) for case in known for number in (1, 2, 3)]
    stored = summarise(elsewhere(measured) if there else measured)
    stored += summarise(
        [sure(trains[length], seed) for length, seeds in ((64, 4), (128, 2)) for seed in range(1, seeds + 1)]
    )
    dry = found.beside_stored(stored, comparable=because is None)
    log: list[Asked | str] = []
    with open_store(str(tmp_path / "stored.sqlite"), create=True) as store:
        head = side(store, "head", log)
        check_stored(head, stored, found.judged, found.beside, (), because, found.rules, lambda event: None)
    assert processes(dry.sides["head"]) == asked(log, "head")
    rounds, often = dry.sides["head"].rounds, 1 if because or there else 3
    assert [rounds[timed[length]] for length in (64, 128, 256)] == [often, 1, 1]
    assert [rounds[trains[length]] for length in (64, 128, 256)] == [3, 2, 1]
    assert dry.most == 3


def test_a_case_of_a_stored_run_that_no_verdict_needs_is_not_planned(tmp_path: Path) -> None:
    """A reference of the check that measured the baseline, where another one is asked for now."""
    former = Case("full", 64)
    found = settled(planned(tmp_path, [Case("dct-x", 64, 4), former], impl="dct-x", ratio="4"))
    assert former in found.plan.cases
    head = found.beside_stored([], comparable=True).sides["head"]
    assert {case.implementation for case in head.cases} == {"dct-x", "sdpa", "none"}


def test_each_part_of_a_suite_has_its_references_though_another_part_names_them(tmp_path: Path) -> None:
    text = '[axes]\nratio = 4\n[[parts]]\nimpl = "dct-x"\nseq = 512\n[[parts]]\nimpl = "sdpa"\nseq = 1024\n'
    runner = Describing(lambda case, round: result(case.implementation, case.seq_len, 1e-3, round=round))
    request = CheckRequest(base_python=sys.executable, store=str(tmp_path / "none.sqlite"))
    suite = suites.parse(text, "parts.toml")
    found = plan_check(suite, None, request, None, runner, lambda event: None)  # type: ignore[arg-type]
    assert {(case.implementation, case.seq_len) for case in found.plan.cases} == {
        ("dct-x", 512), ("sdpa", 512), ("none", 512), ("sdpa", 1024), ("none", 1024),
    }  # fmt: skip


def test_the_reference_in_a_model_is_the_model_as_it_is_and_other_methods_replace_the_same_layers() -> None:
    judged = Case("dct-x", 64, 2, scope="model", model="minilm", layers="2..", recover=10)
    plain = _same_shape(judged, "sdpa", catalog.implementation("sdpa"), "--reference")
    assert plain == Case("sdpa", 64, scope="model", model="minilm")
    other = _same_shape(judged, "none", catalog.implementation("none"), "--reference")
    assert other == Case("none", 64, scope="model", model="minilm", layers="2..", recover=10)
