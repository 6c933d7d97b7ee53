"""The core question: which method at this length, within a budget of latency, memory and error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from dctbench.analysis.ranking import Ranking, ties
from dctbench.analysis.summary import Summary
from dctbench.text.quantity import BYTES, RELATIVE_ERROR, SECONDS, Quantity

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        "latency_p99": SECONDS,
        "memory": BYTES,
        "memory_process": BYTES,
        "error_smooth": RELATIVE_ERROR,
        "error_noise": RELATIVE_ERROR,
    }
)
"""What each budget limits, by its name in `Budgets`."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """What a method may need at most; None is no limit.

    Attributes:
        latency_p99: s, held against the upper bound of the 99th percentile.
        memory: B, of the call's tensors and what the method keeps.
        memory_process: B, of the process's growth.
        error_smooth: relative error on the smooth input.
        error_noise: relative error on the noise input.
    """

    latency_p99: float | None = None
    memory: float | None = None
    memory_process: float | None = None
    error_smooth: float | None = None
    error_noise: float | None = None

    @property
    def given(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: limit for name in self.__slots__ if (limit := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Breach:
    """One budget that a method breaks, or of which nothing is known (`value` None)."""

    budget: str
    value: float | None
    limit: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Which methods of one shape keep the budgets.

    Attributes:
        within: those that do, fastest first.
        leaders: the fastest of them and those that cannot be told apart from it.
        over: those that break a budget, with every budget they break.
        unmeasured: those that break none as far as is known, with what was not measured: never a pass.
    """

    within: tuple[Summary, ...]
    leaders: tuple[Summary, ...]
    over: tuple[tuple[Summary, tuple[Breach, ...]], ...]
    unmeasured: tuple[tuple[Summary, tuple[Breach, ...]], ...]


def choose(ranking: Ranking, budgets: Budgets) -> Choice:
    """The methods of one shape sorted by what the budgets say of them; each list keeps the order of latency."""
    within: list[Summary] = []
    over: list[tuple[Summary, tuple[Breach, ...]]] = []
    unmeasured: list[tuple[Summary, tuple[Breach, ...]]] = []
    for summary in ranking.ranked:
        found = breaches(summary, budgets)
        broken = tuple(breach for breach in found if breach.value is not None)
        if broken:
            over.append((summary, broken))
        elif found:
            unmeasured.append((summary, tuple(found)))
        else:
            within.append(summary)
    leaders = tuple(s for s in within if s is within[0] or ties(s, within[0]))
    return Choice(tuple(within), leaders, tuple(over), tuple(unmeasured))


def budgeted(summary: Summary) -> dict[str, float | None]:
    """What a method needs of everything that a budget can limit, by the budget's name; None where not measured."""
    return {
        "latency_p99": summary.p99.high if summary.p99 else None,
        "memory": summary.memory,
        "memory_process": summary.values.get("memory.process"),
        "error_smooth": summary.values.get("error.smooth"),
        "error_noise": summary.values.get("error.noise"),
    }


def breaches(summary: Summary, budgets: Budgets) -> Sequence[Breach]:
    """The budgets that a method breaks or of which nothing is known; a value equal to its limit keeps it."""
    values = budgeted(summary)
    return [
        Breach(name, values[name], limit)
        for name, limit in budgets.given.items()
        if (value := values[name]) is None or value > limit
    ]
