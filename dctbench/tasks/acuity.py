"""Which width of detail an attention resolves: symbols that are held for a while are read back in reverse."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dctbench.catalog.tasks import TASKS, stated
from dctbench.tasks import Examples, Split, Task, TaskFacts

SYMBOLS = 8


class Acuity(Task):
    """Symbols drawn from 8 are held for h places, h = 1, 2, 4, 8 or 16, from a random phase on.

    The answer at position j is the symbol at n - 1 - j. The variant `shift` asks for the symbol n / 2 places further,
    around the end, because mirroring maps every frequency of a DCT to itself and a shift does not. A sequence has one
    h, which is its slice; a batch has all of them.
    """

    facts: ClassVar[TaskFacts] = stated("acuity")
    variants = TASKS["acuity"].variants
    widths = (1, 2, 4, 8, 16)

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        """Return sequences (count, n) and the answers at every position."""
        n = self.seq_len
        which = rng.integers(len(self.widths), size=count)  # (count,)
        width = np.array(self.widths)[which]
        phase = (rng.random(count) * width).astype(np.int64)
        symbols = rng.integers(SYMBOLS, size=(count, n + 1))
        held = (np.arange(n) + phase[:, None]) // width[:, None]  # (count, n): number of the symbol at each place
        inputs = np.take_along_axis(symbols, held, axis=1)
        answers = np.roll(inputs, -(n // 2), axis=1) if "shift" in self.chosen else inputs[:, ::-1]
        return Examples(inputs, np.ascontiguousarray(answers), which)
