"""The rules of a gate: tolerances, budgets, and how many pairs of processes it may measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dctbench.analysis import REFERENCE, Budgets
from dctbench.model import Case

ALPHA = 0.05
"""The level of each of the two looks, at first and at fresh pairs, over all cases of the gate together."""
CONTROL = "none"
"""The second reference: drift that one reference does not cancel shows as a difference between the two."""
TOLERANCES: Mapping[str, float] = MappingProxyType({"cpu": 0.25, "cuda": 0.07, "mps": 0.07})
"""Changes of latency that pass where this machine's noise is not known: on a shared CPU, on a GPU."""
FLOORS: Mapping[str, float] = MappingProxyType({"cpu": 100e-6, "cuda": 30e-6, "mps": 30e-6})
"""A change of latency smaller than this, in seconds, is no regression, whatever its share."""
LOOKS = 2
"""How often a gate tests processes against a stored run's, and seeds: once at the fewest, once at the most."""
MOVED = 0.10
"""If the references moved by more than this, a case needs more pairs before it passes."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one gate. Tolerances are shares: 0.1 lets head be 10% more than base.

    Attributes:
        reference: the implementation whose latency beside a case's cancels drift.
        latency: the tolerance of latency: one for every device, or one by kind of device.
        flops, memory, error: the tolerance of each.
        accuracy: how far accuracy may fall, 0.01 for a point.
        pairs: of processes (or fresh processes of head alone, against a stored baseline) that every case gets.
        max_pairs: that an undecided case gets at most.
        confirm: whether a slower case needs fresh processes that confirm it. Between two stored runs, where nothing
            more can be measured, only the confirming rounds that exist count.
        budgets: the most that head may need.
        at: the cases to which the budgets apply, by values of their axes; all if empty.
    """

    reference: str = REFERENCE
    latency: float | Mapping[str, float] = field(default_factory=lambda: TOLERANCES)
    flops: float = 0.0
    memory: float = 0.0
    error: float = 0.01
    accuracy: float = 0.01
    pairs: int = 5
    max_pairs: int = 15
    confirm: bool = True
    budgets: Budgets = field(default_factory=Budgets)
    at: Mapping[str, object] = field(default_factory=dict)

    def tolerance(self, case: Case) -> float:
        """The tolerance of a case's latency."""
        return self.latency[case.device_kind] if isinstance(self.latency, Mapping) else self.latency

    def budgeted(self, case: Case) -> bool:
        """Whether the budgets apply to this case."""
        return all(getattr(case, name) == value for name, value in self.at.items())


def floor(case: Case) -> float:
    """The least change of latency in seconds that can be a regression on the case's device."""
    return FLOORS[case.device_kind]
