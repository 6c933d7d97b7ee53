"""Two stored runs: what changed from one to the other, from what is recorded of them and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dctbench.analysis import Summary, arranged, default_reference
from dctbench.compare.judgement import Comparison, judge
from dctbench.compare.outcome import Outcome, apart, differences
from dctbench.compare.rules import TOLERANCES, Rules
from dctbench.errors import CannotJudgeError
from dctbench.model import Case, Kind, Run, Verdict
from dctbench.references import Recorded

_FEWEST = 2
"""Processes that a difference between two runs takes at least: one alone says nothing of the next."""
_ALONE = frozenset({Kind.NEW, Kind.MISSING, Kind.INCOMPARABLE})


def compare_stored(
    base: Recorded, head: Recorded, *, reference: str | None = None, tolerance: float | None = None
) -> Outcome:
    """Everything that can be said of two runs; exit code 0 when something could be compared, else 3.

    The two sides of one interleaved check are compared by its pairs.

    Args:
        base, head: the runs.
        reference: whose latency beside a case's cancels drift; when None, that of the check which measured head, else
            sdpa or full, if it ran in both.
        tolerance: of latency, a share; when None, that check's, else what is usual for the devices of head.

    Raises:
        CannotJudgeError: when either has no results.
    """
    for side in (base, head):
        if not side.results:
            raise CannotJudgeError(
                f"run {side.run.short_id} has no results yet", hint="go on with: dctbench run --resume"
            )
    sides = [{summary.case: summary for summary in side.summaries} for side in (base, head)]
    known = _check(head.run)
    reference = reference or known.get("reference") or default_reference(set(sides[0]) & set(sides[1]))
    tolerance = known.get("tolerance") if tolerance is None else tolerance
    rules = Rules(pairs=_FEWEST, confirm=False, latency=_tolerance(head) if tolerance is None else tolerance)
    rules = replace(rules, reference=reference) if reference else rules
    paired = _are_pairs(base, head)
    beside = _beside(head)
    cases = [case for case in _in_order(head, rules) if case.implementation not in beside]
    counterparts = _counterparts(cases, _check(head.run).get("base_impl") if paired else None, sides[0])
    ours = {*counterparts.values(), *cases}
    fingerprints = set(base.environments), set(head.environments)
    comparison = Comparison(
        base=sides[0],
        head=sides[1],
        counterparts=counterparts,
        paired=paired,
        missing=[case for case in sides[0] if case not in ours and case.implementation not in beside],
        apart=None if paired else apart(base.run, head.run, fingerprints),
        same_machine=paired or bool(fingerprints[0] & fingerprints[1]),
    )
    judgement = judge(comparison, rules)
    return Outcome(
        base=base.run,
        head=head.run,
        judgement=judgement,
        rules=rules,
        differences=differences(base.environments.values(), head.environments.values()),
        exit_code=0 if _compared(judgement.verdicts) else CannotJudgeError.exit_code,
        informs=True,
    )


def _check(run: Run) -> Mapping[str, Any]:
    """What a check has written about a run that it measured; nothing for any other."""
    found = run.settings.get("check")
    return found if isinstance(found, Mapping) else {}


def _are_pairs(base: Recorded, head: Recorded) -> bool:
    """Whether one check measured both in turn. A check against a stored run names its base, but no `base_impl`."""
    check = _check(head.run)
    return "base_impl" in check and check.get("base") == base.run.id


def _beside(head: Recorded) -> frozenset[str]:
    """The references that a check has added to what it was asked for: they get no verdict."""
    asked = _check(head.run).get("asked")
    if not isinstance(asked, list):
        return frozenset()
    return frozenset(case.implementation for case in head.plan) - frozenset(map(str, asked))


def _in_order(head: Recorded, rules: Rules) -> list[Case]:
    """The cases of head as readers look for them; those that were not measured last."""
    return list(dict.fromkeys([*(summary.case for summary in arranged(head.summaries, rules.reference)), *head.plan]))


def _counterparts(cases: Iterable[Case], base_impl: object, base: Mapping[Case, Summary]) -> dict[Case, Case]:
    """What each case of head is compared with: itself, or the method that the check took for its base."""
    if base_impl is None:
        return {case: case for case in cases}
    found = {}
    for case in cases:
        same = replace(case, implementation=str(base_impl))
        found[case] = same if same in base else replace(same, ratio=None)
    return found


def _tolerance(head: Recorded) -> float:
    return max(TOLERANCES[result.case.device.partition(":")[0]] for result in head.results)


def _compared(verdicts: Iterable[Verdict]) -> bool:
    """Whether any verdict says how the two sides compare, be it that this cannot be told yet."""
    return any(verdict.kind not in _ALONE for verdict in verdicts)
