"""Names of tasks with their variants, and what of a task is known without its code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

RATES = (1e-3, 3e-3, 1e-2, 3e-2)
"""The learning rates that every method tries in every round."""
PROBE_SHARE = 4
"""With each of them a training has a quarter of its steps first."""
HEADS, HEAD_DIM = 4, 16
"""The shape of the model that tasks train, unless another one is asked for."""
MOST_PATIENCE = 1000
TEST_EXAMPLES = 512
"""The sequences that a trained model is tested on, unless its task states another number."""

_PATIENCE = re.compile(r"([1-9][0-9]{0,3})x", re.ASCII)
_BASE = re.compile(r"[A-Za-z][\w.-]{0,59}|[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
_VARIANT = re.compile(r"[a-z][a-z0-9-]{0,29}", re.ASCII)
SCRAMBLED = "scrambled"


@dataclass(frozen=True, slots=True)
class TaskName:
    """A task as users name it: `mnist1d`, `acuity/shift`, `mnist1d/scrambled/4x`, `package.module:Class/scrambled`.

    Attributes:
        base: a name of the catalog, or `package.module:Class`.
        variants: those that only this task has, in alphabetical order.
        scrambled: whether the rows of a sequence are permuted after positions were added.
        patience: how many times the steps of the task a training has. It tells a slow method from one that cannot.
    """

    base: str
    variants: tuple[str, ...] = ()
    scrambled: bool = False
    patience: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the name that a text spells, with its variants in any order.

        Raises:
            ValueError: when it is none; the message says why.
        """
        base, *words = text.split("/")
        if not _BASE.fullmatch(base):
            raise ValueError("a task is a name, or package.module:Class")
        variants: set[str] = set()
        scrambled, patience = False, 1
        for word in words:
            times = _PATIENCE.fullmatch(word)
            if times and patience == 1 and 2 <= int(times[1]) <= MOST_PATIENCE:
                patience = int(times[1])
            elif word == SCRAMBLED and not scrambled:
                scrambled = True
            elif _VARIANT.fullmatch(word) and word not in variants and word != SCRAMBLED:
                variants.add(word)
            else:
                raise ValueError(f"{word!r} is no variant, or is given twice")
        return cls(base, tuple(sorted(variants)), scrambled, patience)

    def __str__(self) -> str:
        """The canonical spelling: the variants of the task, then `scrambled`, then the patience."""
        words = [self.base, *self.variants]
        words += [SCRAMBLED] if self.scrambled else []
        words += [f"{self.patience}x"] if self.patience > 1 else []
        return "/".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What planning and reading need to know of a task.

    Attributes:
        seq_len: length n of a sequence.
        batch: sequences per step.
        steps: of a full training.
        classes: possible answers.
        floor: accuracy of the best constant answer. A failed training counts as this.
        chance: accuracy of the best guess that does not solve the task; None if that is the floor.
        ceiling: the best accuracy that anything can have. A result surely above it is refused.
        vocabulary: number of distinct input symbols; None for real-valued inputs.
        channels: real values per position; used if there is no vocabulary.
        per_position: whether positions are answered, or the sequence as a whole.
        test_examples: sequences that the trained model is tested on.
        train_examples: sequences of a fixed training set; None if every step draws fresh ones.
        slices: parts of the test whose accuracy is stored beside the whole, in order.
        smooth: whether neighbours in a sequence are alike, so that results are shown beside the scrambled task.
    """

    seq_len: int
    batch: int
    steps: int
    classes: int
    floor: float
    chance: float | None = None
    ceiling: float = 1.0
    vocabulary: int | None = None
    channels: int = 1
    per_position: bool = True
    test_examples: int = TEST_EXAMPLES
    train_examples: int | None = None
    slices: tuple[str, ...] = ()
    smooth: bool = False

    def __post_init__(self) -> None:
        counts = {"seq_len": self.seq_len, "batch": self.batch, "steps": self.steps, "classes": self.classes,
                  "channels": self.channels, "test_examples": self.test_examples}  # fmt: skip
        for name, value in counts.items():
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 2**24:
                raise ValueError(f"{name} must be a whole number from 1 to {2**24}; got {value!r}")
        for name, share in (("floor", self.floor), ("chance", self.guess), ("ceiling", self.ceiling)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be from 0 to 1; got {share!r}")
        if len(self.slices) != len(set(self.slices)) or not all(_VARIANT.fullmatch(each) for each in self.slices):
            raise ValueError(f"slices must be distinct short names; got {self.slices!r}")

    @property
    def guess(self) -> float:
        """Accuracy of the best guess that does not solve the task."""
        return self.floor if self.chance is None else self.chance

    def full_steps(self, name: TaskName) -> int:
        """Steps of a full training under that name of the task."""
        return self.steps * name.patience
