"""The Pareto front of latency against error."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the points that are not dominated, in order of their first coordinate. Smaller is better in both.

    A point is dominated by one that is no worse in either coordinate and better in one. Equal points all stay.

    Args:
        points: pairs such as (latency in s, relative error).

    Returns:
        Indices into `points`.
    """
    order = sorted(range(len(points)), key=lambda i: points[i])
    kept: list[int] = []
    for index in order:
        if not kept or points[index][1] < points[kept[-1]][1] or points[index] == points[kept[-1]]:
            kept.append(index)
    return kept
