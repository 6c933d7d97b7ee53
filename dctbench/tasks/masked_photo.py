"""Hidden pixels of scan lines: one objective on smooth material. The photographs come with scikit-learn."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dctbench.catalog.tasks import stated
from dctbench.errors import UnavailableError, UnsupportedError
from dctbench.tasks import Examples, Split, Task, TaskFacts
from dctbench.tasks.masking import masked

LEVELS = 32
_COLUMNS = {"train": (0.0, 0.6), "validation": (0.6, 0.7), "test": (0.7, 1.0)}
"""The share of the columns that each split has: no pixel is in two of them."""


class MaskedPhoto(Task):
    """Pieces of scan lines in 32 levels of grey, of which 15% of the pixels are hidden.

    Training pieces come from the left 60% of both photographs, validation from the next 10%, and the test from the
    rest.
    """

    facts: ClassVar[TaskFacts] = stated("masked-photo")

    def __init__(self, seq_len: int | None = None, variants: tuple[str, ...] = ()) -> None:
        super().__init__(seq_len, variants)
        widest = round(0.1 * photographs()[0].shape[1])
        if self.seq_len > widest:
            raise UnsupportedError(f"masked-photo has pieces of at most {widest} pixels; got {self.seq_len}")

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        """Return levels (count, n), hidden ones as 32, and the hidden levels."""
        first, last = _COLUMNS[split]
        photos = photographs()
        pieces = np.empty((count, self.seq_len), np.int64)
        for piece in pieces:
            photo = photos[rng.integers(len(photos))]
            width = photo.shape[1]
            start = rng.integers(round(first * width), round(last * width) - self.seq_len + 1)
            piece[:] = photo[rng.integers(len(photo)), start : start + self.seq_len]
        return masked(rng, pieces, LEVELS)


@cache
def photographs() -> tuple[NDArray[np.int64], ...]:
    """Return the two photographs as levels of grey (height, width), 0 to 31.

    Raises:
        UnavailableError: when a package that reads them is missing.
    """
    try:
        from sklearn.datasets import load_sample_images  # noqa: PLC0415

        images: list[NDArray[Any]] = load_sample_images().images
    except ImportError:
        raise UnavailableError(
            "masked-photo needs scikit-learn and Pillow", hint="pip install 'dctbench[tasks]'"
        ) from None
    return tuple((image.astype(np.int64).sum(-1) * LEVELS // (3 * 256)) for image in images)
