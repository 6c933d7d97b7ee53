"""The control for compression: average neighbours instead of taking a DCT, with the same n_kept."""

from __future__ import annotations

import torch
from torch import Tensor

from dctbench.attention.layer import AttentionLayer, checked_n_kept
from dctbench.attention.segments import segment_means, segment_table


class PooledAttention(AttentionLayer):
    """Attention among the means of n_kept windows; every position takes the output of its own window.

    Windows are as equal as n allows: position j is in window floor(j n_kept / n). Means include real tokens only, and
    a window without any is masked as a key, so the content of padded positions never changes a real token.
    """

    padding_leak = "windows divide the padded length: the same ones only where the ratio divides both lengths"

    segments: Tensor
    window: Tensor

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        ratio: float | None = None,
        kept: int | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self.n_kept = checked_n_kept("pool", seq_len, ratio, kept)
        self.register_buffer("segments", segment_table(seq_len, self.n_kept, device), persistent=False)
        window = torch.arange(seq_len, device=device) * self.n_kept // seq_len  # (seq_len,)
        self.register_buffer("window", window, persistent=False)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        self.check(x, key_padding_mask)
        pooled, occupied = segment_means(x, self.segments, key_padding_mask)  # (batch, n_kept, dim)
        attended = self.attend_among(self.q_proj(pooled), self.k_proj(pooled), self.v_proj(pooled), occupied)
        # All positions of a window share one output, so the projection is applied once per window.
        out: Tensor = self.out_proj(attended)  # (batch, n_kept, dim)
        return out.index_select(1, self.window)

    def flops(self, batch: int = 1) -> int:
        """8 b m d^2 + 4 b m^2 d. The additions of the means are not counted (flops.convention)."""
        return batch * (8 * self.n_kept * self.dim**2 + 4 * self.n_kept**2 * self.dim)
