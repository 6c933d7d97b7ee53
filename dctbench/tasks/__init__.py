"""What accuracy is measured on: one module per task, each a question that an attention can or cannot answer.

To add a task, write a module here with a `Task` and add one line to `dctbench.catalog.tasks`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dctbench.errors import UsageError
from dctbench.model import TaskFacts

__all__ = ["UNASKED", "Examples", "Split", "Task", "TaskFacts"]

Split = Literal["train", "validation", "test"]
UNASKED = -1
"""The target of a position that is not asked about."""


class Examples(NamedTuple):
    """Sequences with their answers.

    Attributes:
        inputs: symbols, int64 (count, seq_len) or (count, seq_len, parts), where the embeddings of the parts of a
            position are added; or real values, float32 (count, seq_len, channels).
        targets: int64 (count, seq_len) for a task that asks about positions, with UNASKED where nothing is asked;
            (count,) for one that asks about the whole sequence.
        slices: int64 (count,), to which of the task's slices a sequence belongs; None for a task without slices.
    """

    inputs: NDArray[Any]
    targets: NDArray[np.int64]
    slices: NDArray[np.int64] | None = None


class Task:
    """A task: facts, and a generator of examples.

    The same generator state gives the same examples, so that every method learns from the same data in the same order.

    Args:
        seq_len: length n of the sequences; None for the one in the facts.
        variants: of this task, as they were asked for.

    Raises:
        UsageError: for a variant that the task does not have.
        UnsupportedError: for a length that it cannot have, so that a sweep goes on with its other lengths.
    """

    facts: ClassVar[TaskFacts]
    variants: ClassVar[tuple[str, ...]] = ()

    def __init__(self, seq_len: int | None = None, variants: tuple[str, ...] = ()) -> None:
        for variant in variants:
            if variant not in self.variants:
                known = ", ".join(self.variants) or "none"
                raise UsageError(f"{type(self).__name__} has no variant {variant!r}", hint=f"known: {known}")
        self.seq_len = seq_len or self.facts.seq_len
        self.chosen = variants

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        """Return `count` examples of a split. Examples of different splits must not be the same ones.

        Args:
            rng: the only source of chance.
            count: how many.
            split: which data to take; a task without fixed data may ignore it, since every split has a generator of
                its own.
        """
        raise NotImplementedError
