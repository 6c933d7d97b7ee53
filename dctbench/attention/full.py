"""Softmax attention by its definition, with the n x n matrix in memory. Vaswani et al. 2017, section 3.2."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dctbench.attention.layer import AttentionLayer


class FullAttention(AttentionLayer):
    """softmax(q k^T / sqrt(head_dim)) v with the matrix in memory: exact, and quadratic in time and memory.

    Padded keys get no weight, so padding never changes a real token. For a sequence without any real token the
    attended values are zero.

    This holds in eager mode. Under `torch.compile` without a mask, Inductor recognises these products and replaces
    them with the flash kernel, which stores no matrix.
    """

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        # Scaling q is a pass over n x head_dim numbers; scaling the scores would be one over n x n.
        scores = (q / math.sqrt(self.head_dim)) @ k.transpose(-2, -1)  # (batch, heads, seq_len, seq_len)
        if key_padding_mask is None:
            return torch.softmax(scores, dim=-1) @ v
        real = key_padding_mask[:, None, None, :]  # (batch, 1, 1, seq_len)
        weights = torch.softmax(scores.masked_fill(~real, torch.finfo(scores.dtype).min), dim=-1)
        return weights.masked_fill(~real, 0.0) @ v

    def attend_flops(self, batch: int = 1) -> int:
        """Two n x n x d products: 4 b n^2 d. Softmax is not counted (flops.convention)."""
        return 4 * batch * self.seq_len**2 * self.dim
