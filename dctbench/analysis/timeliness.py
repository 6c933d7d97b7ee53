"""Whether calls that were released on a schedule came before their deadline."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dctbench.model import Case, Result
from dctbench.stats.binomial import lower_bound, trials_for, upper_bound
from dctbench.stats.robust import Interval, quantile

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True)
class Timeliness:
    """The calls of one case over its rounds.

    Attributes:
        period, deadline: in seconds.
        rounds: the response times of each process, in order of release.
        late: whether a process ended early, since every call was late.
        left_out: how many calls such processes have fewer than the others. They count as late: else the worst process
            would count least.
        rate: calls per second that were completed, the least of the processes.
        causes: how many late calls have which likely cause, the most frequent first.
        cause_of: the likely cause of a late call by its round and number, both from 0.
        priority: what became of a wish for priority, in the first round; None where there was none.
    """

    period: float
    deadline: float
    rounds: Sequence[Sequence[float]]
    late: bool
    left_out: int
    rate: float
    causes: Mapping[str, int]
    cause_of: Mapping[tuple[int, int], str]
    priority: Sequence[str] | None

    @cached_property
    def responses(self) -> list[float]:
        """The response times of all rounds in seconds."""
        return [response for taken in self.rounds for response in taken]

    @property
    def calls(self) -> int:
        """How many calls count: those that were released, and those that a process that gave up left out."""
        return len(self.responses) + self.left_out

    @cached_property
    def misses(self) -> int:
        """How many of them were late."""
        return sum(response > self.deadline for response in self.responses) + self.left_out

    @property
    def rate_of_misses(self) -> float:
        """The share of calls that were late."""
        return self.misses / self.calls

    def miss_rate(self, confidence: float = 0.95) -> Interval:
        """Return the share of late calls with its exact bounds, each of which holds with that confidence.

        They take the calls for alike and independent, so they say nothing of another day with other neighbours.
        """
        bounds = (bound(self.misses, self.calls, confidence) for bound in (lower_bound, upper_bound))
        return Interval(self.rate_of_misses, *bounds)

    @cached_property
    def longest_run(self) -> int:
        """The most late calls in a row within a process."""
        longest = 0
        for taken in self.rounds:
            run = 0
            for response in taken:
                run = run + 1 if response > self.deadline else 0
                longest = max(longest, run)
        return longest

    @cached_property
    def quantiles(self) -> dict[float, float]:
        """The quantiles of the response time over all calls, those left out being the slowest.

        A quantile is absent where there are too few calls (p99 needs 299, p99.9 needs 2,995), and where it falls among
        those left out: how long they would have taken is not known.
        """
        known = [q for q in QUANTILES if math.ceil(q * (self.calls - 1)) < len(self.responses)]
        enough = [q for q in known if q == 0.5 or self.calls >= trials_for(1 - q)]
        ranked = [*self.responses, *[max(self.responses)] * self.left_out]
        return {q: quantile(ranked, q) for q in enough}


def timeliness(case: Case, results: Sequence[Result]) -> Timeliness | None:
    """Return how the calls of a case kept its deadline; None for a case without a schedule, or without calls."""
    taken = [(one, measured.samples) for one in results if (measured := one.measurement("response"))]
    if case.period is None or case.deadline is None or not taken:
        return None
    schedules = [one.details.schedule for one, _ in taken]
    known = [schedule for schedule in schedules if schedule is not None]
    cause_of = {
        (number, call): cause
        for number, schedule in enumerate(schedules)
        for call, cause in (schedule.causes if schedule else {}).items()
    }
    first = schedules[0]
    words = None if first is None or first.priority is None else [first.priority, first.memory or ""]
    return Timeliness(
        period=case.period,
        deadline=case.deadline,
        rounds=[samples for _, samples in taken],
        late=any(schedule.late for schedule in known),
        left_out=_left_out(taken),
        rate=min((schedule.rate for schedule in known), default=1 / case.period),
        causes=dict(Counter(cause_of.values()).most_common()),
        cause_of=cause_of,
        priority=words,
    )


def _left_out(taken: Sequence[tuple[Result, Sequence[float]]]) -> int:
    """How many calls the processes that gave up have fewer than those that did not; 0 if all gave up."""
    gave_up = [len(samples) for one, samples in taken if one.details.schedule is not None and one.details.schedule.late]
    whole = [len(samples) for one, samples in taken if one.details.schedule is None or not one.details.schedule.late]
    return sum(max(0, max(whole) - count) for count in gave_up) if whole else 0
