"""The core question: which method is best at this length within budgets of latency, memory and error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from dctbench.analysis.ranking import Ranking
from dctbench.analysis.summary import Summary
from dctbench.model import Case
from dctbench.stats.binomial import trials_for
from dctbench.text.quantity import AT_MOST, BYTES, RELATIVE_ERROR, SECONDS, Quantity

USUAL_MISS_RATE = 0.01
"""What a deadline admits where no rate is given: as with a p99, one call in a hundred may be late."""
_ERRORS = frozenset({"error_smooth", "error_noise", "error_input"})

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        "latency_p99": SECONDS,
        "memory": BYTES,
        "memory_process": BYTES,
        "error_smooth": RELATIVE_ERROR,
        "error_noise": RELATIVE_ERROR,
        "error_input": RELATIVE_ERROR,
        "miss_rate": AT_MOST,
    }
)
"""The quantity that each budget limits, by its name in `Budgets`."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """The most that a method may need; None means no limit.

    Attributes:
        latency_p99: s, compared with the upper end of the 99th percentile.
        memory: B, the tensors of a call plus parameters and buffers.
        memory_process: B, the growth of the process; on CUDA what it holds in the memory of the GPU.
        error_smooth: relative error on the smooth input.
        error_noise: relative error on the noise input.
        error_input: relative error on the input of the case.
        miss_rate: share of calls after their deadline, compared with its upper bound.
        confidence: of the upper end of the 99th percentile, and of the upper bound of the miss rate.
    """

    latency_p99: float | None = None
    memory: float | None = None
    memory_process: float | None = None
    error_smooth: float | None = None
    error_noise: float | None = None
    error_input: float | None = None
    miss_rate: float | None = None
    confidence: float = 0.95

    @property
    def given(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: limit for name in QUANTITIES if (limit := getattr(self, name)) is not None}

    @property
    def samples(self) -> int | None:
        """The fewest samples of a case that can show that it keeps the limit of p99; None without such a limit."""
        return None if self.latency_p99 is None else trials_for(0.01, self.confidence)

    @property
    def releases(self) -> int | None:
        """The fewest calls on a schedule that can show that a case keeps the limit of late calls; None without one."""
        return None if self.miss_rate is None else trials_for(self.miss_rate, self.confidence)

    @property
    def limits_error(self) -> bool:
        """Whether a limit of an error is set."""
        return not _ERRORS.isdisjoint(self.given)


def usual_budgets(case: Case) -> Budgets:
    """Return the budgets of a case for which none are given: its deadline, if it has one."""
    return Budgets(miss_rate=None if case.deadline is None else USUAL_MISS_RATE)


@dataclass(frozen=True, slots=True)
class Breach:
    """One budget that a method breaks, or whose value was not measured (None)."""

    budget: str
    value: float | None
    limit: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Which methods of one shape keep the budgets.

    Attributes:
        within: those that keep all of them, fastest first. A budget of error does not judge a method that does not
            approximate softmax attention, so such a method is among them if it keeps the others.
        leaders: those of them that may be the fastest.
        over: those that break a budget, with every budget that they break.
        unmeasured: those that break no budget but lack a value, with what was not measured. They never pass.
    """

    within: tuple[Summary, ...]
    leaders: tuple[Summary, ...]
    over: tuple[tuple[Summary, tuple[Breach, ...]], ...]
    unmeasured: tuple[tuple[Summary, tuple[Breach, ...]], ...]


def choose(ranking: Ranking, budgets: Budgets) -> Choice:
    """Sort the methods of one shape by the budgets that they keep; each list is in order of latency."""
    within: list[Summary] = []
    over: list[tuple[Summary, tuple[Breach, ...]]] = []
    unmeasured: list[tuple[Summary, tuple[Breach, ...]]] = []
    for summary in ranking.ranked:
        found = [one for one in breaches(summary, budgets) if summary.approximates or one.budget not in _ERRORS]
        broken = tuple(breach for breach in found if breach.value is not None)
        if broken:
            over.append((summary, broken))
        elif found:
            unmeasured.append((summary, tuple(found)))
        else:
            within.append(summary)
    return Choice(tuple(within), ranking.leading(within), tuple(over), tuple(unmeasured))


def budgeted(summary: Summary, confidence: float = 0.95) -> dict[str, float | None]:
    """Return the value of everything that a budget can limit, by the budget's name; None where it was not measured.

    `confidence` is that of the upper end of the 99th percentile and of the miss rate.
    """
    tail = summary.tail(confidence)
    return {
        "latency_p99": tail.high if tail else None,
        "memory": summary.memory,
        "memory_process": summary.values.get("memory.process"),
        "error_smooth": summary.values.get("error.smooth", summary.int8_error),
        "error_noise": summary.values.get("error.noise"),
        "error_input": summary.values.get("error.input"),
        "miss_rate": summary.timeliness.miss_rate(confidence).high if summary.timeliness else None,
    }


def breaches(summary: Summary, budgets: Budgets) -> Sequence[Breach]:
    """Return the budgets that a method breaks or lacks a value for. A value equal to its limit keeps the budget."""
    values = budgeted(summary, budgets.confidence)
    return [
        Breach(name, values[name], limit)
        for name, limit in budgets.given.items()
        if (value := values[name]) is None or value > limit
    ]
