"""Where a series of measurements changes its level: a trend to look into, never a verdict.

Whether there is a change is decided on ranks: no outlier makes one, and how often pure noise does is the same whatever
its distribution. Where it is, is decided on the values, since ranks forget how far apart they are. The search itself
is that of ruptures (Truong, Oudre and Vayatis, Signal Processing 167, 2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from dctbench.errors import UnavailableError

LEAST_POINTS = 10
"""With fewer, not even a series whose first half lies all above its second would be beyond chance."""
LEAST_LEVEL = 4
"""So many values make a level; a shorter excursion is a few outliers."""
_CHANCE = {1: (2.9, 2.0), 2: (2.0, 3.5)}
"""By number of cuts a and b of a + b ln n: how much of the squared standard ranks of n values they explain by chance.

Fitted to simulated noise of 10 to 1000 values, of which one or two series in a hundred exceed them (of 200 each,
tests/stats/test_changepoint.py counts how many). Two cuts at once, since a bump in the middle hides from one.
"""


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
        import ruptures  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise UnavailableError("change points need ruptures", hint="pip install 'dctbench[history]'") from error
    return _edges(ruptures, values)[1:-1]


def _edges(ruptures: Any, values: Sequence[float]) -> list[int]:
    """Where the levels of a stretch begin, and its end; each level found is searched for levels of its own."""
    edges = _placed(ruptures, values, _beyond_chance(ruptures, values))
    if len(edges) == 2:
        return edges
    inner = [start + edge for start, end in pairwise(edges) for edge in _edges(ruptures, values[start:end])[:-1]]
    return _distinct(ruptures, values, [*inner, len(values)])


def _beyond_chance(ruptures: Any, values: Sequence[float]) -> list[int]:
    """Edges of the one, two or three levels whose ranks lie furthest beyond chance."""
    count = len(values)
    best, most = [0, count], 0.0
    ranks = _standard_ranks(values) if count >= LEAST_POINTS else None
    if ranks is None:
        return best
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_LEVEL).fit(ranks)
    for cuts in _CHANCE:
        if count < (cuts + 1) * LEAST_LEVEL:
            break
        edges = [0, *search.predict(n_bkps=cuts)]
        beyond = _excess(ranks, edges)
        if beyond > most:
            best, most = edges, beyond
    return best


def _excess(ranks: Any, edges: Sequence[int]) -> float:
    """How much more of the squared standard ranks levels with these edges explain than chance does."""
    a, b = _CHANCE[len(edges) - 2]
    explained = sum(float(ranks[start:end].sum()) ** 2 / (end - start) for start, end in pairwise(edges))
    return explained - a - b * math.log(edges[-1])


def _distinct(ruptures: Any, values: Sequence[float], edges: Sequence[int]) -> list[int]:
    """The edges in their best places, without those between neighbours that differ by no more than chance.

    Such ones are left behind where the first cuts of a long series missed the place of a change.
    """

    def excess(i: int) -> float:
        first, between, last = edges[i - 1 : i + 2]
        ranks = _standard_ranks(values[first:last])
        return -math.inf if ranks is None else _excess(ranks, [0, between - first, last - first])

    edges = _placed(ruptures, values, edges)
    while len(edges) > 2 and excess(weakest := min(range(1, len(edges) - 1), key=excess)) <= 0:
        edges = _placed(ruptures, values, [*edges[:weakest], *edges[weakest + 1 :]])
    return edges


def _placed(ruptures: Any, values: Sequence[float], edges: Sequence[int]) -> list[int]:
    """The same number of edges, each moved to where the values between its neighbours are best cut in two."""
    moved = list(edges)
    for i in range(1, len(moved) - 1):
        moved[i] = moved[i - 1] + _best_cut(ruptures, values[moved[i - 1] : moved[i + 1]])
    return moved


def _best_cut(ruptures: Any, values: Sequence[float]) -> int:
    """Where to cut a stretch in two levels, so that the distances to their medians sum up to the least."""
    import numpy as np  # noqa: PLC0415 - comes with the extra

    search = ruptures.Binseg(model="l1", min_size=LEAST_LEVEL, jump=1).fit(np.asarray(values, dtype=float))
    return int(search.predict(n_bkps=1)[0])


def _standard_ranks(values: Sequence[float]) -> Any:
    """Ranks of mean 0 and variance 1, equal values sharing theirs, as a column; None where all values are equal."""
    import numpy as np  # noqa: PLC0415 - comes with the extra
    from scipy.stats import rankdata  # noqa: PLC0415 - comes with the extra

    ranks = rankdata(values)
    spread = ranks.std()
    return None if spread == 0 else ((ranks - np.mean(ranks)) / spread).reshape(-1, 1)
