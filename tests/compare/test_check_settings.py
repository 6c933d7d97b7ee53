"""What a check writes about its runs is read back whole, and what it cannot have written is not believed."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.analysis import Budgets
from dctbench.compare import TOLERANCES, Rules, incomparable_because
from dctbench.compare.check_settings import check_settings, read_check_settings
from dctbench.compare.stored import compare_stored
from dctbench.model import Reason, ReasonCode, Run, RunSettings, VerdictKind
from dctbench.runs.lookup import RecordedRun
from dctbench.wording.reasons import reason_line
from tests.support.made import ENVIRONMENT, result
from tests.support.outcomes import BASE, HEAD, in_rounds, judged

RULES = [
    Rules(),
    Rules("full", 0.1, 0.01, 0.2, 0.03, max_pairs=40, budgets=Budgets(memory=1e6, error_smooth=0.1, confidence=0.99)),
    Rules(latency={**TOLERANCES, "cpu": 0.31}, at={"seq_len": 1024, "ratio": 8.0, "implementation": "dct-x"}),
]


def run_of(check: Any) -> Any:
    return replace(HEAD, settings=RunSettings.from_json({"check": check}))


@pytest.mark.parametrize("rules", RULES)
def test_the_rules_of_a_check_are_read_back_from_its_json(rules: Rules) -> None:
    stored = json.loads(json.dumps(check_settings("head", ["dct-x"], rules, base=BASE.id, base_impl=None)))
    found = read_check_settings(run_of(stored))
    assert found is not None
    assert (found.rules, found.asked, found.side) == (rules, ("dct-x",), "head")
    assert found.in_turn_with(BASE)
    against_stored = read_check_settings(run_of(check_settings("head", ["dct-x"], rules, base=BASE.id)))
    assert against_stored is not None
    assert not against_stored.in_turn_with(BASE)


OTHER = replace(BASE, id="d" * 16)
GOOD = {"side": "head", "asked": ["dct-x"], "reference": "sdpa", "tolerance": 0.25, "base": BASE.id, "base_impl": None}


WRONG: list[dict[str, Any]] = [
    {"tolerance": "0.1"}, {"tolerance": 0}, {"tolerance": -1}, {"tolerance": True}, {"tolerance": {"cpu": "wide"}},
    {"reference": {"a": 1}}, {"asked": "dct-x"}, {"asked": [1]}, {"side": "middle"}, {"base_impl": 3},
    {"budgets": {"memory": "64MiB"}}, {"budgets": 5}, {"budgets": {"memory": -1.0}},
    *({"budgets": {"latency_p99": 0.01, "confidence": share}} for share in (0.0, -1.0, 0.9, 1.0, 5.0)),
    {"at": {"__class__": 1}}, {"at": ["seq=64"]},
    {"max_pairs": 0}, {"tolerance_memory": -0.1}, {"further": "c" * 16}, {"further": [3]},
]  # fmt: skip


@pytest.mark.parametrize("check", [None, 5, [], {}, *({**GOOD, **wrong} for wrong in WRONG)])
def test_what_no_check_can_have_written_is_no_checks_run(check: Any) -> None:
    assert read_check_settings(run_of(GOOD)) is not None
    assert read_check_settings(run_of(check)) is None
    sides = [
        RecordedRun(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results(), [one.case for one in results()])
        for run in (BASE, run_of(check))
    ]
    assert {v.kind for v in compare_stored(*sides).judgement.verdicts} <= {VerdictKind.PASS, VerdictKind.INCONCLUSIVE}


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "at"]), inner),
    )
)
def test_anything_under_check_is_read_or_ignored(check: Any) -> None:  # fmt: skip
    found = read_check_settings(run_of(check))
    assert found is None or found.rules.tolerance(result().case) > 0


def results(memory: float = 4096.0) -> list[Any]:
    return [
        result(name, 1024, seconds, ratio=ratio, round=number, values={
            "memory.tensor": ("B", memory), "memory.state": ("B", 100.0)} if number == 1 else None)
        for number in (1, 2, 3)
        for name, seconds, ratio in (("sdpa", 4e-3, None), ("none", 1e-3, None), ("dct-x", 2e-3, 8))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "kinds"),
    [
        (Rules(), {"memory.tensor": VerdictKind.WORSE}),
        (Rules(memory=0.10), {"memory.tensor": VerdictKind.PASS}),
        (Rules(memory=0.10, budgets=Budgets(memory=4000.0)), {"budget.memory": VerdictKind.OVER_BUDGET}),
        (Rules(budgets=Budgets(memory=4000.0), at={"seq_len": 64}), {"budget.memory": None}),
    ],
)
def test_the_stored_sides_of_a_check_are_judged_by_its_own_rules(
    rules: Rules, kinds: dict[str, VerdictKind | None]
) -> None:
    places = {ENVIRONMENT.fingerprint: ENVIRONMENT}
    head = run_of(check_settings("head", ["dct-x"], rules, base=BASE.id, base_impl=None))
    before, after = results(), results(memory=4300.0)
    outcome = compare_stored(
        RecordedRun(BASE, places, before, [one.case for one in before]),
        RecordedRun(head, places, after, [one.case for one in after]),
    )
    found = {verdict.metric: verdict.kind for verdict in outcome.judgement.verdicts}
    assert {metric: found.get(metric) for metric in kinds} == kinds


@pytest.mark.parametrize(("run", "limited"), [(BASE, True), (replace(BASE, id="c" * 16), True), (OTHER, False)])
def test_the_rules_of_a_check_hold_beside_its_own_bases_alone(run: Run, limited: bool) -> None:
    rules = Rules(reference="none", latency=0.5, budgets=Budgets(memory=4000.0))
    head = run_of(check_settings("head", ["dct-x"], rules, base=BASE.id, further=("c" * 16,)))
    sides = [
        RecordedRun(one, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results(), [one.case for one in results()])
        for one in (run, head)
    ]
    outcome = compare_stored(*sides)
    assert (outcome.rules.reference, outcome.rules.latency) == (("none", 0.5) if limited else ("sdpa", TOLERANCES))
    assert ("budget.memory" in {v.metric for v in outcome.judgement.verdicts}) is limited
    assert {v.case.implementation for v in outcome.judgement.verdicts} == {"dct-x"}


def test_the_stored_sides_of_a_check_that_took_all_its_pairs_are_decided_as_they_were_there() -> None:
    rules = Rules(latency=0.25, pairs=2, max_pairs=5)
    after = [*in_rounds("sdpa", [4e-3] * 5), *in_rounds("dct-x", [2e-3, 3e-3, 2e-3, 1.4e-3, 2e-3], ratio=8)]
    before = [*in_rounds("sdpa", [4e-3] * 5), *in_rounds("dct-x", [2e-3] * 5, ratio=8)]
    there = judged(before, after, rules)
    kinds = [v.kind for v in there.judgement.verdicts]
    assert kinds == [VerdictKind.PASS]
    for most, expected in ((5, kinds), (15, [VerdictKind.INCONCLUSIVE])):  # 15: it was interrupted after five
        limited = replace(rules, max_pairs=most)
        head = run_of(check_settings("head", ["dct-x"], limited, base=BASE.id, base_impl=None))
        sides = [
            RecordedRun(run, {}, side, [one.case for one in side]) for run, side in ((BASE, before), (head, after))
        ]
        assert [v.kind for v in compare_stored(*sides).judgement.verdicts] == expected


def test_what_was_measured_in_turns_compares_with_no_run_by_itself_but_with_its_like() -> None:
    of_sides: list[tuple[Literal["base", "head"], str | None]] = [("head", None), ("head", "full"), ("base", None)]
    turned = [run_of(check_settings(side, ["dct-x"], Rules(), base=BASE.id, base_impl=name)) for side, name in of_sides]
    alone = [BASE, run_of(check_settings("head", ["dct-x"], Rules(), base=BASE.id))]
    for manner in (turned, alone):
        assert {incomparable_because(one, other) for one in manner for other in manner} == {None}
    for one, other in itertools.product(turned, alone):
        for base, head, said in (
            (one, other, "measured in turns with another process, here by itself, and that alone changes latencies"),
            (other, one, "measured by itself, here in turns with another process, and that alone changes latencies"),
        ):
            reason = incomparable_because(base, head)
            assert reason == Reason(ReasonCode.OTHER_MANNER, {"base_in_turns": base is one})
            assert reason_line(reason) == said


@pytest.mark.parametrize(
    ("base", "head", "equal"),
    [({}, {"env": {}}, True), ({"env": None}, {"env": {}}, True), ({"env": {"A": "1"}}, {}, False),
     ({"cache": "cold"}, {"cache": None}, False), ({"isolation": "auto"}, {"isolation": "auto"}, True)],
)  # fmt: skip
def test_settings_that_are_absent_or_empty_are_equal(base: dict[str, Any], head: dict[str, Any], equal: bool) -> None:
    sides = (replace(BASE, settings=RunSettings.from_json(base)), replace(HEAD, settings=RunSettings.from_json(head)))
    reason = incomparable_because(*sides)
    assert (reason is None) is equal
    assert reason is None or reason.code is ReasonCode.OTHER_SETTING
    assert (sides[0].compared_settings == sides[1].compared_settings) is equal
