"""What needs no statistics: whether a case runs at all, its FLOPs, bytes and errors, and its budgets."""

from __future__ import annotations

from collections.abc import Iterator

from dctbench.analysis import Summary
from dctbench.analysis.budgets import breaches, budgeted
from dctbench.compare.rules import Rules
from dctbench.model import Case, Reason, ReasonCode, Verdict, VerdictKind

STATUS = "status"
_BUDGETS = {
    "latency_p99": "budget.latency.p99",
    "memory": "budget.memory",
    "memory_process": "budget.memory.process",
    "error_smooth": "budget.error.smooth",
    "error_noise": "budget.error.noise",
    "error_input": "budget.error.input",
    "miss_rate": "budget.miss_rate",
}
"""What a verdict on a budget calls its metric, by the name of the budget."""
_ERRORS = ("error.smooth", "error.noise", "error.input")
_ROUNDING = 1e-6
"""Errors that differ by less than this differ by rounding."""


def status_verdict(case: Case, base: Summary | None, head: Summary | None) -> Verdict | None:
    """Return a verdict on a case that does not run on both sides; None where there are figures to compare.

    A base that ran in any round has figures, however it ended later. Only a case that never ran in base can be fixed,
    and one that ran there fails newly where it never runs in head.
    """
    values = {name: ending(one) for name, one in (("base", base), ("head", head)) if one and one.status != "ok"}
    if head is None:
        kind, code, values = VerdictKind.MISSING, ReasonCode.NOT_IN_HEAD, {}
    elif base is None and head.status == "ok":
        kind, code = VerdictKind.NEW, ReasonCode.NEW
    elif base is None:
        kind, code = VerdictKind.NEWLY_FAILING, ReasonCode.NEW_AND_FAILS
    elif len(values) == 2 and (ran(head) or not ran(base)):
        kind, code = VerdictKind.INCOMPARABLE, ReasonCode.FAILS_ON_BOTH_SIDES
    elif head.status != "ok":
        kind, code = VerdictKind.NEWLY_FAILING, ReasonCode.HEAD_FAILED
    elif ran(base):
        return None
    elif base.details.not_loaded:
        kind, code, values = VerdictKind.INCOMPARABLE, ReasonCode.BASE_NOT_LOADED, {"message": base.message or ""}
    else:
        kind, code = VerdictKind.FIXED, ReasonCode.RUNS_NOW
    return Verdict(case, STATUS, kind, reason=Reason(code, values))


def ran(summary: Summary) -> bool:
    """Whether the case ran in one round or more."""
    return any(result.status == "ok" for result in summary.rounds)


def ending(summary: Summary) -> str:
    """Return the status and message of a case's first failure; its later rounds are only skipped."""
    first = next((r for r in summary.rounds if r.status not in ("ok", "skipped")), None)
    status, message = (summary.status, summary.message) if first is None else (first.status, first.message)
    return f"{status}: {message}" if message else status


def counted(base: Summary, head: Summary, rules: Rules, same_machine: bool) -> Iterator[Verdict]:
    """Compare FLOPs and tensor bytes.

    With the same transform plan they compare between machines too. Two plans compare only on one machine, where the
    planner had the same rates: then the difference is a change in head.
    """
    before, now = base.details, head.details
    differ = Reason(ReasonCode.OTHER_PLAN, {"base": before.plan, "head": now.plan})
    same_choice = same_machine and before.plan_rates == now.plan_rates
    other_plan = None if before.plan == now.plan or same_choice else differ
    limits = {"flops": rules.flops, "memory.tensor": rules.memory, "memory.state": rules.memory}
    for metric, tolerance in limits.items():
        yield from _values(base, head, metric, tolerance, 0.0, other_plan)


def errors(base: Summary, head: Summary, rules: Rules) -> Iterator[Verdict]:
    """Compare the errors of methods that are not exact.

    An exact method fails while it is measured if its error exceeds rounding; smaller errors are not compared. The
    errors of two different methods are compared only if both approximate exact attention.
    """
    alike = head.case.implementation == base.case.implementation or (base.approximates and head.approximates)
    if head.details.tolerance is not None or not alike:
        return
    for metric in _ERRORS:
        yield from _values(base, head, metric, rules.error, _ROUNDING, None)


def effect_of(base: float, head: float) -> float | None:
    """Return head / base: 1 where both are 0, and None where base alone is 0, or where either is below 0.

    Of figures of different signs a ratio says nothing. An accuracy of a user's own task may be below 0, and an imported
    file may say anything.
    """
    if base < 0 or head < 0:
        return None
    return head / base if base else None if head else 1.0


def _values(
    base: Summary, head: Summary, metric: str, tolerance: float, least: float, incomparable: Reason | None
) -> Iterator[Verdict]:
    before, now = base.values.get(metric), head.values.get(metric)
    if before is None and now is None:
        return
    if incomparable or before is None or now is None:
        side = "base" if before is None else "head"
        reason = incomparable or Reason(ReasonCode.NOT_MEASURED, {"side": side})
        yield Verdict(head.case, metric, VerdictKind.INCOMPARABLE, before, now, reason=reason)
        return
    effect = effect_of(before, now)
    if abs(now - before) <= least:
        kind = VerdictKind.PASS
    elif now > before * (1 + tolerance):
        kind = VerdictKind.WORSE
    elif now < before / (1 + tolerance):
        kind = VerdictKind.BETTER
    else:
        kind = VerdictKind.PASS
    yield Verdict(head.case, metric, kind, before, now, effect, tolerance=tolerance)


def budget_verdicts(head: Summary, rules: Rules) -> Iterator[Verdict]:
    """Return one verdict per budget of a case. A value that was not measured is never within its budget."""
    if not rules.budgeted(head.case) or head.status != "ok":
        return
    values = budgeted(head, rules.budgets.confidence)
    broken = {breach.budget for breach in breaches(head, rules.budgets)}
    for name, limit in rules.budgets.given.items():
        known = values[name] is not None
        kind = (
            VerdictKind.PASS if name not in broken else VerdictKind.OVER_BUDGET if known else VerdictKind.INCONCLUSIVE
        )
        reason = None if known else Reason(ReasonCode.NOT_MEASURED)
        took_turns = any(result.details.turns is not None for result in head.rounds)
        if kind is VerdictKind.OVER_BUDGET and name == "latency_p99" and took_turns:
            reason = Reason(ReasonCode.TOOK_TURNS)
        yield Verdict(head.case, _BUDGETS[name], kind, head=values[name], tolerance=limit, reason=reason, budget=name)
