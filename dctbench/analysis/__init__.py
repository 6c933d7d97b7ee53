"""What the results say, computed once, for every output: terminal, JSON, Markdown and the report show the same number.

Nothing here draws or prints. A comparison that cannot be made is None and stays None; a tie is a tie; nothing is
claimed outside the measured lengths; a missing reference is never a speed-up of infinity.
"""

from __future__ import annotations

from dctbench.analysis.budgets import Breach, Budgets, Choice, choose
from dctbench.analysis.capacity import Feasible, feasible_lengths
from dctbench.analysis.crossover import Crossing, Payoff, PayoffRange, payoffs
from dctbench.analysis.pareto import front
from dctbench.analysis.scaling import Scaling, scalings
from dctbench.analysis.speedup import (
    REFERENCE,
    SINGLE_ROUND_BAND,
    Speedup,
    Winner,
    compare,
    default_reference,
    references,
)
from dctbench.analysis.standing import Standing, is_exact, standings, tied
from dctbench.analysis.summary import Summary, arranged, method_order, summarise

__all__ = [
    "REFERENCE",
    "SINGLE_ROUND_BAND",
    "Breach",
    "Budgets",
    "Choice",
    "Crossing",
    "Feasible",
    "Payoff",
    "PayoffRange",
    "Scaling",
    "Speedup",
    "Standing",
    "Summary",
    "Winner",
    "arranged",
    "choose",
    "compare",
    "default_reference",
    "feasible_lengths",
    "front",
    "is_exact",
    "method_order",
    "payoffs",
    "references",
    "scalings",
    "standings",
    "summarise",
    "tied",
]
