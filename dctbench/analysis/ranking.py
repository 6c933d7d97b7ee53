"""Which method is fastest at each shape, and which ones tie with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dctbench.analysis.speedup import Winner, compare, reference_by_shape
from dctbench.analysis.summary import Summary
from dctbench.catalog import Kind

CLOSE = 1.25
"""Cases that differ by more than this factor are named as rivals only where the interval of their ratio says so. On a
shared machine, two processes of identical code differed by up to this factor."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """One shape: its cases from fastest to slowest, and those that tie with the fastest."""

    shape: tuple[object, ...]
    ranked: tuple[Summary, ...]
    leaders: tuple[Summary, ...]
    reference: Summary | None

    @property
    def seq_len(self) -> int:
        """Length n of the shape."""
        return self.ranked[0].case.seq_len

    @property
    def fastest_exact(self) -> Summary | None:
        """The fastest method that computes softmax attention itself."""
        return next((s for s in self.ranked if s.method.kind is Kind.EXACT), None)


def rankings(summaries: Sequence[Summary], reference: str | None) -> list[Ranking]:
    """Return the ranking of each shape, in order of length.

    Controls are left out: they are only there to be compared with.

    Args:
        summaries: of any shapes.
        reference: name of the implementation that ratios are taken against.
    """
    found = reference_by_shape(summaries, reference) if reference else {}
    by_shape: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        if summary.latency is not None and summary.status == "ok" and summary.method.kind is not Kind.CONTROL:
            by_shape.setdefault(summary.case.shape, []).append(summary)
    result = []
    for shape, members in by_shape.items():
        ranked = tuple(sorted(members, key=lambda s: s.latency.value if s.latency else 0.0))
        leaders = tuple(s for s in ranked if s is ranked[0] or ties(s, ranked[0]))
        result.append(Ranking(shape, ranked, leaders, found.get(shape)))
    return sorted(result, key=lambda ranking: (ranking.seq_len, str(ranking.shape)))


def ties(summary: Summary, fastest: Summary) -> bool:
    """Whether two cases tie: the interval on their ratio holds 1; of a single round, they are within CLOSE."""
    against = compare(summary, fastest)
    if against is None or against.low is not None:
        return against is not None and against.winner is Winner.TIE
    return _close(summary, fastest)


def tied(ranked: Sequence[Summary]) -> list[list[int]]:
    """Return for each case of one shape the positions of the later ones in `ranked` that tie with it.

    This is `ties` for every pair, for a page whose reader may exclude the fastest. Ten thousand results have hundreds
    of thousands of pairs, so the logarithms are taken once.
    """
    rounds = [sorted(summary.medians) for summary in ranked]
    logs = [[math.log(s.medians[number]) for number in numbers] for s, numbers in zip(ranked, rounds, strict=True)]
    found = []
    for first, summary in enumerate(ranked):
        own, numbers = logs[first], rounds[first]
        later = []
        for second in range(first + 1, len(ranked)):
            if len(numbers) == 1:
                if not _close(ranked[second], summary):
                    break  # those behind are slower still
                later.append(second)
            elif numbers == rounds[second]:
                other = ranked[second]
                assert other.latency is not None
                differences = [a - b for a, b in zip(own, logs[second], strict=True)]
                interval = other.between.of_ratios(differences, other.latency.value).interval()
                if interval.low <= 1 <= interval.high:
                    later.append(second)
            elif ties(ranked[second], summary):
                later.append(second)
        found.append(later)
    return found


def _close(slower: Summary, faster: Summary) -> bool:
    """Whether two cases are within CLOSE, of which one was measured in a single process."""
    assert slower.latency is not None
    assert faster.latency is not None
    return faster.latency.value / slower.latency.value * CLOSE >= 1
