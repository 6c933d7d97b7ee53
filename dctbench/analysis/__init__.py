"""Conclusions from results, computed once for every output: terminal, JSON, Markdown and report show the same number.

Nothing here draws or prints. A comparison that cannot be made is None and stays None. A tie is a tie. Nothing is
claimed outside the measured lengths, and a missing reference is never an infinite speed-up.
"""

from __future__ import annotations

from dctbench.analysis.budgets import Breach, Budgets, Choice, choose
from dctbench.analysis.capacity import Feasible, feasible_lengths
from dctbench.analysis.crossover import Crossing, Payoff, PayoffRange, payoffs
from dctbench.analysis.pareto import front
from dctbench.analysis.ranking import CLOSE, Ranking, rankings
from dctbench.analysis.reference import REFERENCE, default_reference
from dctbench.analysis.roof import Placed, distinct_ceilings, under_roof
from dctbench.analysis.scaling import Scaling, scalings
from dctbench.analysis.speedup import (
    Speedup,
    Winner,
    compare,
    reference_by_shape,
    speedups,
    with_marks,
)
from dctbench.analysis.stability import (
    WIDE,
    Instability,
    Stability,
    by_luck,
    common_shape,
    round_levels,
    samples_by_round,
    stability,
    stop_reasons,
)
from dctbench.analysis.summary import Summary, arranged, method_order, same_length, summarise
from dctbench.analysis.timeliness import Timeliness

__all__ = [
    "CLOSE",
    "REFERENCE",
    "WIDE",
    "Breach",
    "Budgets",
    "Choice",
    "Crossing",
    "Feasible",
    "Instability",
    "Payoff",
    "PayoffRange",
    "Placed",
    "Ranking",
    "Scaling",
    "Speedup",
    "Stability",
    "Summary",
    "Timeliness",
    "Winner",
    "arranged",
    "by_luck",
    "choose",
    "common_shape",
    "compare",
    "default_reference",
    "distinct_ceilings",
    "feasible_lengths",
    "front",
    "method_order",
    "payoffs",
    "rankings",
    "reference_by_shape",
    "round_levels",
    "same_length",
    "samples_by_round",
    "scalings",
    "speedups",
    "stability",
    "stop_reasons",
    "summarise",
    "under_roof",
    "with_marks",
]
