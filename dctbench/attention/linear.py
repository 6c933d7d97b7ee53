"""Linear attention: explicit kernel features instead of softmax. Katharopoulos et al. 2020 (arXiv 2006.16236)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import elu

from dctbench.attention.layer import AttentionLayer
from dctbench.attention.precision import own_precision


class LinearAttention(AttentionLayer):
    """phi(q) (phi(k)^T v) / (phi(q) sum phi(k)), phi(x) = elu(x) + 1 (section 3.2).

    In float16 the products are computed in float32, since a sum over a long sequence exceeds what float16 holds.

    The method replaces the softmax kernel and does not approximate it. It is not causal. Padded keys have zero
    features, so padding never changes a real token.
    """

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        phi_q, phi_k = elu(q) + 1, elu(k) + 1
        if key_padding_mask is not None:
            padded = ~key_padding_mask[:, None, :, None]
            phi_k, v = phi_k.masked_fill(padded, 0.0), v.masked_fill(padded, 0.0)
        return normalised_product(phi_q, phi_k, v)

    def attend_flops(self, batch: int = 1) -> int:
        """Two products with the head_dim x head_dim state and the normaliser: 4 b n d head_dim + 2 b n d."""
        return 2 * batch * self.seq_len * self.dim * (2 * self.head_dim + 1)


def normalised_product(
    phi_q: Tensor, phi_k: Tensor, v: Tensor, *, eps: float = 0.0, keys: Tensor | float = 0.0
) -> Tensor:
    """Return phi_q (phi_k^T v) with each row divided by phi_q . sum phi_k, without an n x n matrix.

    Args:
        phi_q, phi_k: non-negative features (batch, heads, seq_len, features).
        v: (batch, heads, seq_len, head_dim).
        eps: added to every feature of queries and real keys, but in the products, which costs no pass over features.
        keys: how many keys are real, broadcastable to (batch, heads, features); needed with `eps`, for which the
            other rows of v must be zero.

    Returns:
        (batch, heads, seq_len, head_dim); zero for a query without any key.
    """
    dtype = v.dtype
    if dtype == torch.float16:  # sums over a long sequence exceed its maximum, 65,504
        phi_q, phi_k, v = phi_q.float(), phi_k.float(), v.float()
    with own_precision(v):
        state = phi_k.transpose(-2, -1) @ v  # (batch, heads, features, head_dim)
        total = phi_k.sum(-2)  # (batch, heads, features)
        if eps:
            state, total = state + eps * v.sum(-2, keepdim=True), (total + eps * keys).to(total.dtype)
        summed = phi_q @ state
        normaliser = phi_q @ total[..., None]  # (batch, heads, seq_len, 1)
    if eps:
        summed += eps * state.sum(-2, keepdim=True)
        normaliser += eps * total.sum(-1)[..., None, None]
    return (summed / normaliser.masked_fill(normaliser == 0, 1.0)).to(dtype)
