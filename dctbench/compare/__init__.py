"""Base and head -> verdicts: one per metric and case, from stored results alone.

Nothing here measures. `judge` may be asked after every pair of processes; it names the cases that need more.
"""

from __future__ import annotations

from dctbench.compare.change import CONFIRMING
from dctbench.compare.judgement import Comparison, Judgement, judge
from dctbench.compare.outcome import Difference, Outcome, apart, differences
from dctbench.compare.rules import ALPHA, FLOORS, TOLERANCES, WITNESS, Rules

__all__ = [
    "ALPHA",
    "CONFIRMING",
    "FLOORS",
    "TOLERANCES",
    "WITNESS",
    "Comparison",
    "Difference",
    "Judgement",
    "Outcome",
    "Rules",
    "apart",
    "differences",
    "judge",
]
