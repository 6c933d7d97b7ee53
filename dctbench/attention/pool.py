"""The control for compression: is the DCT better than just averaging neighbours? Same n_kept, no cosines."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer, checked_n_kept


class PooledAttention(AttentionLayer):
    """Attention among n_kept window averages; every position reads the output of its own window.

    Windows are as equal as n allows (position j lies in window floor(j n_kept / n)). The mean runs over real tokens
    only and a window without any is hidden as a key, so padding never changes a real token.
    """

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        ratio: float | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self.n_kept = checked_n_kept("pool", seq_len, ratio)
        window = torch.arange(seq_len, device=device) * self.n_kept // seq_len  # (seq_len,)
        self.register_buffer("window", window, persistent=False)

    window: Tensor

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        self.check(x, key_padding_mask)
        pooled, occupied = self.pool(x, key_padding_mask)  # (batch, n_kept, dim)
        q, k, v = (self.split_heads(proj(pooled)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        mask = None if occupied is None else occupied[:, None, None, :]
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (batch, heads, n_kept, head_dim)
        # Every position of a window shares one output, so the projection is made once per window.
        return self.spread(self.out_proj(self.join_heads(attended)))

    def pool(self, x: Tensor, key_padding_mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Window means (batch, n_kept, dim), and which windows hold a real token (None: all)."""
        batch = x.shape[0]
        if key_padding_mask is None and self.seq_len % self.n_kept == 0:
            return x.unflatten(1, (self.n_kept, -1)).mean(2), None
        real = x.new_ones(batch, self.seq_len) if key_padding_mask is None else key_padding_mask.to(x.dtype)
        count = x.new_zeros(batch, self.n_kept).index_add_(1, self.window, real)
        total = x.new_zeros(batch, self.n_kept, self.dim).index_add_(1, self.window, x * real[..., None])
        return total / count.clamp(min=1)[..., None], None if key_padding_mask is None else count > 0

    def spread(self, y: Tensor) -> Tensor:
        """(batch, n_kept, dim) -> (batch, seq_len, dim): each window's row to all its positions."""
        if self.seq_len % self.n_kept == 0:
            return y.repeat_interleave(self.seq_len // self.n_kept, dim=1)
        return y.index_select(1, self.window)

    def flops(self, batch: int = 1) -> int:
        """8 b m d^2 + 4 b m^2 d; averaging is additions, which are not counted (flops.convention)."""
        return batch * (8 * self.n_kept * self.dim**2 + 4 * self.n_kept**2 * self.dim)
