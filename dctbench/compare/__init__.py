"""Base and head -> verdicts: one per metric and case, from stored results alone.

Nothing here measures. `judge` may be called after every pair of processes; it names the cases that need more.
"""

from __future__ import annotations

from dctbench.compare.change import CONFIRMING
from dctbench.compare.judgement import Comparison, Judgement, judge
from dctbench.compare.outcome import ComparisonOutcome, Difference, differences, incomparable_because
from dctbench.compare.rules import ALPHA, CONTROL, FLOORS, TOLERANCES, Rules

__all__ = [
    "ALPHA",
    "CONFIRMING",
    "CONTROL",
    "FLOORS",
    "TOLERANCES",
    "Comparison",
    "ComparisonOutcome",
    "Difference",
    "Judgement",
    "Rules",
    "differences",
    "incomparable_because",
    "judge",
]
