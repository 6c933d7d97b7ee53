"""What methods communicate where a sequence is divided among ranks, and their latency by the number of ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dctbench.analysis.summary import Summary
from dctbench.model import Case

METRIC = "bytes.communicated"


@dataclass(frozen=True, slots=True)
class OverRanks:
    """A method at one length over numbers of ranks, the smallest first. `case` is any of its cases without ranks."""

    case: Case
    points: tuple[Summary, ...]

    def bytes(self, point: Summary) -> float:
        """Bytes that each rank sends per call."""
        return point.values[METRIC]

    def at(self, ranks: int | None) -> Summary | None:
        """Return the result on that many ranks, if there is one."""
        return next((point for point in self.points if point.case.ranks == ranks), None)


def over_ranks(summaries: Sequence[Summary]) -> list[OverRanks]:
    """Return the methods that were timed on ranks, at each length, in the order of the summaries."""
    found: dict[Case, list[Summary]] = {}
    for summary in summaries:
        if summary.case.ranks is not None and summary.timed is not None and METRIC in summary.values:
            found.setdefault(replace(summary.case, ranks=None), []).append(summary)
    return [
        OverRanks(case, tuple(sorted(points, key=lambda point: point.case.ranks or 0)))
        for case, points in found.items()
    ]
