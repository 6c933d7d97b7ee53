"""Whether a dashed path joins two circles, in a picture of 32 x 32 pixels that is read line by line.

After Linsley et al. 2018 (arXiv 1805.08315) and Long Range Arena. The generator is our own, so figures are not theirs.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dctbench.catalog.tasks import stated
from dctbench.errors import UnsupportedError
from dctbench.tasks import Examples, Split, Task, TaskFacts

SIDE = 32
STROKE, GAP = 3, 2
"""Steps of a path that are drawn, and that are left out after them."""
STEPS = 30
"""Of each of the two long paths, a pixel each."""
DISTRACTORS, DISTRACTOR_STEPS = 3, 9
BEND = 0.35
"""Standard deviation of the change of direction per step, in radians."""
MARGIN = 2
NEAREST = 3
"""No path comes nearer to an earlier one than this, in pixels."""
ALIKE = 2.0
"""In a picture the circles would be as far apart with the other answer, but for so many pixels."""
_TRIES = 200

Picture = NDArray[np.float32]
Point = tuple[float, float]
Path = list[Point]
Ends = tuple[Point, Point]
"""Of a path, or of two paths: where the circles are."""


class Pathfinder(Task):
    """Two dashed paths, distractors, and a circle at two ends: of one path (1) or of different ones (0).

    Only following the dashes from end to end tells: in each picture the circles could also be at two ends with the
    other answer that are as far apart. Both answers are equally likely.
    """

    facts: ClassVar[TaskFacts] = stated("pathfinder")

    def __init__(self, seq_len: int | None = None, variants: tuple[str, ...] = ()) -> None:
        super().__init__(seq_len, variants)
        if self.seq_len != SIDE**2:
            raise UnsupportedError(f"pathfinder has pictures of {SIDE} x {SIDE} pixels: its length is {SIDE**2}")

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        """Return pictures (count, 1024, 1), about 0 in the mean, and whether their circles are joined (count,)."""
        joined = rng.integers(2, size=count)
        pictures = np.stack([self.picture(rng, bool(each)) for each in joined]) if count else np.empty((0, SIDE, SIDE))
        return Examples((pictures.reshape(count, -1, 1) * 4 - 0.5).astype(np.float32), joined)

    def picture(self, rng: np.random.Generator, joined: bool) -> Picture:
        """Return one picture (32, 32), 0 to 1."""
        paths, of_one, of_two = self.layout(rng)
        picture = np.zeros((SIDE, SIDE), np.float32)
        for path in paths:
            for number, (row, column) in enumerate(path):
                if number % (STROKE + GAP) < STROKE:
                    picture[round(row), round(column)] = 1
        for row, column in of_one if joined else of_two:
            top, left = round(row) - 1, round(column) - 1
            picture[top : top + 3, left : left + 3] = 1
        return picture

    def layout(self, rng: np.random.Generator) -> tuple[list[Path], Ends, Ends]:
        """Return all paths, the two long ones first, and the ends for both answers: of one path, and of two."""
        while True:
            paths: list[Path] = []
            for number, steps in enumerate((STEPS, STEPS, *(DISTRACTOR_STEPS,) * DISTRACTORS), 1):
                path = self.path(rng, steps, paths)
                if path is None:
                    break
                paths.append(path)
                if number == 2 and not (alike := ends_alike(*paths)):
                    break
            else:
                return paths, *alike[rng.integers(len(alike))]

    def path(self, rng: np.random.Generator, steps: int, others: list[Path]) -> Path | None:
        """Return a path of that many points which stays in the picture and away from the others, or None."""
        taken = [point for other in others for point in other]
        for _ in range(_TRIES):
            row, column = rng.uniform(MARGIN, SIDE - 1 - MARGIN, size=2)
            angle = rng.uniform(0, 2 * math.pi)
            path = [(row, column)]
            for bend in rng.normal(0, BEND, size=steps - 1):
                angle += bend
                row, column = row + math.sin(angle), column + math.cos(angle)
                if not (MARGIN <= row <= SIDE - 1 - MARGIN and MARGIN <= column <= SIDE - 1 - MARGIN):
                    break
                if any(math.dist(point, (row, column)) < NEAREST for point in [*taken, *path[:-4]]):
                    break
                path.append((row, column))
            if len(path) == steps:
                return path
        return None


def ends_alike(first: Path, second: Path) -> list[tuple[Ends, Ends]]:
    """Return the ends of one path with the ends of two that are as far apart, for all that there are."""
    of_one = [(path[0], path[-1]) for path in (first, second)]
    of_two = [(one, other) for one in (first[0], first[-1]) for other in (second[0], second[-1])]
    return [(a, b) for a in of_one for b in of_two if abs(math.dist(*a) - math.dist(*b)) <= ALIKE]
