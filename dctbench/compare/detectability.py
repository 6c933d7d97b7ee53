"""Whether a slowdown can be proven at all with as many processes as a gate may take.

Pairs cannot give a p-value under some least one, and Holm's correction shares the level among the cases. Beside a
stored run, one process says nothing about the next. With too few processes no slowdown is SLOWER, however large. Users
must be told, since a gate that cannot fail looks like one that passes.
"""

from __future__ import annotations

from dataclasses import dataclass

from dctbench.compare.change import FEWEST
from dctbench.compare.rules import ALPHA
from dctbench.spec.gate import MOST_PAIRS
from dctbench.stats.sequential import least_paired_p


@dataclass(frozen=True, slots=True)
class Detectability:
    """How many cases share the level, and how many processes each of them can have.

    Attributes:
        cases: whose latency is judged.
        base: the fewest processes that a stored base has of one of them; None where both sides take turns.
        most: the pairs, or processes of head, that a case may get.
    """

    cases: int
    base: int | None
    most: int

    @property
    def enough(self) -> bool:
        """Whether every case alone can be called slower."""
        return self._least_p(self.base, self.most) <= ALPHA / self.cases

    @property
    def needed(self) -> int | None:
        """The fewest pairs, or processes of head, that are enough; None where as many as are allowed are not."""
        counts = range(2, MOST_PAIRS + 1)
        return next((n for n in counts if self._least_p(self.base, n) <= ALPHA / self.cases), None)

    @property
    def base_needed(self) -> int | None:
        """The fewest processes of a stored base that are enough; None where none are, or both sides take turns."""
        if self.base is None:
            return None
        counts = range(1, MOST_PAIRS + 1)
        return next((n for n in counts if self._least_p(n, self.most) <= ALPHA / self.cases), None)

    @staticmethod
    def _least_p(base: int | None, head: int) -> float:
        """Return the least p-value that this many pairs, or processes of head, can reach."""
        return least_paired_p(head) if base is None else float(min(base, head) < FEWEST)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What a comparison with stored runs could see.

    Attributes:
        factor: the change, as a ratio, that is found in half of such comparisons: the median over the cases.
        base, head: the fewest processes that a case has on either side.
        runs: the fewest runs of base that have a case. From two on, they are the unit of the test.
    """

    factor: float
    base: int
    head: int
    runs: int = 1
