"""Linformer: learned projections shorten keys and values. Wang et al. 2020 (arXiv 2006.04768), section 4."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer, checked_n_kept


class LinformerAttention(AttentionLayer):
    """softmax(q (E k)^T / sqrt(head_dim)) (E v), with a learned E of n_kept rows (equation 7).

    Keys, values and all heads share one E (n_kept x seq_len), the paper's key-value sharing. (Its layerwise sharing
    adds that all layers have the same E, which changes no time.) E commutes with the projections of k and v, so the
    layer applies it to x first: one product with E instead of two, and projections of n_kept rows.

    With `per_head=True` each head has its own E, shared by keys and values. DCT-Former's authors measured this form.

    The paper does not specify the initial E. Here its entries are N(0, 1 / seq_len), so a shortened key has the
    variance of a key. With a mask, padded keys and values are zero before E is applied. All n_kept shortened keys
    remain visible.

    Args:
        ratio, kept: set the paper's k: n_kept = k.
        per_head: whether each head has its own E.
    """

    method = "linformer"
    """Its name in the catalog, for errors."""
    padding_leak = "k follows the padded length, and E has one column for each of its positions"

    E: nn.Parameter  # (n_kept, seq_len), or (heads, n_kept, seq_len) per head

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        ratio: float | None = None,
        kept: int | None = None,
        per_head: bool = False,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        self.n_kept = checked_n_kept(self.method, seq_len, ratio, kept)
        self.per_head = per_head
        shape = (heads, self.n_kept, seq_len) if per_head else (self.n_kept, seq_len)
        self.E = nn.Parameter(torch.empty(shape, dtype=dtype, device=device))
        nn.init.normal_(self.E, std=1 / math.sqrt(seq_len))

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        if self.per_head:
            return super().forward(x, key_padding_mask)
        self.check(x, key_padding_mask)
        if key_padding_mask is None:
            short, ones = self.project(x), self.E.sum(-1, keepdim=True)  # (batch, n_kept, dim), (n_kept, 1)
        else:
            real = key_padding_mask[..., None].to(x.dtype)
            short, ones = self.project(x * real), self.E @ real  # (batch, n_kept, 1)
        # E (x W^T + 1 b^T) = (E x) W^T + (E 1) b^T
        k = torch.addcmul(linear(short, self.k_proj.weight), ones, self.k_proj.bias)
        v = torch.addcmul(linear(short, self.v_proj.weight), ones, self.v_proj.bias)
        out: Tensor = self.out_proj(self.attend_among(self.q_proj(x), k, v))
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        if key_padding_mask is not None:
            padded = ~key_padding_mask[:, None, :, None]  # (batch, 1, seq_len, 1)
            k, v = k.masked_fill(padded, 0.0), v.masked_fill(padded, 0.0)
        return scaled_dot_product_attention(q, self.shorten(k), self.shorten(v))

    def shorten(self, x: Tensor) -> Tensor:
        """Apply E to each head: (batch, heads, seq_len, head_dim) -> (batch, heads, n_kept, head_dim)."""
        if not self.per_head:
            return self.split_heads(self.project(self.join_heads(x)))
        # einsum puts the batch beside head_dim: one product per head, without a copy of E for each sample.
        return torch.einsum("hmn,bhnd->bhmd", self.E, x)

    def project(self, x: Tensor) -> Tensor:
        """Return E x of each sample: (batch, seq_len, dim) -> (batch, n_kept, dim)."""
        if torch.is_grad_enabled() or len(x) == 1:
            return self.E @ x
        # `matmul` of a matrix that can have gradients would copy x, transposed.
        return torch.bmm(self.E.expand(len(x), -1, -1), x)

    def attend_flops(self, batch: int = 1) -> int:
        """Two n_kept x n x d projections and two n x n_kept x d products: 8 b n m d."""
        return 8 * batch * self.seq_len * self.n_kept * self.dim

    def flops(self, batch: int = 1) -> int:
        """One product with E, 2 b n m d; two products of attention, 4 b n m d; projections, 4 b (n + m) d^2.

        Per head, E is applied to projected heads: 8 b n m d + 8 b n d^2.
        """
        if self.per_head:
            return super().flops(batch)
        n, m, d = self.seq_len, self.n_kept, self.dim
        return batch * (6 * n * m * d + 4 * (n + m) * d**2)


class PerHeadLinformerAttention(LinformerAttention):
    """`LinformerAttention` with `per_head=True`: a projection of its own for each head, shared by keys and values.

    Args:
        ratio, kept: set the paper's k: n_kept = k.
    """

    method = "linformer-per-head"

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
        super().__init__(
            seq_len=seq_len, dim=dim, heads=heads, ratio=ratio, kept=kept, per_head=True, dtype=dtype, device=device
        )
