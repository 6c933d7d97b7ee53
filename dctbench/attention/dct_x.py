"""DCT-Former's first form: the input itself is compressed, and attention runs among its frequencies.

X_m = D_m X; q, k, v = projections of X_m; Y = D_m^T softmax(q k^T / sqrt(head_dim)) v; out = Y W_o + b_o
(Scribano et al. 2022, arXiv 2203.01178, section 3). The softmax runs over n_kept coefficients, not over positions:
this is not an approximation of softmax attention, and at ratio 1 it does not become it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer, checked_n_kept
from dctbench.transforms import BasisDct


class DctXAttention(AttentionLayer):
    """Attention among the lowest `n_kept` DCT-II coefficients of the input."""

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
        self.n_kept = checked_n_kept("dct-x", seq_len, ratio)
        self.transform = BasisDct(seq_len, self.n_kept, dtype=dtype, device=device)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape."""
        self.check(x, key_padding_mask)
        if key_padding_mask is not None:
            x = x * key_padding_mask[..., None].to(x.dtype)
        z = self.transform(x, ordered=False)  # (batch, n_kept, dim)
        q, k, v = (self.split_heads(proj(z)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        y = self.join_heads(scaled_dot_product_attention(q, k, v))
        # The output projection commutes with the inverse DCT; a constant b_o is sqrt(n) b_o on the DC row.
        y = linear(y, self.out_proj.weight)
        y[:, 0] += math.sqrt(self.seq_len) * self.out_proj.bias
        return self.transform.inverse(y, ordered=False)

    def flops(self, batch: int = 1) -> int:
        """Two transforms and, at n_kept rows, four projections and two products: 8 b m d^2 + 4 b m^2 d."""
        m, d = self.n_kept, self.dim
        return 2 * self.transform.flops(batch * d) + batch * (8 * m * d**2 + 4 * m**2 * d)
