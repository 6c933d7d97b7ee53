"""Where a series of measurements changes its level: a trend to look into, never a verdict.

Whether there is a change is decided on ranks: no outlier makes one, and how often pure noise does is the same whatever
its distribution. Where it is, is decided on the values, since ranks forget how far apart they are. The search itself
is that of ruptures, with PELT (Killick, Fearnhead and Eckley, J. Am. Stat. Assoc. 107, 2012).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from dctbench.errors import UnavailableError

LEAST_POINTS = 10
"""With fewer, not even five values that are all above the other five would be beyond chance."""
LEAST_LEVEL = 4
"""So many values make a level; a shorter excursion is a few outliers."""


def level_starts(values: Sequence[float]) -> list[int]:
    """The positions at which a new level begins, in order; none where everything may be one level.

    Args:
        values: finite numbers in the order in which they were taken. What drifts within a level, instead of being
            independent from value to value, is taken for changes far more often.

    Raises:
        UnavailableError: without the extra `history`, when there are LEAST_POINTS values or more.
    """
    if len(values) < LEAST_POINTS:
        return []
    try:
        import ruptures
    except ModuleNotFoundError as error:
        raise UnavailableError("change points need ruptures", hint="pip install 'dctbench[history]'") from error
    return _edges(ruptures, values)[1:-1]


def _edges(ruptures: Any, values: Sequence[float]) -> list[int]:
    """Where the levels of a stretch begin, and its end; each level found is searched for levels of its own."""
    ranks = _standard_ranks(values) if len(values) >= LEAST_POINTS else None
    if ranks is None:
        return [0, len(values)]
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_LEVEL).fit(ranks)
    edges = _placed(ruptures, values, [0, *search.predict(pen=_penalty(len(values)))])
    if len(edges) == 2:
        return edges
    inner = [start + edge for start, end in pairwise(edges) for edge in _edges(ruptures, values[start:end])[:-1]]
    return _placed(ruptures, values, [*inner, len(values)])


def _placed(ruptures: Any, values: Sequence[float], edges: Sequence[int]) -> list[int]:
    """The same number of edges, each moved to where the values between its neighbours are best cut in two."""
    moved = list(edges)
    for i in range(1, len(moved) - 1):
        moved[i] = moved[i - 1] + _best_split(ruptures, values[moved[i - 1] : moved[i + 1]])
    return moved


def _penalty(count: int) -> float:
    """What a change must save in squared standard ranks, so that of a hundred series of pure noise one or two show one.

    Fitted to simulated series of 10 to 1000 values; tests/test_levels.py counts the false ones.
    """
    return 2 * math.log(count) + 2.9


def _standard_ranks(values: Sequence[float]) -> Any:
    """Ranks of mean 0 and variance 1, equal values sharing theirs, as a column; None where all values are equal."""
    import numpy as np
    from scipy.stats import rankdata

    ranks = rankdata(values)
    spread = ranks.std()
    return None if spread == 0 else ((ranks - np.mean(ranks)) / spread).reshape(-1, 1)


def _best_split(ruptures: Any, values: Sequence[float]) -> int:
    """Where to cut a stretch in two levels, so that the distances to their medians sum up to the least."""
    import numpy as np

    search = ruptures.Binseg(model="l1", min_size=LEAST_LEVEL, jump=1).fit(np.asarray(values, dtype=float))
    return int(search.predict(n_bkps=1)[0])
