"""How much a plan measures, in words."""

from __future__ import annotations

from dctbench.scheduler.plan import Plan
from dctbench.text.format import pluralize


def plan_size(plan: Plan, unit: str = "round") -> str:
    """Return how much is measured: `45 cases x 3 rounds` or, if some have more, `45 cases x 3 to 6 rounds`.

    Rounds are called by the `unit`, in the singular: those of a check are pairs or processes.
    """
    least, most = min(plan.rounds.values(), default=1), plan.most_rounds
    rounds = pluralize(most, unit)
    if least != most:
        rounds = f"{least} to {rounds}"
    return f"{pluralize(len(plan.cases), 'case')} x {rounds}"
