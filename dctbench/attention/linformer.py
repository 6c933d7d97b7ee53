"""Linformer: learned projections shorten keys and values. Wang et al. 2020 (arXiv 2006.04768), section 4."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer, checked_n_kept


class LinformerAttention(AttentionLayer):
    """softmax(q (E k)^T / sqrt(head_dim)) (E v), with a learned E (n_kept x seq_len) in each head (equation 7).

    `ratio` sets the paper's k: n_kept = k. Keys and values share E (F = E), as in the paper's key-value sharing, but
    each head has its own E, as in its unshared form. This is the variant that DCT-Former's authors measured. The paper
    does not specify the initial E. Here its entries are N(0, 1 / seq_len), so a shortened key has the variance of a
    key.

    With a mask, padded keys and values are set to zero before E is applied. All k shortened keys remain visible.
    """

    padding_leak = "k follows the padded length, and E has one column for each of its positions"

    E: nn.Parameter

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
        self.n_kept = checked_n_kept("linformer", seq_len, ratio)
        self.E = nn.Parameter(torch.empty(heads, self.n_kept, seq_len, dtype=dtype, device=device))
        nn.init.normal_(self.E, std=1 / math.sqrt(seq_len))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        if key_padding_mask is not None:
            padded = ~key_padding_mask[:, None, :, None]  # (batch, 1, seq_len, 1)
            k, v = k.masked_fill(padded, 0.0), v.masked_fill(padded, 0.0)
        # einsum puts the batch beside head_dim: one product per head, without a copy of E for each sample.
        short_k = torch.einsum("hmn,bhnd->bhmd", self.E, k)  # (batch, heads, n_kept, head_dim)
        short_v = torch.einsum("hmn,bhnd->bhmd", self.E, v)
        return scaled_dot_product_attention(q, short_k, short_v)

    def attend_flops(self, batch: int = 1) -> int:
        """Two n_kept x n x d projections and two n x n_kept x d products: 8 b n m d."""
        return 8 * batch * self.seq_len * self.n_kept * self.dim
