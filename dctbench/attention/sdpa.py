"""Exact attention through torch's fused kernels, the reference that a method has to beat."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer


class SDPAttention(AttentionLayer):
    """`scaled_dot_product_attention`, with whichever kernel torch chooses on this device.

    Padded keys get no weight, so padding never changes a real token.
    """

    exact = True

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        mask = None if key_padding_mask is None else key_padding_mask[:, None, None, :]
        return scaled_dot_product_attention(q, k, v, attn_mask=mask)

    def attend_flops(self, batch: int = 1) -> int:
        """Two n x n x d products, though the matrix is never held: 4 b n^2 d."""
        return 4 * batch * self.seq_len**2 * self.dim
