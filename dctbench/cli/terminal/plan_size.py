"""How much a plan measures, in words."""

from __future__ import annotations

from dctbench.scheduler.plan import Plan
from dctbench.text.format import pluralize


def plan_size(plan: Plan) -> str:
    """Return how much is measured: `45 cases x 3 rounds` or, if short ones have more, `45 cases x 3 to 6 rounds`."""
    least, most = min(plan.rounds.values(), default=1), plan.most_rounds
    rounds = pluralize(most, "round") if least == most else f"{least} to {most} rounds"
    return f"{pluralize(len(plan.cases), 'case')} x {rounds}"
