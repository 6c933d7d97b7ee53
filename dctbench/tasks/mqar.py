"""Multi-query associative recall: keys and values stand in different tokens, so that pairs must first be put together.

Arora et al. 2023 (arXiv 2312.04927), by the rules of their code: power 0.01, other positions random.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dctbench.catalog.tasks import stated
from dctbench.errors import UnsupportedError
from dctbench.tasks import UNASKED, Examples, Split, Task, TaskFacts

VOCABULARY = 128
PAIRS = 8
POWER = 0.01


class Mqar(Task):
    """8 keys, each followed by its value, then each key once more at even distances that follow a power law.

    Keys are symbols 1 to 63 and values 64 to 127; each occurs at most once in the pairs. The answer at a key's second
    place is its value. All other places of the rest hold random symbols and are not asked about.
    """

    facts: ClassVar[TaskFacts] = stated("mqar")

    def __init__(self, seq_len: int | None = None, variants: tuple[str, ...] = ()) -> None:
        super().__init__(seq_len, variants)
        if self.seq_len % 2 or self.seq_len < 4 * PAIRS:
            raise UnsupportedError(f"mqar needs an even length of at least {4 * PAIRS}; got {self.seq_len}")

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        """Return symbols (count, n) and the values at the places that ask."""
        half = VOCABULARY // 2
        context = 2 * PAIRS
        places = (self.seq_len - context) // 2
        keys = rng.permuted(np.tile(np.arange(1, half), (count, 1)), axis=1)[:, :PAIRS]
        values = rng.permuted(np.tile(np.arange(half), (count, 1)), axis=1)[:, :PAIRS]
        # The smallest of exponential times with rates p are a draw without replacement with probabilities p.
        times = rng.exponential(size=(count, places)) / np.arange(1, places + 1) ** (POWER - 1)
        asked = context + 2 * times.argsort(axis=1)[:, :PAIRS]
        inputs = rng.integers(VOCABULARY, size=(count, self.seq_len))
        inputs[:, 0:context:2], inputs[:, 1:context:2] = keys, half + values
        targets = np.full((count, self.seq_len), UNASKED, np.int64)
        np.put_along_axis(inputs, asked, keys, axis=1)
        np.put_along_axis(targets, asked, values, axis=1)
        return Examples(inputs, targets)
