"""A model whose inputs share memory: windows of one tensor of the module, and one row that is expanded to all."""

from __future__ import annotations

import torch
from torch import Tensor, nn

DATA = torch.arange(640.0).reshape(40, 16).sin()


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        x = x + places[..., None] / 100
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


def model() -> nn.Module:
    torch.manual_seed(0)
    return Model()


def inputs(seq_len: int, batch: int) -> tuple[Tensor, Tensor]:
    start = int(torch.randint(0, 8, ()))
    return DATA[start : start + seq_len * batch].view(batch, seq_len, 16), torch.arange(seq_len).expand(batch, -1)
