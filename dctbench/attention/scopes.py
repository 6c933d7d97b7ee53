"""A method at three scopes: the attention itself, the layer around it, and an encoder of such layers.

Workers call `build_scope` with the `scope` of a case.
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
    """The q, k, v form of a method, without projections.

    Args:
        layer: the method's layer. Its four projections are removed; its other parameters and buffers remain.
    """

    def __init__(self, layer: AttentionLayer) -> None:
        super().__init__()
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(layer, projection, None)
        self.layer = layer

    def forward(self, q: Tensor, k: Tensor, v: Tensor, key_padding_mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, seq_len, head_dim), bool mask (batch, seq_len) with True = real token -> as q."""
        return self.layer.attend(q, k, v, key_padding_mask)

    def flops(self, batch: int = 1) -> int:
        """FLOPs of one call, by the method's formula (multiply-add = 2)."""
        return self.layer.attend_flops(batch)


def build_scope(
    scope: str,
    name: str,
    *,
    seq_len: int,
    dim: int,
    heads: int,
    ratio: float | None = None,
    kept: int | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    **options: object,
) -> nn.Module:
    """Return the implementation `name` at a scope. The other arguments are those of `dctbench.attention.build`.

    Returns:
        "attention": a module with `forward(q, k, v, key_padding_mask=None)`, heads split, (batch, heads, seq_len,
        head_dim); "layer": the layer, with `forward(x, key_padding_mask=None)`; "encoder": a module with
        `forward(tokens, key_padding_mask=None)`. Modules of the catalog have `flops(batch=1)`.

    Raises:
        UsageError: (a ValueError) for an unknown scope or name, and for sizes or options that the method rejects.
        UnsupportedError: for a method without that scope.
        UnavailableError: for a torch kernel that does not run on this machine.
    """
    if scope not in SCOPES:
        raise UsageError(f"unknown scope {scope!r}", hint=f"known: {', '.join(SCOPES)}")
    has = catalog.implementation(name).scopes
    if scope not in has:
        raise UnsupportedError(f"{name} has no scope {scope!r}, only {' and '.join(has)}")

    def layer() -> nn.Module:
        return build(
            name,
            seq_len=seq_len,
            dim=dim,
            heads=heads,
            ratio=ratio,
            kept=kept,
            dtype=dtype,
            device=device,
            **options,
        )

    if scope == "encoder":
        return Encoder(layer, seq_len=seq_len, dim=dim, dtype=dtype, device=device)
    made = layer()
    if scope == "attention":
        assert isinstance(made, AttentionLayer)
        return AttentionScope(made)
    return made
