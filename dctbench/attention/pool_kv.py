"""The control for compressed keys and values: full-length queries over the means of windows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer, checked_n_kept
from dctbench.attention.segments import segment_means, segment_table


class PooledKvAttention(AttentionLayer):
    """Every position attends to the means of n_kept windows: dct-kv with averages in place of the DCT.

    Windows are those of `pool`: position j is in window floor(j n_kept / n), means include real tokens only, and a
    window without any is masked. With as many windows as positions it is exact attention. It differs from dct-kv only
    in how keys and values are shortened, so what dct-kv gains over it is what the DCT contributes.
    """

    padding_leak = "windows divide the padded length: the same ones only where the ratio divides both lengths"

    segments: Tensor

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
        self.n_kept = checked_n_kept("pool-kv", seq_len, ratio, kept)
        self.register_buffer("segments", segment_table(seq_len, self.n_kept, device), persistent=False)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        self.check(x, key_padding_mask)
        pooled, occupied = segment_means(x, self.segments, key_padding_mask)  # (batch, n_kept, dim)
        attended = self.attend_among(self.q_proj(x), self.k_proj(pooled), self.v_proj(pooled), occupied)
        out: Tensor = self.out_proj(attended)  # (batch, seq_len, dim)
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        real = None if key_padding_mask is None else key_padding_mask[:, None]  # (batch, 1, seq_len)
        short_k, occupied = segment_means(k, self.segments, real)  # (batch, heads, n_kept, head_dim)
        short_v, _ = segment_means(v, self.segments, real)
        mask = None if occupied is None else occupied[:, :, None, :]
        return scaled_dot_product_attention(q, short_k, short_v, attn_mask=mask)

    def attend_flops(self, batch: int = 1) -> int:
        """4 b n m d. The additions of the means are not counted (flops.convention)."""
        return 4 * batch * self.seq_len * self.n_kept * self.dim

    def flops(self, batch: int = 1) -> int:
        """Projections of q and output at n rows and of k and v at m, and two products: 4 b (n + m) d^2 + 4 b n m d."""
        return 4 * batch * (self.seq_len + self.n_kept) * self.dim**2 + self.attend_flops(batch)
