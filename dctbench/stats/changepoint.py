"""Find where a series of measurements changes its level: a trend to look into, never a verdict.

Whether there is a change is decided on ranks: an outlier never makes a change, and the rate of false changes does not
depend on the distribution of the noise. The position of a change is decided on the values, since ranks ignore their
distances. The search is that of ruptures (Truong, Oudre and Vayatis, Signal Processing 167, 2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from dctbench.errors import UnavailableError

LEAST_POINTS = 10
"""With fewer points even a first half that is entirely above the second one is not beyond chance."""
LEAST_LEVEL = 4
"""The fewest values of a level; a shorter excursion consists of outliers."""
_CHANCE = {1: (2.9, 2.0), 2: (2.0, 3.5)}
"""By number of cuts, a and b of a + b ln n: what they explain of the squared standard ranks of n values by chance.

Fitted to simulated noise of 10 to 1000 values, where one or two series in a hundred exceed them
(tests/stats/test_changepoint.py counts them among 200 of each length). Two cuts are tried at once, since a single cut
does not find a bump in the middle.
"""


def level_starts(values: Sequence[float]) -> list[int]:
    """Return the positions at which a new level begins, in order; an empty list if there may be only one level.

    Args:
        values: finite numbers in the order of measurement, assumed independent. A drift within a level is taken for
            changes far more often than noise is.

    Raises:
        UnavailableError: if the extra `history` is not installed and there are LEAST_POINTS values or more.
    """
    if len(values) < LEAST_POINTS:
        return []
    try:
        import ruptures  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise UnavailableError("change points need ruptures", hint="pip install 'dctbench[history]'") from error
    return _edges(ruptures, values)[1:-1]


def _edges(ruptures: Any, values: Sequence[float]) -> list[int]:
    """Return the starts of the levels in `values`, and its length; each level is searched for further levels."""
    edges = _placed(ruptures, values, _beyond_chance(ruptures, values))
    if len(edges) == 2:
        return edges
    inner = [start + edge for start, end in pairwise(edges) for edge in _edges(ruptures, values[start:end])[:-1]]
    return _distinct(ruptures, values, [*inner, len(values)])


def _beyond_chance(ruptures: Any, values: Sequence[float]) -> list[int]:
    """Return the edges of the one, two or three levels whose ranks exceed chance the most."""
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
    """Return how much more of the squared standard ranks these levels explain than chance does."""
    a, b = _CHANCE[len(edges) - 2]
    explained = sum(float(ranks[start:end].sum()) ** 2 / (end - start) for start, end in pairwise(edges))
    return explained - a - b * math.log(edges[-1])


def _distinct(ruptures: Any, values: Sequence[float], edges: Sequence[int]) -> list[int]:
    """Return the edges in their best positions, without those between levels that differ by no more than chance.

    Such edges remain when the first cuts of a long series missed the position of a change.
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
    """Move each edge to the best cut of the values between its neighbours."""
    moved = list(edges)
    for i in range(1, len(moved) - 1):
        moved[i] = moved[i - 1] + _best_cut(ruptures, values[moved[i - 1] : moved[i + 1]])
    return moved


def _best_cut(ruptures: Any, values: Sequence[float]) -> int:
    """Return the cut into two levels with the least sum of absolute distances to their medians."""
    import numpy as np  # noqa: PLC0415 - comes with the extra

    search = ruptures.Binseg(model="l1", min_size=LEAST_LEVEL, jump=1).fit(np.asarray(values, dtype=float))
    return int(search.predict(n_bkps=1)[0])


def _standard_ranks(values: Sequence[float]) -> Any:
    """Return ranks of mean 0 and variance 1 as a column, ties averaged; None if all values are equal."""
    import numpy as np  # noqa: PLC0415 - comes with the extra
    from scipy.stats import rankdata  # noqa: PLC0415 - comes with the extra

    ranks = rankdata(values)
    spread = ranks.std()
    return None if spread == 0 else ((ranks - np.mean(ranks)) / spread).reshape(-1, 1)
