"""A model by hand whose evaluation packs two texts into one sequence, so that its mask differs from query to query."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.support.models import HEADS, WIDTH, Projections


class Masked(Projections):
    """Takes a mask as models of transformers do: bool (batch, 1, queries, keys), True = visible."""

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=attention_mask)
        out: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return out


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Masked()

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        out: Tensor = self.attention(x, attention_mask=attention_mask)
        return out


def model() -> nn.Module:
    return Model()


def packed(seq_len: int) -> Tensor:
    """The mask of two texts of half the length: (1, 1, seq_len, seq_len)."""
    text = torch.arange(seq_len) // (seq_len // 2)
    return (text[:, None] == text)[None, None]


def inputs(seq_len: int, batch: int) -> dict[str, Tensor]:
    everything = torch.ones(batch, 1, seq_len, seq_len, dtype=torch.bool)
    return {"x": torch.randn(batch, seq_len, WIDTH), "attention_mask": everything}


def evaluate(model: nn.Module, seq_len: int) -> float:
    return float(model(torch.randn(1, seq_len, WIDTH), attention_mask=packed(seq_len)).mean() > 0)
