"""Sliding-window attention: a token sees only its neighbours. Beltagy et al. 2020 (arXiv 2004.05150), section 3."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from dctbench.attention.layer import AttentionLayer
from dctbench.errors import UsageError


class WindowAttention(AttentionLayer):
    """Softmax attention of position i over the positions j with |i - j| <= half_width; linear in the length.

    Blocks of `half_width` queries attend to the 3 half_width keys that any of them may see, so every product is dense.
    The mask of these blocks is stored once for all heads. FlexAttention is not used, since it must be compiled and
    some devices lack it.

    Not causal. Padded keys get no weight, so padding never changes a real token.
    """

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        half_width: int = 128,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(seq_len=seq_len, dim=dim, heads=heads, dtype=dtype, device=device)
        if half_width < 0:
            raise UsageError(f"window: half_width must not be negative; got {half_width}")
        self.half_width = min(half_width, seq_len - 1)  # a wider window reaches beyond both ends
        self.block = max(self.half_width, 1)
        self.blocks = -(-seq_len // self.block)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) -> the same shape."""
        batch, _, seq_len, _ = q.shape
        real = q.new_ones(batch, seq_len, dtype=torch.bool) if key_padding_mask is None else key_padding_mask
        attended = scaled_dot_product_attention(
            self.queries(q), self.keys(k), self.keys(v), attn_mask=self.visible(real)
        )  # (batch * blocks, heads, block, head_dim)
        joined: Tensor = attended.transpose(1, 2).unflatten(0, (batch, self.blocks)).flatten(1, 2)
        return joined[:, :seq_len].transpose(1, 2)

    def queries(self, q: Tensor) -> Tensor:
        """(batch, heads, seq_len, head_dim) -> (batch * blocks, heads, block, head_dim)."""
        q = pad(q.transpose(1, 2), (0, 0, 0, 0, 0, self.blocks * self.block - self.seq_len))
        blocks: Tensor = q.unflatten(1, (self.blocks, self.block)).flatten(0, 1).transpose(1, 2)
        return blocks

    def keys(self, k: Tensor) -> Tensor:
        """(batch, heads, seq_len, head_dim) -> (batch * blocks, heads, block + 2 half_width, head_dim)."""
        k = self.stretches(pad(k.transpose(1, 2), (0, 0, 0, 0, *self.margins())))
        return k.permute(0, 1, 2, 4, 3).flatten(0, 1)

    def visible(self, real: Tensor) -> Tensor:
        """Return the mask of near, real keys, bool (batch * blocks, 1, block, block + 2 half_width)."""
        query = torch.arange(self.block, device=real.device)[:, None] + self.half_width
        key = torch.arange(self.block + 2 * self.half_width, device=real.device)
        near = (query - key).abs() <= self.half_width
        present = self.stretches(pad(real, self.margins())).flatten(0, 1)[:, None, None]
        return near & present  # only padded rows have no key; torch returns zeros for them

    def margins(self) -> tuple[int, int]:
        """The numbers of positions to add before and after the sequence, for the keys of the first and last blocks."""
        return self.half_width, self.half_width + self.blocks * self.block - self.seq_len

    def stretches(self, x: Tensor) -> Tensor:
        """(batch, padded length, ...) -> (batch, blocks, ..., block + 2 half_width), overlapping views."""
        return x.unfold(1, self.block + 2 * self.half_width, self.block)

    def attend_flops(self, batch: int = 1) -> int:
        """4 b N (block + 2 half_width) d, where N is the length rounded up to whole blocks.

        The method itself needs 4 b n (2 half_width + 1) d, two thirds of that; the rest is masked.
        """
        return 4 * batch * self.blocks * self.block * (self.block + 2 * self.half_width) * self.dim
