"""Two stored runs: what changed from one to the other, by what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dctbench import catalog
from dctbench.analysis import REFERENCE, Summary, arranged, default_reference
from dctbench.compare.change import FEWEST
from dctbench.compare.check_settings import CheckSettings, read_check_settings
from dctbench.compare.judgement import Comparison, judge
from dctbench.compare.outcome import ComparisonOutcome, differences, incomparable_because
from dctbench.compare.rules import Rules
from dctbench.errors import CannotJudgeError
from dctbench.model import Case, Verdict, VerdictKind
from dctbench.runs.lookup import RecordedRun

_ALONE = frozenset({VerdictKind.NEW, VerdictKind.MISSING, VerdictKind.INCOMPARABLE})


class NoResultsError(CannotJudgeError):
    """A run without results cannot be compared with another. `recorded` is that run."""

    def __init__(self, recorded: RecordedRun) -> None:
        super().__init__(f"run {recorded.run.short_id} has no results yet")
        self.recorded = recorded


def compare_stored(
    base: RecordedRun, head: RecordedRun, *, reference: str | None = None, tolerance: float | None = None
) -> ComparisonOutcome:
    """Compare two runs. The exit code is 0 where something could be compared, else 3.

    The two sides of a check that was measured in turns are compared by its pairs.

    Args:
        base, head: the runs.
        reference: whose latency beside a case's cancels drift; when None, that of the check which measured head and
            compared it with base, else sdpa or full, if it ran in both. All other rules are also those of such a check,
            including budgets.
        tolerance: of latency, a share; when None, that of such a check, else the default for the devices of head.

    Raises:
        NoResultsError: when either has no results.
    """
    for side in (base, head):
        if not side.results:
            raise NoResultsError(side)
    sides = [{summary.case: summary for summary in side.summaries} for side in (base, head)]
    check = read_check_settings(head.run)
    usual = Rules(reference=default_reference(set(sides[0]) & set(sides[1])) or REFERENCE)
    rules = as_stored(check.rules if check and check.judged_against(base.run) else usual)
    rules = replace(rules, reference=reference or rules.reference, latency=tolerance or rules.latency)
    paired = check is not None and check.in_turn_with(base.run)
    beside = _beside(head, check)
    # A longer training that one run added need not be in the other. One that the other has by its own plan is compared.
    planned = {case for side in (base, head) for case in side.plan if case not in side.longer}
    longer = (base.longer | head.longer) - planned
    cases = [case for case in _in_order(head, rules) if case.implementation not in beside and case not in longer]
    counterparts = {
        case: other
        for case, other in _counterparts(cases, check.instead if check and paired else None, sides[0]).items()
        if case in sides[1] or other in sides[0]  # nothing is said of what neither run has measured
    }
    compared = {*counterparts.values(), *counterparts}
    comparison = Comparison(
        base=sides[0],
        head=sides[1],
        counterparts=counterparts,
        paired=paired,
        missing=[c for c in sides[0] if c not in compared and c not in longer and c.implementation not in beside],
        incomparable_because=None if paired else incomparable_because(base.run, head.run),
    )
    judgement = judge(comparison, rules)
    return ComparisonOutcome(
        base=base.run,
        head=head.run,
        judgement=judgement,
        rules=rules,
        differences=differences(base.environments.values(), head.environments.values()),
        exit_code=0 if _compared(judgement.verdicts) else CannotJudgeError.exit_code,
        informs=True,
    )


def as_stored(rules: Rules) -> Rules:
    """Return rules as they hold for runs of which nothing more can be measured."""
    return replace(rules, pairs=FEWEST, confirm=False)


def _beside(head: RecordedRun, check: CheckSettings | None) -> frozenset[str]:
    """Return the references that a check added to the methods it was asked for: they get no verdict."""
    if check is None or check.asked is None:
        return frozenset()
    return frozenset(case.implementation for case in head.plan) - frozenset(check.asked)


def _in_order(head: RecordedRun, rules: Rules) -> list[Case]:
    """Return the cases of head in the order of the report, with those that were not measured at the end."""
    return list(dict.fromkeys([*(summary.case for summary in arranged(head.summaries, rules.reference)), *head.plan]))


def _counterparts(cases: Iterable[Case], base_impl: str | None, base: Mapping[Case, Summary]) -> dict[Case, Case]:
    """Return what each case of head is compared with: itself, or the method that stood in for its base."""
    if base_impl is None:
        return {case: case for case in cases}
    found = {}
    for case in cases:
        same = replace(case, implementation=base_impl)
        default = catalog.recorded_implementation(base_impl).default_kept
        others = (replace(same, ratio=None, kept=kept) for kept in (None, default))
        found[case] = next((one for one in (same, *others) if one in base), replace(same, ratio=None, kept=None))
    return found


def _compared(verdicts: Iterable[Verdict]) -> bool:
    """Whether any verdict compares the two sides, inconclusive ones included."""
    return any(verdict.kind not in _ALONE and verdict.budget is None for verdict in verdicts)
