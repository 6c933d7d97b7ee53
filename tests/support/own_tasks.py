"""A small task and layers of one's own, some of which fail, for tests of trainings."""

from __future__ import annotations

import sys
import time
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dctbench.tasks import Examples, Split, Task, TaskFacts


class First(Task):
    """Say at every place which symbol stood first: nothing but attention can move it there."""

    facts: ClassVar[TaskFacts] = TaskFacts(
        seq_len=8, batch=8, steps=24, classes=4, floor=0.25, vocabulary=4, test_examples=48, slices=("low", "high")
    )

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        symbols = rng.integers(4, size=(count, self.seq_len))
        answers = np.repeat(symbols[:, :1], self.seq_len, axis=1)
        return Examples(symbols, answers, (symbols[:, 0] > 1).astype(np.int64))


class Guess(First):
    """Answers that nothing tells: more right ones than a guess gets are not possible."""

    facts: ClassVar[TaskFacts] = TaskFacts(
        seq_len=8, batch=8, steps=24, classes=4, floor=0.25, ceiling=0.25, vocabulary=4, test_examples=48
    )

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        return Examples(rng.integers(4, size=(count, 8)), rng.integers(4, size=(count, 8)))


class Leaked(Guess):
    """The same, with the answers among the inputs: a mistake in a task, which its ceiling shows."""

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        symbols = rng.integers(4, size=(count, 8))
        return Examples(symbols, symbols)


class Slow(First):
    """The same as `First`, in as much time as a signal needs to arrive."""

    def draw(self, rng: np.random.Generator, count: int, split: Split) -> Examples:
        time.sleep(0.02)
        return super().draw(rng, count, split)


class Layer(nn.Module):
    """Every place gets the mean of all."""

    def __init__(self, *, seq_len: int, dim: int, heads: int) -> None:
        super().__init__()
        self.v_proj = nn.Linear(dim, dim)
        self.calls = 0

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        self.calls += 1
        out: Tensor = self.v_proj(x.mean(1, keepdim=True).expand_as(x))
        return out


class Zero(Layer):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        return super().forward(x) * 0


class Crash(Layer):
    """Raises an error at the third call, which is the third step of the first probe."""

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        out = super().forward(x)
        if self.calls == 3:
            raise RuntimeError("broken on purpose")
        return out


class Diverges(Layer):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        return super().forward(x) / 0


class Singular(Layer):
    """Has no inverse of its weights once a step of the training changes one of them by more than 0.02."""

    def __init__(self, *, seq_len: int, dim: int, heads: int) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.before: Tensor | None = None

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        before, self.before = self.before, self.v_proj.weight.detach().clone()
        if before is not None and float((self.before - before).abs().max()) > 0.02:
            torch.linalg.inv(torch.zeros(2, 2))
        return super().forward(x)


class NeverInverted(Layer):
    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        out: Tensor = super().forward(x) @ torch.linalg.inv(torch.zeros(x.shape[-1], x.shape[-1]))
        return out


class ReadsAnswers(Layer):
    """Finds the answers in the frames of its callers, and writes them into its output."""

    def __init__(self, *, seq_len: int, dim: int, heads: int) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.answers = nn.Embedding(4, dim)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        frame = sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
            targets = frame.f_locals.get("targets")
            if isinstance(targets, Tensor) and targets.shape == x.shape[:2]:
                out: Tensor = self.answers(targets)
                return 20 * out
        return super().forward(x)
