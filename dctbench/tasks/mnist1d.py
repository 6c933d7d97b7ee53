"""Smooth series of ten classes: MNIST-1D by its rules. Greydanus and Kobak 2020 (arXiv 2011.14439), section 2."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dctbench.catalog.tasks import stated
from dctbench.tasks import Examples, Split, Task, TaskFacts

Array = NDArray[np.float64]

TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
"""The ten outlines of digits, 12 points each, of the paper."""
LONGEST = 72
"""Points of a series before it is resampled: an outline of 12 and 60 of padding."""
LEAST_PADDING, MOST_PADDING = 36, 60
SCALE, SHIFT, SHEAR = 0.4, 48, 0.75
CORRELATED, WHITE = 0.25, 0.02
SMOOTHING = 2.0
"""Standard deviation of the Gaussian that smooths the noise, in points."""
_TINY = 1e-8
MEAN, DEVIATION = 0.0, 0.154
"""By which series are centred and scaled, the same for all splits; the paper takes those of its data set."""


class Mnist1d(Task):
    """Each series is an outline that was padded, scaled, moved around the end, made noisy and sheared.

    Every seed has a training set of its own. Validation and test are fresh series by the same rules.
    """

    facts: ClassVar[TaskFacts] = stated("mnist1d")

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        """Return series (count, n, 1) and their classes (count,)."""
        digits = rng.integers(10, size=count)
        series = [self.series(rng, outline) for outline in outlines()[digits]]
        values = (np.stack(series) - MEAN) / DEVIATION if series else np.empty((0, self.seq_len))
        return Examples(values[..., None].astype(np.float32), digits)

    def series(self, rng: np.random.Generator, outline: Array) -> Array:
        """Return one series (n,) from an outline (12,)."""
        padding = rng.integers(LEAST_PADDING, MOST_PADDING + 1)
        x = _resampled(np.concatenate([outline + _TINY, np.zeros(padding)]), LONGEST)
        x *= 1 + SCALE * (rng.random() - 0.5)
        x = np.roll(x, rng.integers(SHIFT))
        noise = smoothed(CORRELATED * rng.standard_normal(LONGEST))
        x = np.where(x != 0, x, noise) + WHITE * rng.standard_normal(LONGEST)
        x -= SHEAR * (rng.random() - 0.5) * np.linspace(-0.5, 0.5, LONGEST)
        return _resampled(x, self.seq_len)


def outlines() -> Array:
    """Return the outlines (10, 12): mean 0 and deviation 1 at first, then moved to begin at 0 and divided by 6."""
    x: Array = np.array(TEMPLATES)
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    moved: Array = (x - x[:, :1]) / 6
    return moved


def smoothed(noise: Array) -> Array:
    """Convolve noise (length,) with a Gaussian of 4 deviations to either side; the ends are mirrored."""
    reach = int(4 * SMOOTHING + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTHING) ** 2)
    padded = np.pad(noise, reach, mode="symmetric")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def _resampled(x: Array, length: int) -> Array:
    """Interpolate linearly to another number of points over the same span."""
    found: NDArray[Any] = np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(x)), x)
    return found
