"""What a check measures, and what a case of it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dctbench import catalog
from dctbench.app.check_plan import CheckPlan, _same_shape, plan_check
from dctbench.app.requests import CheckRequest
from dctbench.model import Case
from dctbench.runners import Facts
from dctbench.scheduler.pairs import _references
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues
from tests.support.made import result
from tests.support.scripted import Scripted


class Describing(Scripted):
    """A scripted runner that knows nothing of cases, as for methods without a formula."""

    def describe(
        self,
        implementations: Sequence[str],
        cases: Sequence[Case],
        tasks: Sequence[str] = (),
        inputs: Sequence[str] = (),
    ) -> Facts:
        return Facts({}, dict.fromkeys(cases))


def planned(folder: Path, cases: Sequence[Case] | None = None, *, base_impl: str = "pool", **axes: str) -> CheckPlan:
    runner = Describing(lambda case, round: result(case.implementation, case.seq_len, 1e-3, round=round))
    suite = suites.override(suites.load("ci"), AxisValues(**axes))
    request = CheckRequest(base_impl=base_impl, store=str(folder / "none.sqlite"))
    return plan_check(suite, cases, request, None, runner, lambda event: None)  # type: ignore[arg-type]


def test_a_gate_on_accuracy_trains_what_is_judged_and_times_references_beside_the_layers_alone(tmp_path: Path) -> None:
    found = planned(tmp_path, impl="dct-x", task="recall", ratio="4")
    assert {(case.implementation, case.task) for case in found.judged} == {("dct-x", "recall"), ("dct-x", None)}
    assert {(case.implementation, case.task) for case in found.beside} == {("sdpa", None), ("none", None)}
    assert {*found.plan.cases} == {*found.judged, *found.beside}
    again = planned(tmp_path, [case for case in found.judged if case.task], impl="dct-x", task="recall", ratio="4")
    assert [(case.implementation, case.task) for case in again.plan.cases] == [("dct-x", "recall")]


def test_a_reference_that_is_judged_itself_is_not_trained_beside_another_training(tmp_path: Path) -> None:
    found = planned(tmp_path, impl="dct-x,sdpa", task="recall", ratio="4")
    trained = [case for case in found.judged if case.task and case.implementation == "dct-x"]
    timed = [case for case in found.judged if not case.task and case.implementation == "dct-x"]
    assert not _references(trained, found.plan.cases, found.rules)
    assert {case.implementation for case in _references(timed, found.plan.cases, found.rules)} == {"sdpa", "none"}


def test_base_is_measured_beside_every_case_that_it_is_compared_with_but_those_that_it_lacks(tmp_path: Path) -> None:
    found = planned(tmp_path, impl="dct-x", seq="64", ratio="4,8", base_impl="full")
    [full] = set(found.counterparts.values())
    [lacking, _] = found.judged
    pairs = found.rules.pairs
    assert found.plan.rounds == dict.fromkeys([*found.judged, *found.beside], pairs)
    assert found.base_rounds() == {full: 2 * pairs, **dict.fromkeys(found.beside, pairs)}
    assert found.base_rounds({lacking}) == {full: pairs, **dict.fromkeys(found.beside, pairs)}


def test_each_part_of_a_suite_has_its_references_though_another_part_names_them(tmp_path: Path) -> None:
    text = '[axes]\nratio = 4\n[[parts]]\nimpl = "dct-x"\nseq = 512\n[[parts]]\nimpl = "sdpa"\nseq = 1024\n'
    runner = Describing(lambda case, round: result(case.implementation, case.seq_len, 1e-3, round=round))
    request = CheckRequest(base_impl="pool", store=str(tmp_path / "none.sqlite"))
    suite = suites.parse(text, "parts.toml")
    found = plan_check(suite, None, request, None, runner, lambda event: None)  # type: ignore[arg-type]
    assert {(case.implementation, case.seq_len) for case in found.plan.cases} == {
        ("dct-x", 512), ("sdpa", 512), ("none", 512), ("sdpa", 1024), ("none", 1024),
    }  # fmt: skip


def test_the_reference_in_a_model_is_the_model_as_it_is_and_other_methods_replace_the_same_layers() -> None:
    judged = Case("dct-x", 64, 2, scope="model", model="minilm", layers="2..", recover=10)
    plain = _same_shape(judged, "sdpa", catalog.implementation("sdpa"))
    assert plain == Case("sdpa", 64, scope="model", model="minilm")
    other = _same_shape(judged, "none", catalog.implementation("none"))
    assert other == Case("none", 64, scope="model", model="minilm", layers="2..", recover=10)
