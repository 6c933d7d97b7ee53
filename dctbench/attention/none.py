"""The control without attention: what a layer costs, and a model learns, when no token sees another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dctbench.attention.layer import AttentionLayer


class NoAttention(AttentionLayer):
    """out_proj(v_proj(x)): attention whose matrix is the identity.

    It stands for everything around attention. In accuracy it shows how much of a task needs no mixing at all; in
    the gate it is the witness, a workload that shares nothing with attention but the projections. Queries and keys
    are never used, so they are not held.
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
        """x (batch, seq_len, dim) -> the same shape; the mask has nothing to hide, since no token sees another."""
        self.check(x, key_padding_mask)
        out: Tensor = self.out_proj(self.v_proj(x))
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """The values as they are."""
        return v

    def attend_flops(self, batch: int = 1) -> int:
        """Nothing."""
        return 0

    def projection_flops(self, batch: int = 1) -> int:
        """Two projections: 4 b n d^2."""
        return 4 * batch * self.seq_len * self.dim**2
