"""The verdict of a check on one metric of one case."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dctbench.model.case import Case
from dctbench.model.codes import Reason


class VerdictKind(Enum):
    """What a check concludes about one metric of one case."""

    PASS = "PASS"
    FASTER = "FASTER"
    BETTER = "BETTER"
    NEW = "NEW"
    FIXED = "FIXED"
    SLOWER = "SLOWER"
    WORSE = "WORSE"
    OVER_BUDGET = "OVER_BUDGET"
    MISSING = "MISSING"
    NEWLY_FAILING = "NEWLY_FAILING"
    INCONCLUSIVE = "INCONCLUSIVE"
    INCOMPARABLE = "INCOMPARABLE"


REGRESSIONS = frozenset(
    {VerdictKind.SLOWER, VerdictKind.WORSE, VerdictKind.OVER_BUDGET, VerdictKind.MISSING, VerdictKind.NEWLY_FAILING}
)
"""The verdicts that make a check exit with 1."""

IMPROVEMENTS = frozenset({VerdictKind.FASTER, VerdictKind.BETTER, VerdictKind.FIXED})

UNDECIDED = frozenset({VerdictKind.INCONCLUSIVE, VerdictKind.INCOMPARABLE})
"""The verdicts that make a check exit with 3 when none makes it exit with 1."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of comparing head with base in one metric of one case.

    Attributes:
        case, metric, kind: what was judged, and the conclusion.
        base, head: in the metric's SI unit; None on a side without a value.
        effect: head / base, where that says something: neither is below 0, and base is above it unless both are 0. For
            latency, the change that was judged: of pairs the raw change; against a stored run the change of the ratio
            to the reference.
        low, high: the 95% interval of `effect`, for latency.
        raw: the raw change, where `effect` is relative to the reference.
        tolerance: the change that passes, or the limit of a budget.
        reason: what the figures do not show.
        budget: the field of `analysis.Budgets` that the value was compared with, or None.
    """

    case: Case
    metric: str
    kind: VerdictKind
    base: float | None = None
    head: float | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    raw: float | None = None
    tolerance: float | None = None
    reason: Reason | None = None
    budget: str | None = None
