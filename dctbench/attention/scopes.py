"""One method at three sizes: the attention itself, the layer around it, the encoder around that.

`build_scope` is the entry for whoever measures; a case's `scope` says which of the three it means.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dctbench import catalog
from dctbench.attention import build
from dctbench.attention.encoder import Encoder
from dctbench.attention.layer import AttentionLayer
from dctbench.errors import UnsupportedError, UsageError

SCOPES = ("attention", "layer", "encoder")


class AttentionScope(nn.Module):
    """A method's q, k, v form alone: no projections are held or made.

    Args:
        layer: its four projections are dropped, so that only the method's own parameters and buffers remain.
    """

    def __init__(self, layer: AttentionLayer) -> None:
        super().__init__()
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(layer, projection, None)
        self.layer = layer

    def forward(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim) and a bool mask (batch, seq_len), True = real token -> as q."""
        return self.layer.attend(q, k, v, key_padding_mask)

    def flops(self, batch: int = 1) -> int:
        """FLOPs of one call from the method's formula (multiply-add = 2)."""
        return self.layer.attend_flops(batch)


def build_scope(
    scope: str,
    name: str,
    *,
    seq_len: int,
    dim: int,
    heads: int,
    ratio: float | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    **options: object,
) -> nn.Module:
    """The implementation `name` at a scope; the other arguments are those of `dctbench.attention.build`.

    Returns:
        "attention": a module with `forward(q, k, v, key_padding_mask=None)`, heads split, (batch, heads, seq_len,
        head_dim); "layer": the layer, with `forward(x, key_padding_mask=None)`; "encoder": a module with
        `forward(tokens, key_padding_mask=None)`. Those of the catalog have `flops(batch=1)`.

    Raises:
        UsageError: (a ValueError) for an unknown scope or name, and for sizes or options the method refuses.
        UnsupportedError: for a method without that scope.
        UnavailableError: for a kernel that does not run here.
    """
    if scope not in SCOPES:
        raise UsageError(f"unknown scope {scope!r}", hint=f"known: {', '.join(SCOPES)}")
    has = catalog.implementation(name).scopes
    if scope not in has:
        raise UnsupportedError(f"{name} has no scope {scope!r}, only {' and '.join(has)}")

    def layer() -> nn.Module:
        return build(name, seq_len=seq_len, dim=dim, heads=heads, ratio=ratio, dtype=dtype, device=device, **options)

    if scope == "encoder":
        return Encoder(layer, seq_len=seq_len, dim=dim, dtype=dtype, device=device)
    made = layer()
    if scope == "attention":
        assert isinstance(made, AttentionLayer)
        return AttentionScope(made)
    return made
