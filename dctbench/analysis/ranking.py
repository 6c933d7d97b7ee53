"""Which methods may be the fastest at each shape: one, or a set of methods that were not told apart.

A method leaves the set only where another is proven to be faster. The fastest one is compared with all others, so each
comparison has its share of the level (multiple comparisons with the best: Hsu, Ann. Stat. 9, 1981). The sets of all
shapes of a run together hold their fastest methods, except in at most half of FALSE_STATEMENTS of runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from dctbench.analysis.speedup import compare, reference_by_shape
from dctbench.analysis.summary import Summary
from dctbench.catalog import Kind
from dctbench.model import Case

CLOSE = 1.25
"""Cases that differ by more than this factor are named as rivals only where the interval of their ratio says so. On a
shared machine, two processes of identical code differed by up to this factor."""
FALSE_STATEMENTS = 0.05
"""The share of reports with any false sentence on which method is faster. One half is for the leaders, the other for
the lengths at which a method pays."""


@dataclass(frozen=True)
class Ranking:
    """One shape: its cases from fastest to slowest, and those that may be the fastest.

    Attributes:
        shape: of all its cases.
        ranked: by latency.
        tied: for each case the places of the later ones that are not proven to be slower.
        reference: that of the shape, or None.
    """

    shape: tuple[object, ...]
    ranked: tuple[Summary, ...]
    tied: tuple[frozenset[int], ...]
    reference: Summary | None

    @property
    def seq_len(self) -> int:
        """Length n of the shape."""
        return self.ranked[0].case.seq_len

    @property
    def leaders(self) -> tuple[Summary, ...]:
        """Those of all cases that may be the fastest."""
        return self.leading(self.ranked)

    @cached_property
    def _places(self) -> dict[Case, int]:
        return {summary.case: place for place, summary in enumerate(self.ranked)}

    def leading(self, chosen: Sequence[Summary]) -> tuple[Summary, ...]:
        """Return those of some of the cases, in order of latency, that may be the fastest of these."""
        numbers = [self._places[summary.case] for summary in chosen]
        return tuple(
            summary
            for index, (summary, place) in enumerate(zip(chosen, numbers, strict=True))
            if all(place in self.tied[faster] for faster in numbers[:index])
        )

    def tells(self, chosen: Sequence[Summary]) -> bool:
        """Whether rounds tell which of some cases may be the fastest of these.

        One round tells nothing apart. Of cases that all have one, none is told to be the fastest, and a single case is
        not told to be the fastest of all if any of them has one.
        """
        alone = [summary.in_one_round for summary in chosen]
        return len(chosen) < 2 or not (any(alone) if len(self.leading(chosen)) == 1 else all(alone))

    def tells_one(self, chosen: Sequence[Summary]) -> bool:
        """Whether rounds tell that the first of some cases is the fastest of these."""
        return self.tells(chosen) and len(self.leading(chosen)) == 1

    def surely_faster(self, faster: Summary, others: Sequence[Summary]) -> bool:
        """Whether a case is proven to take less time than each of some others, which are behind it in the ranking."""
        together = [faster, *others]
        return self.tells(together) and self.leading(together) == (faster,)


def ranked_together(summaries: Sequence[Summary], groups: int) -> Ranking | None:
    """Return the ranking of cases that differ in more than their method, such as their engine, without a reference.

    None where none has a latency. Controls are left out.

    Args:
        summaries: to be ranked.
        groups: how many such rankings hold together.
    """
    ranked = tuple(sorted(filter(_ranks, summaries), key=_seconds))
    if not ranked:
        return None
    level = FALSE_STATEMENTS / 2 / groups / max(1, len(ranked) - 1)
    return Ranking(ranked[0].case.shape, ranked, _tied(ranked, level), None)


def rankings(summaries: Sequence[Summary], reference: str | None) -> list[Ranking]:
    """Return the ranking of each shape, in order of length.

    Controls are left out: they are only there to be compared with.

    Args:
        summaries: of a whole run, since its sets hold together.
        reference: name of the implementation that ratios are taken against.
    """
    found = reference_by_shape(summaries, reference) if reference else {}
    by_shape: dict[tuple[object, ...], list[Summary]] = {}
    for summary in summaries:
        if _ranks(summary):
            by_shape.setdefault(summary.case.shape, []).append(summary)
    result = []
    for shape, members in by_shape.items():
        ranked = tuple(sorted(members, key=_seconds))
        level = FALSE_STATEMENTS / 2 / len(by_shape) / max(1, len(ranked) - 1)
        result.append(Ranking(shape, ranked, _tied(ranked, level), found.get(shape)))
    return sorted(result, key=lambda ranking: (ranking.seq_len, str(ranking.shape)))


def _ranks(summary: Summary) -> bool:
    return summary.timed is not None and summary.method.kind is not Kind.CONTROL


def _seconds(summary: Summary) -> float:
    return summary.latency.value if summary.latency else 0.0


def _tied(ranked: Sequence[Summary], level: float) -> tuple[frozenset[int], ...]:
    """Return for each case the places of the later ones that are not proven to be slower at a one-sided level.

    Ten thousand results have hundreds of thousands of pairs, so the logarithms are taken once.
    """
    rounds = [sorted(summary.medians) for summary in ranked]
    logs = [[math.log(s.medians[number]) for number in numbers] for s, numbers in zip(ranked, rounds, strict=True)]
    apart = [summary.apart_from_rounds for summary in ranked]
    steps = [summary.clock_step for summary in ranked]
    found = []
    for first, summary in enumerate(ranked):
        own, numbers = logs[first], rounds[first]
        later = []
        for second in range(first + 1, len(ranked)):
            other = ranked[second]
            if len(numbers) == 1:
                if not _close(other, summary):
                    break  # those behind are slower still
                later.append(second)
            elif other.fingerprint == summary.fingerprint and (
                differences := _differences((numbers, own), (rounds[second], logs[second]))
            ):
                assert other.latency is not None
                both, step = (apart[first], apart[second]), max(steps[first], steps[second])
                known = other.between.of_ratios(differences, other.latency.value, both, step)
                if not known.is_above_one(level):
                    later.append(second)
            elif not _proven_slower(other, summary, level):
                later.append(second)
        found.append(frozenset(later))
    return tuple(found)


def _differences(
    one: tuple[Sequence[int], Sequence[float]], other: tuple[Sequence[int], Sequence[float]]
) -> list[float]:
    """Return by how much the logarithms of the other case are above, in the rounds that both have; none if only one."""
    if one[0] == other[0]:
        return [b - a for a, b in zip(one[1], other[1], strict=True)]
    beside = dict(zip(*other, strict=True))
    common = [beside[number] - value for number, value in zip(*one, strict=True) if number in beside]
    return common if len(common) > 1 else []


def _proven_slower(summary: Summary, faster: Summary, level: float) -> bool:
    """Whether a case is slower than one that took less time; of a single round, whether they are not within CLOSE.

    Cases of two machines are not told apart.
    """
    against = compare(summary, faster)
    if against is None:
        return False
    if against.p is None:
        return not _close(summary, faster)
    return against.ratio < 1 and against.p / 2 <= level


def _close(slower: Summary, faster: Summary) -> bool:
    """Whether two cases are within CLOSE, of which one was measured in a single process."""
    assert slower.latency is not None
    assert faster.latency is not None
    return faster.latency.value / slower.latency.value * CLOSE >= 1
