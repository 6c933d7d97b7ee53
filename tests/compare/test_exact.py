"""What is compared without statistics: the allowance for rounding, tolerances, exact methods, budgets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.analysis import Budgets, Summary, summarise
from dctbench.compare import Rules
from dctbench.compare.exact import budget_verdicts, counted, ending, errors, status_verdict
from dctbench.model import Case, Reason, ReasonCode, ResultDetails, Status, VerdictKind
from tests.support.made import result

X = Case("dct-x", 1024, 8)


def summary(metric: str, unit: str, value: float, **details: object) -> Summary:
    one = result("dct-x", 1024, 1e-3, ratio=8, values={metric: (unit, value)})
    [found] = summarise([replace(one, details=ResultDetails.from_json(details))])
    return found


@pytest.mark.parametrize(
    ("base", "head", "compared"),
    [("window", "performer", True), ("dct-x", "dct-x", True), ("window", "dct-x", False), ("dct-x", "window", False),
     ("linformer", "performer", False), ("dct-x", "dct-qkv", False)],
)  # fmt: skip
def test_errors_of_different_methods_are_compared_only_if_both_approximate_exact_attention(
    base: str, head: str, compared: bool
) -> None:
    [before], [now] = (
        summarise([result(name, 1024, 1e-3, values={"error.smooth": ("1", error)})])
        for name, error in ((base, 0.1), (head, 0.9))
    )
    assert [v.kind for v in errors(before, now, Rules())] == ([VerdictKind.WORSE] if compared else [])


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        (1e-7, 1e-6, VerdictKind.PASS),  # tenfold, and rounding
        (1e-7, 1.2e-6, VerdictKind.WORSE),
        (1.2e-6, 1e-7, VerdictKind.BETTER),
        (0.0, 9e-7, VerdictKind.PASS),
        (0.0, 2e-6, VerdictKind.WORSE),
        (0.5, 0.5049, VerdictKind.PASS),
        (0.5, 0.5051, VerdictKind.WORSE),
        (0.5051, 0.5, VerdictKind.BETTER),
        (0.5049, 0.5, VerdictKind.PASS),
    ],
)
@pytest.mark.parametrize("metric", ["error.smooth", "error.noise"])
def test_errors_differ_by_more_than_rounding_and_more_than_the_tolerance(
    metric: str, before: float, now: float, kind: VerdictKind
) -> None:
    [verdict] = errors(summary(metric, "1", before), summary(metric, "1", now), Rules(error=0.01))
    assert (verdict.metric, verdict.kind, verdict.base, verdict.head) == (metric, kind, before, now)
    assert verdict.effect == (now / before if before else None)
    assert verdict.tolerance == 0.01


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [(-1e9, 1e9, VerdictKind.WORSE), (1e9, -1e9, VerdictKind.BETTER), (-1e9, -1e9, VerdictKind.PASS)],
)
def test_figures_below_zero_that_only_a_file_can_hold_have_no_ratio(
    before: float, now: float, kind: VerdictKind
) -> None:
    [verdict] = counted(summary("flops", "FLOP", before), summary("flops", "FLOP", now), Rules(), True)
    assert (verdict.kind, verdict.effect) == (kind, None)


def test_the_error_of_an_exact_method_is_a_check_of_its_own_and_not_compared() -> None:
    base, head = summary("error.smooth", "1", 1e-6), summary("error.smooth", "1", 9e-6, tolerance=2e-5)
    assert list(errors(base, head, Rules())) == []
    assert [v.kind for v in errors(head, base, Rules())] == [VerdictKind.BETTER]


@pytest.mark.parametrize(
    ("metric", "rules"),
    [("flops", Rules(flops=1 / 1024)), ("memory.tensor", Rules(memory=1 / 1024)),
     ("memory.state", Rules(memory=1 / 1024))],
)  # fmt: skip
def test_what_is_counted_is_exact_unless_the_rules_allow_more(metric: str, rules: Rules) -> None:
    base, head = summary(metric, "B", 1024.0), summary(metric, "B", 1025.0)
    [strict] = counted(base, head, Rules(), True)
    [loose] = counted(base, head, rules, True)
    assert (strict.kind, strict.tolerance) == (VerdictKind.WORSE, 0.0)
    assert (loose.kind, loose.tolerance) == (VerdictKind.PASS, 1 / 1024)
    assert [v.kind for v in counted(base, base, Rules(), True)] == [VerdictKind.PASS]


def test_a_figure_says_which_side_lacks_it() -> None:
    has, lacks = summary("flops", "FLOP", 10.0), summary("memory.process", "B", 10.0)
    for sides, missing in (((has, lacks), "head"), ((lacks, has), "base")):
        [verdict] = counted(*sides, Rules(), True)
        assert verdict.kind is VerdictKind.INCOMPARABLE
        assert verdict.reason == Reason(ReasonCode.NOT_MEASURED, {"side": missing})


def test_nothing_becomes_of_nothing() -> None:
    [verdict] = counted(summary("flops", "FLOP", 0.0), summary("flops", "FLOP", 0.0), Rules(), True)
    assert (verdict.kind, verdict.effect) == (VerdictKind.PASS, 1.0)


def test_why_a_case_does_not_run_on_both_sides_is_a_code_with_both_endings() -> None:
    def one(status: str, message: str | None = None) -> Summary:
        [found] = summarise([replace(result("dct-x", 1024, None, ratio=8, message=message), status=status)])  # type: ignore[arg-type]
        return found

    fine, failed = summary("flops", "FLOP", 1.0), one("error", "SIGSEGV")
    why = [
        (verdict.kind, verdict.reason)
        for sides in ((fine, None), (None, fine), (None, failed), (failed, one("oom")), (fine, failed), (failed, fine))
        if (verdict := status_verdict(X, *sides))
    ]
    assert why == [
        (VerdictKind.MISSING, Reason(ReasonCode.NOT_IN_HEAD, {})),
        (VerdictKind.NEW, Reason(ReasonCode.NEW, {})),
        (VerdictKind.NEWLY_FAILING, Reason(ReasonCode.NEW_AND_FAILS, {"head": "error: SIGSEGV"})),
        (VerdictKind.INCOMPARABLE, Reason(ReasonCode.FAILS_ON_BOTH_SIDES, {"base": "error: SIGSEGV", "head": "oom"})),
        (VerdictKind.NEWLY_FAILING, Reason(ReasonCode.HEAD_FAILED, {"head": "error: SIGSEGV"})),
        (VerdictKind.FIXED, Reason(ReasonCode.RUNS_NOW, {"base": "error: SIGSEGV"})),
    ]
    assert status_verdict(X, fine, fine) is None


@pytest.mark.parametrize(
    ("base", "head", "kind"),
    [
        ("ok ok error", "error error error", VerdictKind.NEWLY_FAILING),
        ("error ok ok", "oom", VerdictKind.NEWLY_FAILING),
        ("error error", "error error", VerdictKind.INCOMPARABLE),
        ("ok error ok", "ok ok error", VerdictKind.INCOMPARABLE),
        ("error error", "ok error", VerdictKind.INCOMPARABLE),
    ],
)
def test_a_case_that_ran_in_base_and_never_runs_in_head_fails_newly(base: str, head: str, kind: VerdictKind) -> None:
    sides: list[Summary] = []
    for statuses in (base, head):
        rounds = [
            result("dct-x", 1024, 1e-3 if one == "ok" else None, ratio=8, status=one, round=number)  # type: ignore[arg-type]
            for number, one in enumerate(statuses.split(), 1)
        ]
        sides += summarise(rounds)
    verdict = status_verdict(X, *sides)
    assert verdict is not None
    assert verdict.kind is kind


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ((("error", "SIGSEGV"), ("skipped", "an earlier round failed")), "error: SIGSEGV"),
        ((("skipped", "a shorter length failed"), ("oom", "needs 9 GiB")), "oom: needs 9 GiB"),
        ((("timeout", "after 60 s"), ("error", "SIGSEGV")), "timeout: after 60 s"),
        ((("skipped", "a shorter length failed"),), "skipped: a shorter length failed"),
        ((("error", None),), "error"),
    ],
)
def test_a_failure_is_told_by_its_first_round(statuses: tuple[tuple[Status, str | None], ...], told: str) -> None:
    rounds = [
        result("dct-x", 1024, None, ratio=8, status=status, message=message, round=number)
        for number, (status, message) in enumerate(statuses, 1)
    ]
    [failed] = summarise(rounds)
    assert ending(failed) == told


@pytest.mark.parametrize("message", ["No module named 'needed'", None])
def test_a_base_that_could_not_load_the_case_fixed_nothing(message: str | None) -> None:
    failed = result("dct-x", 1024, None, ratio=8, status="error", message=message)
    [base] = summarise([replace(failed, details=ResultDetails(not_loaded=True))])
    verdict = status_verdict(X, base, summary("flops", "FLOP", 1.0))
    assert verdict is not None
    assert verdict.kind is VerdictKind.INCOMPARABLE
    assert verdict.reason == Reason(ReasonCode.BASE_NOT_LOADED, {"message": message or ""})


def test_a_budget_is_held_by_the_value_and_an_unknown_value_is_never_within() -> None:
    rules = Rules(budgets=Budgets(memory_process=1000.0, error_smooth=0.5, error_noise=0.5))
    [found] = summarise(
        [result("dct-x", 1024, 1e-3, ratio=8, values={"memory.process": ("B", 1000.0), "error.smooth": ("1", 0.51)})]
    )
    said = {v.metric: (v.kind, v.head, v.tolerance, v.reason) for v in budget_verdicts(found, rules)}
    assert said == {
        "budget.memory.process": (VerdictKind.PASS, 1000.0, 1000.0, None),
        "budget.error.smooth": (VerdictKind.OVER_BUDGET, 0.51, 0.5, None),
        "budget.error.noise": (VerdictKind.INCONCLUSIVE, None, 0.5, Reason(ReasonCode.NOT_MEASURED)),
    }


@pytest.mark.parametrize("turns", [None, (200, 200)])
def test_a_tail_that_was_measured_in_turns_says_so_where_it_is_over_budget(turns: tuple[int, int] | None) -> None:
    one = result("dct-x", 1024, [2e-3] * 400, ratio=8, values={"error.smooth": ("1", 0.51)})
    [found] = summarise([replace(one, details=replace(one.details, turns=turns))])
    reason = None if turns is None else Reason(ReasonCode.TOOK_TURNS)
    for limit, kind in ((1e-3, VerdictKind.OVER_BUDGET), (3e-3, VerdictKind.PASS)):
        rules = Rules(budgets=Budgets(latency_p99=limit, error_smooth=0.5))
        said = {v.metric: (v.kind, v.reason) for v in budget_verdicts(found, rules)}
        assert said == {
            "budget.latency.p99": (kind, reason if kind is VerdictKind.OVER_BUDGET else None),
            "budget.error.smooth": (VerdictKind.OVER_BUDGET, None),
        }
