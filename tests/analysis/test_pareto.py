"""The front holds exactly the points that no other one dominates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dctbench.analysis import front

POINT = st.tuples(st.integers(0, 6).map(float), st.integers(0, 6).map(float))


@given(st.lists(POINT, max_size=12))
def test_the_front_is_what_no_other_point_dominates(points: list[tuple[float, float]]) -> None:
    def dominated(x: float, y: float) -> bool:
        return any(a <= x and b <= y and (a, b) != (x, y) for a, b in points)

    found = front(points)
    assert sorted(found) == [i for i, point in enumerate(points) if not dominated(*point)]
    assert [points[i][0] for i in found] == sorted(points[i][0] for i in found)
