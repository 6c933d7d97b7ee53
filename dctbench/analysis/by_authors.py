"""The figures of DCT-Former's authors' protocol beside ours: for one sequence each, so that they compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dctbench.analysis.summary import Summary

LATENCY, MEMORY = "authors.latency", "authors.memory"


@dataclass(frozen=True, slots=True)
class BothProtocols:
    """A case by both protocols, for one sequence of its batch.

    Attributes:
        summary: of the case.
        ours: seconds of a call of ours, divided by the batch.
        theirs: mean seconds of their calls, which they divide by the batch.
        calls: how many calls they are the mean of.
        our_memory, their_memory: bytes, divided by the batch; None where they were not measured.
    """

    summary: Summary
    ours: float
    theirs: float
    calls: int
    our_memory: float | None
    their_memory: float | None

    @property
    def latency_ratio(self) -> float:
        """What their protocol makes of the latency."""
        return self.theirs / self.ours

    @property
    def memory_ratio(self) -> float | None:
        """What their protocol makes of the memory."""
        if self.our_memory is None or self.their_memory is None:
            return None
        return self.their_memory / self.our_memory


def by_both_protocols(summaries: Iterable[Summary]) -> list[BothProtocols]:
    """Return the cases that were measured by both protocols, in the order given."""
    found = []
    for summary in summaries:
        samples = next((taken.samples for one in summary.rounds if (taken := one.measurement(LATENCY))), None)
        if samples is None or summary.timed is None:
            continue
        batch = summary.case.batch
        found.append(
            BothProtocols(
                summary=summary,
                ours=summary.timed.value / batch,
                theirs=summary.values[LATENCY],
                calls=len(samples),
                our_memory=None if summary.memory is None else summary.memory / batch,
                their_memory=summary.values.get(MEMORY),
            )
        )
    return found
