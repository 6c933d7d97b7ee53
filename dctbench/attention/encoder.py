"""DCT-Former's four-block encoder, to measure a method inside the model that it was proposed for.

Scribano et al. 2022 (arXiv 2203.01178), experiments. The blocks are BERT's (Devlin et al. 2019, arXiv 1810.04805).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from dctbench.attention.layer import AttentionLayer
from dctbench.errors import UsageError

BLOCKS = 4
VOCABULARY = 30522
FEED_FORWARD = 2048


class EncoderBlock(nn.Module):
    """x = LN(x + attention(x)); x = LN(x + W_2 GELU(W_1 x)): LayerNorm after the residual sum, as in BERT.

    Args:
        attention: the attention layer, of width `dim`.
        dim: model width d.
        feed_forward: inner width of the feed-forward network.
        dtype: of parameters; torch's default when None.
        device: where parameters live; torch's default when None.
    """

    def __init__(
        self,
        attention: nn.Module,
        dim: int,
        feed_forward: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.attention_norm = nn.LayerNorm(dim, dtype=dtype, device=device)
        self.widen = nn.Linear(dim, feed_forward, dtype=dtype, device=device)
        self.narrow = nn.Linear(feed_forward, dim, dtype=dtype, device=device)
        self.feed_forward_norm = nn.LayerNorm(dim, dtype=dtype, device=device)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """x (batch, seq_len, dim) -> the same shape; the mask is passed to the attention."""
        x = self.attention_norm(x + self.attention(x, key_padding_mask))
        out: Tensor = self.feed_forward_norm(x + self.narrow(gelu(self.widen(x))))
        return out


class Encoder(nn.Module):
    """Token and position embeddings, LayerNorm, and four post-LayerNorm blocks; no head.

    Position embeddings are learned. They start as sinusoids on the scale of the token embeddings: from BERT's
    N(0, 0.02^2) small models need far longer to learn to distinguish positions.

    Args:
        attention: returns a new attention layer; called once per block.
        seq_len: length n.
        dim: model width d.
        blocks: number of blocks.
        feed_forward: inner width of the feed-forward networks.
        vocabulary: number of distinct tokens.
        dtype: of parameters; torch's default when None.
        device: where parameters live; torch's default when None.
    """

    def __init__(
        self,
        attention: Callable[[], nn.Module],
        *,
        seq_len: int,
        dim: int,
        blocks: int = BLOCKS,
        feed_forward: int = FEED_FORWARD,
        vocabulary: int = VOCABULARY,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.seq_len, self.dim, self.feed_forward = seq_len, dim, feed_forward
        self.tokens = nn.Embedding(vocabulary, dim, dtype=dtype, device=device)
        self.positions = nn.Parameter(sinusoids(seq_len, dim).to(self.tokens.weight))  # (seq_len, dim)
        self.norm = nn.LayerNorm(dim, dtype=dtype, device=device)
        self.blocks = nn.ModuleList(
            EncoderBlock(attention(), dim, feed_forward, dtype=dtype, device=device) for _ in range(blocks)
        )

    def forward(self, tokens: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """Encode tokens.

        Args:
            tokens: integers (batch, seq_len).
            key_padding_mask: bool (batch, seq_len), True = real token; None means that all are real.

        Returns:
            (batch, seq_len, dim). Rows of padded positions are unspecified.

        Raises:
            UsageError: for tokens of another shape.
        """
        if tokens.ndim != 2 or tokens.shape[1] != self.seq_len:
            raise UsageError(f"expected tokens (batch, {self.seq_len}); got {tuple(tokens.shape)}")
        x: Tensor = self.norm(self.tokens(tokens) + self.positions)
        for block in self.blocks:
            x = block(x, key_padding_mask)
        return x

    def flops(self, batch: int = 1) -> int:
        """For each block, its attention and 4 b n d feed_forward. Embeddings are lookups; norms are not counted."""
        feed_forward = 4 * batch * self.seq_len * self.dim * self.feed_forward
        layers = [cast("AttentionLayer", cast("EncoderBlock", block).attention) for block in self.blocks]
        return sum(layer.flops(batch) + feed_forward for layer in layers)


def sinusoids(seq_len: int, dim: int) -> Tensor:
    """Return position embeddings (seq_len, dim) as in Vaswani et al. 2017, section 3.5: sines, then cosines."""
    frequencies = torch.exp(torch.arange(0, dim, 2, dtype=torch.float64, device="cpu") * (-math.log(10_000) / dim))
    angles = torch.arange(seq_len, dtype=torch.float64, device="cpu")[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :dim]
