"""What limits it: where each case stands under the ceilings that were measured on its machine.

A result carries where its own process stood (`dctbench.machine.roofline`); here the case stands at its median over all
processes, the one that every other figure shows, and the ceilings are read back from what the result says of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dctbench.analysis.summary import Summary

_SAME = 0.01
_FIGURES = ("intensity", "rate", "throughput", "ridge", "share")
_LEAST, _MOST = 1e-12, 1e24
"""Beyond these no figure of a file is a machine's, and their quotients leave what a float can hold."""
_BOUNDS = ("compute", "bandwidth", "cache")


@dataclass(frozen=True, slots=True)
class Roof:
    """A machine's ceilings: FLOP/s of its matrix products in one dtype, and B/s of a copy."""

    compute: float
    bandwidth: float

    @property
    def ridge(self) -> float:
        """FLOPs per byte above which the processor limits, below which the memory does."""
        return self.compute / self.bandwidth

    def reaches(self, intensity: float) -> float:
        """FLOP/s that a call of so many FLOPs per byte reaches at most."""
        return min(self.compute, intensity * self.bandwidth)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a case stands under its roof.

    Attributes:
        summary: of the case.
        intensity: FLOPs per byte moved at least.
        rate: achieved FLOP/s, at the case's median latency.
        bound: what limits a perfect implementation: `compute`, `bandwidth`, or `cache` (all fits the last-level cache).
        share: of the ceiling that binds, at the case's median latency.
        roof: the ceilings.
    """

    summary: Summary
    intensity: float
    rate: float
    bound: str
    share: float
    roof: Roof


def under_roof(summary: Summary) -> Placed | None:
    """Where a case stands; None where it was not timed or its machine's ceilings were not known."""
    said, first = summary.details.get("roofline"), summary.medians.get(summary.rounds[0].round)
    if not isinstance(said, Mapping) or summary.timed is None or first is None:
        return None
    found = {name: said.get(name) for name in _FIGURES}
    figures = {name: float(one) for name, one in found.items() if isinstance(one, int | float) and _LEAST < one < _MOST}
    bound = said.get("bound")
    if len(figures) < len(_FIGURES) or bound not in _BOUNDS:
        return None
    # `share` is of the ceiling that binds, and `ridge` is the one ceiling over the other.
    if bound == "bandwidth":
        bandwidth = figures["throughput"] / figures["share"]
        roof = Roof(figures["ridge"] * bandwidth, bandwidth)
    else:
        compute = figures["rate"] / figures["share"]
        roof = Roof(compute, compute / figures["ridge"])
    slower = summary.timed.value / first
    return Placed(summary, figures["intensity"], figures["rate"] / slower, str(bound), figures["share"] / slower, roof)


def distinct_roofs(placed: Iterable[Placed]) -> list[Roof]:
    """The ceilings that cases stand under, each once: a machine that was calibrated anew in between has two."""
    found: list[Roof] = []
    for one in placed:
        if not any(_same(one.roof, other) for other in found):
            found.append(one.roof)
    return found


def _same(one: Roof, other: Roof) -> bool:
    return math.isclose(one.compute, other.compute, rel_tol=_SAME) and math.isclose(
        one.bandwidth, other.bandwidth, rel_tol=_SAME
    )
