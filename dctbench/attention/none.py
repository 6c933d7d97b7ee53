"""The control without attention: the cost of a layer, and what a model learns, when no token sees another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dctbench.attention.layer import AttentionLayer


class NoAttention(AttentionLayer):
    """out_proj(v_proj(x)): attention whose matrix is the identity.

    It measures everything around attention. Its accuracy shows how much of a task needs no mixing of tokens. In a
    check it is a control workload that shares only the projections with attention. It has no query and key
    projections, since it would not use them.
    """

    q_proj: nn.Linear | None  # type: ignore[assignment]
    k_proj: nn.Linear | None  # type: ignore[assignment]

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self.q_proj = self.k_proj = None

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape; the mask has no effect, since no token sees another."""
        self.check(x, key_padding_mask)
        out: Tensor = self.out_proj(self.v_proj(x))
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """Return v unchanged."""
        return v

    def attend_flops(self, batch: int = 1) -> int:
        """Zero."""
        return 0

    def projection_flops(self, batch: int = 1) -> int:
        """Two projections: 4 b n d^2."""
        return 4 * batch * self.seq_len * self.dim**2
