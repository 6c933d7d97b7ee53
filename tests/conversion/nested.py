"""A model that is called with tensors inside a dict and a list."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.support.models import WIDTH, Projections


class Nested(nn.Module):
    """An attention on the sum of two tensors, times a number."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Projections()

    def forward(self, batch: dict[str, Any]) -> Tensor:
        second, scale = batch["more"]
        out: Tensor = self.attention((batch["x"] + second) * scale)
        return out


def model() -> nn.Module:
    return Nested()


def inputs(seq_len: int, batch: int) -> tuple[dict[str, Any]]:
    return ({"x": torch.randn(batch, seq_len, WIDTH), "more": [torch.randn(batch, seq_len, WIDTH), 0.5]},)
