"""Two stored runs by what is stored: nothing more can be measured, and too little decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from dctbench.compare import Rules
from dctbench.compare.check_settings import check_settings
from dctbench.compare.stored import NoResultsError, compare_stored
from dctbench.model import Measurement, Reason, ReasonCode, Result, ResultDetails, RunSettings, VerdictKind
from dctbench.runs.lookup import RecordedRun
from dctbench.wording.verdict_sentences import warnings
from tests.support.made import ELSEWHERE, ENVIRONMENT, elsewhere
from tests.support.outcomes import BASE, HEAD, in_rounds


def recorded(results: Sequence[Result], *, head: bool = False) -> RecordedRun:
    plan = list(dict.fromkeys(one.case for one in results))
    return RecordedRun(HEAD if head else BASE, {ENVIRONMENT.fingerprint: ENVIRONMENT}, list(results), plan)


def rounds(count: int, seconds: float = 2e-3) -> list[Result]:
    return [*in_rounds("sdpa", [4e-3] * count), *in_rounds("dct-x", [seconds] * count, ratio=8)]


@pytest.mark.parametrize(
    ("base", "head", "kind"),
    [(1, 1, VerdictKind.INCONCLUSIVE), (2, 1, VerdictKind.INCONCLUSIVE), (1, 2, VerdictKind.INCONCLUSIVE),
     (2, 2, VerdictKind.PASS)],
)  # fmt: skip
def test_one_process_on_a_side_is_not_enough_to_say_that_nothing_changed(
    base: int, head: int, kind: VerdictKind
) -> None:
    outcome = compare_stored(recorded(rounds(base)), recorded(rounds(head), head=True))
    found = {v.case.implementation: v for v in outcome.judgement.verdicts if v.metric == "latency"}
    assert found["dct-x"].kind is kind
    if kind is VerdictKind.INCONCLUSIVE:
        assert found["dct-x"].reason == Reason(ReasonCode.NEEDS_PROCESSES)


@pytest.mark.parametrize("seconds", [8e-3, 0.5e-3])
def test_one_process_proves_nothing_against_however_many(seconds: float) -> None:
    """Beside fifty others the rank of a single process has p = 2 / 51."""
    outcome = compare_stored(recorded(rounds(50)), recorded(rounds(1, seconds), head=True))
    [kind] = {v.kind for v in outcome.judgement.verdicts if v.case.implementation == "dct-x" and v.metric == "latency"}
    assert kind is VerdictKind.INCONCLUSIVE


@pytest.mark.parametrize("count", [6, 20])
def test_what_is_not_told_apart_is_never_called_unchanged_however_many_processes_there_are(count: int) -> None:
    """Processes of one and of four milliseconds: the interval of the change reaches far beyond 1.25."""
    noisy = [*in_rounds("sdpa", [4e-3] * count), *in_rounds("dct-x", [1e-3, 4e-3] * (count // 2), ratio=8)]
    outcome = compare_stored(recorded(noisy), recorded(noisy, head=True))
    [verdict] = [v for v in outcome.judgement.verdicts if v.case.implementation == "dct-x"]
    assert verdict.high is not None
    assert verdict.high > 1.25
    assert (verdict.kind, verdict.reason) == (VerdictKind.INCONCLUSIVE, Reason(ReasonCode.NEEDS_PROCESSES))


@pytest.mark.parametrize("effect", [0.82, 1 / 0.82, 0.78])
def test_a_large_gain_that_is_possible_is_called_unchanged_no_more_than_a_loss(effect: float) -> None:
    before = [1.676e-3, 2e-3, 2.386e-3]
    base = [*in_rounds("sdpa", [4e-3] * 3), *in_rounds("dct-x", before, ratio=8)]
    head = [*in_rounds("sdpa", [4e-3] * 3), *in_rounds("dct-x", [effect * took for took in before], ratio=8)]
    outcome = compare_stored(recorded(base), recorded(head, head=True))
    [verdict] = [v for v in outcome.judgement.verdicts if v.case.implementation == "dct-x" and v.metric == "latency"]
    assert verdict.kind is VerdictKind.INCONCLUSIVE


@pytest.mark.parametrize(("seconds", "warned"), [(4e-3, True), (1e-3, True), (2e-3, False)])
def test_a_change_between_single_runs_is_told_with_what_it_rests_on(seconds: float, warned: bool) -> None:
    outcome = compare_stored(recorded(rounds(6)), recorded(rounds(6, seconds), head=True))
    told = any("two runs of the same code can differ by more than their processes show" in w for w in warnings(outcome))
    assert told == warned


def test_a_plan_that_changed_is_told() -> None:
    def planned(plan: str) -> list[Result]:
        dct = in_rounds("dct-x", [2e-3] * 3, ratio=8)
        return [*in_rounds("sdpa", [4e-3] * 3), *(replace(one, details=replace(one.details, plan=plan)) for one in dct)]

    outcome = compare_stored(recorded(planned("basis")), recorded(planned("fft"), head=True))
    [told] = [line for line in warnings(outcome) if line.startswith("plan changed: ")]
    assert "dct-x r=8 n=1024: its transform is basis in base, and fft in head" in told
    same = compare_stored(recorded(planned("basis")), recorded(planned("basis"), head=True))
    assert not any(line.startswith("plan changed") for line in warnings(same))


def test_a_slowdown_between_two_runs_needs_no_fresh_processes_and_fails_nothing() -> None:
    outcome = compare_stored(recorded(rounds(6)), recorded(rounds(6, 4e-3), head=True))
    kinds = {v.case.implementation: v.kind for v in outcome.judgement.verdicts if v.metric == "latency"}
    assert kinds == {"sdpa": VerdictKind.PASS, "dct-x": VerdictKind.SLOWER}
    assert (outcome.exit_code, outcome.informs) == (0, True)


def test_a_slowdown_of_a_check_that_its_confirming_processes_did_not_show_is_none() -> None:
    head = [*in_rounds("sdpa", [4e-3] * 6, confirmed=True), *in_rounds("dct-x", [4e-3] * 6, ratio=8)]
    fresh = [one for one in in_rounds("dct-x", [2e-3] * 6, ratio=8, confirmed=True) if one.round > 1000]
    outcome = compare_stored(recorded(rounds(6)), recorded([*head, *fresh], head=True))
    [verdict] = [v for v in outcome.judgement.verdicts if v.metric == "latency" and v.case.implementation == "dct-x"]
    assert verdict.kind is VerdictKind.PASS
    assert verdict.reason == Reason(ReasonCode.NOT_CONFIRMED, {"then": None, "first": "slower"})


@pytest.mark.parametrize("side", ["base", "head"])
def test_a_case_without_a_latency_on_one_side_has_verdicts_on_the_rest(side: str) -> None:
    """As an exported file may have it."""
    flops = (Measurement("flops", "FLOP", (1e9,)),)
    timed = [replace(one, measurements=(*one.measurements, *flops)) for one in rounds(3)]
    counted = [one if one.case.ratio is None else replace(one, measurements=flops) for one in timed]
    sides = {"base": timed, "head": timed} | {side: counted}
    outcome = compare_stored(recorded(sides["base"]), recorded(sides["head"], head=True))
    found = {v.metric: (v.kind, v.reason) for v in outcome.judgement.verdicts if v.case.implementation == "dct-x"}
    reason = Reason(ReasonCode.NOT_MEASURED, {"side": side})
    assert found == {"latency": (VerdictKind.INCOMPARABLE, reason), "flops": (VerdictKind.PASS, None)}


def test_the_reference_is_one_that_both_runs_have_unless_it_is_named() -> None:
    full = in_rounds("full", [4e-3] * 3)
    base = [*full, *in_rounds("dct-x", [2e-3] * 3, ratio=8)]
    head = [*rounds(3), *full, *in_rounds("pool", [1e-3] * 3, ratio=8)]
    assert compare_stored(recorded(base), recorded(head, head=True)).rules.reference == "full"
    assert compare_stored(recorded(head), recorded(base, head=True)).rules.reference == "full"
    assert compare_stored(recorded(head), recorded(head, head=True)).rules.reference == "sdpa"
    named = compare_stored(recorded(head), recorded(head, head=True), reference="pool", tolerance=0.4)
    assert (named.rules.reference, named.rules.latency) == ("pool", 0.4)


@pytest.mark.parametrize(
    ("judged", "judged_keeps", "base_impl", "base_keeps"),
    [
        ("dct-x", {"ratio": 8}, "full", {}),
        ("dct-x", {"ratio": 8}, "dct-kv", {"ratio": 8}),
        ("dct-x", {"kept": 32}, "full", {}),
        ("dct-x", {"kept": 32}, "nystromformer", {"kept": 32}),
        ("linear", {}, "nystromformer", {"kept": 64}),
    ],
)
def test_a_method_that_stood_for_base_is_found_by_what_it_keeps(
    judged: str, judged_keeps: dict[str, Any], base_impl: str, base_keeps: dict[str, Any]
) -> None:
    head = [*in_rounds(judged, [2e-3] * 2, **judged_keeps), *in_rounds("none", [1e-3] * 2)]
    base = [*in_rounds(base_impl, [2e-3] * 2, **base_keeps), *in_rounds("none", [1e-3] * 2)]
    written = check_settings("head", [judged], Rules(reference="none"), base=BASE.id, base_impl=base_impl)
    settings = RunSettings.from_json({"check": written})
    after = recorded(head, head=True)
    outcome = compare_stored(recorded(base), replace(after, run=replace(after.run, settings=settings)))
    kinds = {v.case.implementation: v.kind for v in outcome.judgement.verdicts}
    assert kinds == {judged: VerdictKind.PASS}


def planned(results: Sequence[Result], plan: str, *, head: bool = False) -> RecordedRun:
    values = (Measurement("flops", "FLOP", (1e9,)),)
    return recorded(
        [replace(one, details=ResultDetails(plan=plan), measurements=one.measurements + values) for one in results],
        head=head,
    )


def test_other_transform_plans_compare_on_one_machine_and_how_two_machines_differ_is_told() -> None:
    base, head = planned(rounds(3), "fft"), planned(rounds(3), "basis", head=True)
    moved = replace(base, environments={ELSEWHERE.fingerprint: ELSEWHERE}, results=elsewhere(base.results))
    for before, kind, differ in ((base, VerdictKind.PASS, ()), (moved, VerdictKind.INCOMPARABLE, ("cpu",))):
        outcome = compare_stored(before, head)
        flops = {v.kind for v in outcome.judgement.verdicts if v.metric == "flops"}
        assert flops == {kind}
        assert tuple(one.fact for one in outcome.differences) == differ
        assert (outcome.base, outcome.head) == (BASE, HEAD)


@pytest.mark.parametrize("swapped", [False, True])
def test_of_a_run_that_two_machines_measured_the_cases_of_one_machine_compare_alone(swapped: bool) -> None:
    """The other machine has a dct-x that is twice as fast beside the same sdpa."""
    longer = [*in_rounds("sdpa", [8e-3] * 6, 2048), *in_rounds("dct-x", [4e-3] * 6, 2048, ratio=8)]
    there = [*in_rounds("sdpa", [8e-3] * 6, 2048), *in_rounds("dct-x", [2e-3] * 6, 2048, ratio=8)]
    places = {one.fingerprint: one for one in (ENVIRONMENT, ELSEWHERE)}
    merged = replace(recorded([*rounds(6), *elsewhere(there)], head=swapped), environments=places)
    whole = recorded([*rounds(6), *longer], head=not swapped)
    outcome = compare_stored(*((whole, merged) if swapped else (merged, whole)))
    found = {v.case.seq_len: (v.kind, v.reason) for v in outcome.judgement.verdicts if v.case.ratio}
    apart = (VerdictKind.INCOMPARABLE, Reason(ReasonCode.OTHER_ENVIRONMENT))
    assert found == {1024: (VerdictKind.PASS, None), 2048: apart}
    assert outcome.exit_code == 0


def test_runs_that_share_no_case_compare_nothing_and_a_run_without_results_is_refused() -> None:
    base, head = recorded(in_rounds("full", [1e-3] * 2)), recorded(in_rounds("sdpa", [1e-3] * 2), head=True)
    outcome = compare_stored(base, head)
    assert {v.kind for v in outcome.judgement.verdicts} == {VerdictKind.NEW, VerdictKind.MISSING}
    assert outcome.exit_code == 3
    for empty, sides in (((one := recorded([])), (one, head)), ((two := recorded([], head=True)), (base, two))):
        with pytest.raises(NoResultsError) as refused:
            compare_stored(*sides)
        assert refused.value.recorded is empty


def test_nothing_is_said_of_a_case_that_neither_run_has_measured() -> None:
    base, head = recorded(rounds(2)), recorded(rounds(2), head=True)
    planned = replace(head, plan=[*head.plan, replace(head.plan[-1], ratio=16.0)])
    outcome = compare_stored(base, planned)
    assert {verdict.case for verdict in outcome.judgement.verdicts} == set(head.plan)
