"""The base class of attention layers: four projections, heads, the padding mask, and a cost formula.

A method that mixes positions as softmax attention does (q, k, v -> out at full length) defines only `attend`. One
that works on a shorter sequence or in another domain (the DCT family, FNet) overrides `forward`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from dctbench.errors import UnsupportedError, UsageError
from dctbench.model import kept_coefficients


class AttentionLayer(nn.Module):
    """Multi-head self-attention with `q_proj`, `k_proj`, `v_proj`, `out_proj`, each `nn.Linear(dim, dim)` with bias.

    Args:
        seq_len: length n; inputs must have it.
        dim: model width d.
        heads: number of heads h; must divide `dim`.
        dtype: of parameters and inputs; torch's default when None.
        device: where parameters live; "meta" builds the layer without memory, to count FLOPs.

    Raises:
        UsageError: (a ValueError) for invalid sizes.
    """

    padding_leak: str = ""
    """How the *padded length* changes the output at real tokens; empty if it never does."""

    padded_content_leak: str = ""
    """How the *content of padded positions* changes the output at real tokens; empty if it never does."""

    attention_methods: ClassVar[tuple[str, ...]] = ("attend", "attend_among")
    """The methods that do the work on queries, keys and values, for the split of a call's time."""

    def __init__(
        self,
        *,
        seq_len: int,
        dim: int,
        heads: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if seq_len < 1 or dim < 1 or heads < 1:
            raise UsageError(f"seq_len, dim and heads must be at least 1; got {seq_len}, {dim} and {heads}")
        if dim % heads:
            raise UsageError(f"heads must divide dim; {heads} does not divide {dim}")
        self.seq_len = seq_len
        self.dim = dim
        self.heads = heads
        self.head_dim = dim // heads
        self.q_proj = nn.Linear(dim, dim, dtype=dtype, device=device)
        self.k_proj = nn.Linear(dim, dim, dtype=dtype, device=device)
        self.v_proj = nn.Linear(dim, dim, dtype=dtype, device=device)
        self.out_proj = nn.Linear(dim, dim, dtype=dtype, device=device)

    def forward(self, x: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """Apply self-attention.

        Args:
            x: (batch, seq_len, dim).
            key_padding_mask: bool (batch, seq_len), True = real token; None means that all are real.

        Returns:
            (batch, seq_len, dim). Rows of padded positions are unspecified.

        Raises:
            UsageError: for an input or mask of another shape or type.
        """
        self.check(x, key_padding_mask)
        q = self.split_heads(self.q_proj(x))  # (batch, heads, seq_len, head_dim)
        k = self.split_heads(self.k_proj(x))
        v = self.split_heads(self.v_proj(x))
        out: Tensor = self.out_proj(self.join_heads(self.attend(q, k, v, key_padding_mask)))
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """Apply the method without projections (scope `attention`): q, k, v (batch, heads, seq_len, head_dim) -> as q.

        Raises:
            UnsupportedError: for a method that does not work on projected heads.
        """
        raise UnsupportedError(f"{type(self).__name__} has no q, k, v form: it needs the layer's input")

    def attend_among(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Softmax attention in each head.

        Args:
            q: (batch, rows, dim).
            k, v: (batch, keys, dim).
            mask: bool (batch, keys), True = visible; None means that all are.

        Returns:
            (batch, rows, dim).
        """
        visible = None if mask is None else mask[:, None, None, :]
        q, k, v = self.split_heads(q), self.split_heads(k), self.split_heads(v)
        return self.join_heads(scaled_dot_product_attention(q, k, v, attn_mask=visible))

    def flops(self, batch: int = 1) -> int:
        """FLOPs of one forward call without a mask, projections included, by formula (multiply-add = 2)."""
        return self.projection_flops(batch) + self.attend_flops(batch)

    def attend_flops(self, batch: int = 1) -> int:
        """FLOPs of `attend` alone, by formula.

        Raises:
            UnsupportedError: for a method that does not work on projected heads.
        """
        raise UnsupportedError(f"{type(self).__name__} has no q, k, v form to count")

    def projection_flops(self, batch: int = 1) -> int:
        """Four (dim x dim) projections at full length: 8 b n d^2."""
        return 8 * batch * self.seq_len * self.dim**2

    def split_heads(self, x: Tensor) -> Tensor:
        """(batch, length, dim) -> (batch, heads, length, head_dim), a view."""
        heads: Tensor = x.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)
        return heads

    def join_heads(self, x: Tensor) -> Tensor:
        """(batch, heads, length, head_dim) -> (batch, length, dim)."""
        return x.transpose(1, 2).flatten(2)

    def check(self, x: Tensor, key_padding_mask: Tensor | None) -> None:
        """Reject an input that the layer was not built for, which could otherwise be broadcast silently.

        Raises:
            UsageError: for an input or mask of another shape or type.
        """
        if x.ndim != 3 or x.shape[1] != self.seq_len or x.shape[2] != self.dim:
            raise UsageError(f"expected an input (batch, {self.seq_len}, {self.dim}); got {tuple(x.shape)}")
        if key_padding_mask is None:
            return
        if key_padding_mask.dtype != torch.bool or key_padding_mask.shape != x.shape[:2]:
            raise UsageError(
                f"expected a bool key_padding_mask {tuple(x.shape[:2])}, True = real token; "
                f"got {key_padding_mask.dtype} {tuple(key_padding_mask.shape)}"
            )

    def extra_repr(self) -> str:
        """The arguments that `print(layer)` shows."""
        return f"seq_len={self.seq_len}, dim={self.dim}, heads={self.heads}"


def checked_n_kept(name: str, seq_len: int, ratio: float | None, kept: int | None) -> int:
    """Return n_kept for the method `name`: n / ratio, or `kept`, of which at most n can be kept.

    Raises:
        UsageError: when not exactly one of the two is given, and when it is not a number of at least 1.
    """
    if ratio is None and kept is None:
        raise UsageError(f"{name} needs a ratio, n / n_kept, or a number kept")
    if ratio is not None and kept is not None:
        raise UsageError(f"{name}: both ratio={ratio} and kept={kept} were given; it takes one of them")
    if kept is not None:
        if kept < 1:
            raise UsageError(f"{name}: kept must be at least 1; got {kept}")
        return min(kept, seq_len)
    assert ratio is not None
    if not ratio >= 1 or ratio == float("inf"):
        raise UsageError(f"{name}: ratio must be a number of at least 1 (n / n_kept); got {ratio}")
    return kept_coefficients(seq_len, ratio)
