"""Whether an attention finds a value by its key, wherever the pair is: content addressing without induction."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dctbench.catalog.tasks import stated
from dctbench.errors import UnsupportedError
from dctbench.tasks import UNASKED, Examples, Split, Task, TaskFacts

KEYS = VALUES = 32
PAIRS = 16
NO_KEY, NO_VALUE = KEYS + VALUES, KEYS + VALUES + 1
"""Symbols of a position without a key or a value. Keys are 0 to 31 and values 32 to 63."""


class Recall(Task):
    """16 pairs of a key and a value, each in one token, stand anywhere in the first half; their keys are asked later.

    In an example all keys differ, and all values. The keys stand anywhere in the second half, without values; the
    answer is the value of the pair. All other positions are blank and not asked about.
    """

    facts: ClassVar[TaskFacts] = stated("recall")

    def __init__(self, seq_len: int | None = None, variants: tuple[str, ...] = ()) -> None:
        super().__init__(seq_len, variants)
        if self.seq_len < 2 * PAIRS:
            raise UnsupportedError(f"recall needs a length of at least {2 * PAIRS}; got {self.seq_len}")

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        """Return tokens (count, n, 2), a key and a value each, and answers at the positions that ask."""
        half = self.seq_len // 2
        keys = _distinct(rng, count, KEYS)
        values = _distinct(rng, count, VALUES)
        places = _distinct(rng, count, half)
        asked = half + _distinct(rng, count, self.seq_len - half)
        order = _distinct(rng, count, PAIRS)  # in which the keys are asked
        inputs = np.empty((count, self.seq_len, 2), np.int64)
        inputs[..., 0], inputs[..., 1] = NO_KEY, NO_VALUE
        targets = np.full((count, self.seq_len), UNASKED, np.int64)
        np.put_along_axis(inputs[..., 0], places, keys, axis=1)
        np.put_along_axis(inputs[..., 1], places, KEYS + values, axis=1)
        np.put_along_axis(inputs[..., 0], asked, np.take_along_axis(keys, order, axis=1), axis=1)
        np.put_along_axis(targets, asked, np.take_along_axis(values, order, axis=1), axis=1)
        return Examples(inputs, targets)


def _distinct(rng: np.random.Generator, count: int, among: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return PAIRS distinct numbers below `among` in random order, for each example: (count, PAIRS)."""
    return rng.permuted(np.tile(np.arange(among), (count, 1)), axis=1)[:, :PAIRS]
