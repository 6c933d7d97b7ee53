"""What a check says of one metric of one case."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dctbench.model.case import Case
from dctbench.model.codes import Reason


class VerdictKind(Enum):
    """What a gate says of one metric of one case."""

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
"""What makes a check exit 1."""

IMPROVEMENTS = frozenset({VerdictKind.FASTER, VerdictKind.BETTER, VerdictKind.FIXED})

UNDECIDED = frozenset({VerdictKind.INCONCLUSIVE, VerdictKind.INCOMPARABLE})
"""What makes a check exit 3 when nothing makes it exit 1."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comparing head with base says of one metric of one case.

    `base` and `head` are in the metric's SI unit, or None on a side that has no value. `effect` is head / base. Of
    latency it is what was judged, with `low` and `high` its 95% interval: of pairs the raw change, against a stored run
    that of the ratio to the reference, beside which `raw` stands. `tolerance` is the change or the limit that it was
    held against, and `reason` is what the figures do not show. `budget` names the limit that was held against the
    value where it is one of `analysis.Budgets`.
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
