"""A layer that remembers its latest outputs, and counts those that it computes. For tests in their own process."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.support.hostile import Good


class RemembersWholeInputs(Good):
    """Keeps its six latest outputs, and returns the one of an input with the same values."""

    computed = 0

    def __init__(self, *, seq_len: int, dim: int, heads: int, ratio: float | None = None) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads)
        self.kept: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        for seen, output in self.kept:
            if torch.equal(seen, x):
                return output.clone()
        RemembersWholeInputs.computed += 1
        output = super().forward(x)
        self.kept = [*self.kept[-5:], (x.clone(), output.clone())]
        return output
