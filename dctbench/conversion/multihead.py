"""`torch.nn.MultiheadAttention`, alone or inside `nn.TransformerEncoderLayer`."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from dctbench.conversion.sites import Call, MakeLayer, Site, copy_projections, substitute
from dctbench.errors import UnsupportedError

_NAMES = ("query", "key", "value", "key_padding_mask", "need_weights", "attn_mask", "average_attn_weights", "is_causal")


class MultiheadAdapter:
    """Replaces self-attention of `nn.MultiheadAttention`: without a mask among tokens, and not causal."""

    def sites(self, model: nn.Module) -> dict[str, Site]:
        """Return every `nn.MultiheadAttention` by its path."""
        found = {}
        for path, module in model.named_modules():
            if isinstance(module, nn.MultiheadAttention):
                site = Site(path, module.embed_dim, module.num_heads)
                if not module._qkv_same_embed_dim:
                    site.refuse("keys or values have a width of their own")
                if module.bias_k is not None or module.add_zero_attn:
                    site.refuse("it adds a key of its own (add_bias_kv or add_zero_attn)")
                found[path] = site
        return found

    def look(self, site: Site, module: nn.Module, call: Call) -> None:
        """Learn the length; refuse cross-attention, masks among tokens, and causal attention."""
        given = dict(zip(_NAMES, call.arguments, strict=False)) | dict(call.keywords)
        query, key, value = (given.get(name) for name in ("query", "key", "value"))
        if not (isinstance(query, Tensor) and isinstance(key, Tensor) and isinstance(value, Tensor)):
            site.refuse("it is called without a query, key and value, unlike nn.MultiheadAttention")
            return
        assert isinstance(module, nn.MultiheadAttention)
        site.length = query.shape[1 if module.batch_first and query.ndim == 3 else 0]
        if query.ndim != 3:
            site.refuse("its input has no batch")
        if key is not query or value is not query:
            site.refuse(_why_apart(query, key, value))
        if given.get("is_causal"):
            site.refuse("it is causal")
        elif given.get("attn_mask") is not None:
            site.refuse("it has a mask among tokens (attn_mask), which may be causal")

    def replace(self, model: nn.Module, site: Site, call: Call, make: MakeLayer) -> nn.Module:
        """Put a `ReplacedMultihead` in the place of the module."""
        original = cast("nn.MultiheadAttention", model.get_submodule(site.name))
        layer = make(site)
        weights = {"out_proj.weight": original.out_proj.weight}
        if original.out_proj.bias is not None:
            weights["out_proj.bias"] = original.out_proj.bias
        for index, name in enumerate(("q_proj", "k_proj", "v_proj")):
            weights[f"{name}.weight"] = original.in_proj_weight.chunk(3)[index]
            if original.in_proj_bias is not None:
                weights[f"{name}.bias"] = original.in_proj_bias.chunk(3)[index]
        copy_projections(layer, weights)
        return substitute(model, site.name, ReplacedMultihead(layer, original))


def _why_apart(query: Tensor, key: Tensor, value: Tensor) -> str:
    """Return why an attention whose query, key and value are not one tensor cannot be replaced."""
    alike = key.shape == value.shape == query.shape
    if alike and (key is query or torch.equal(key, query) or torch.equal(value, query)):
        return "its query, key and value are not one tensor: positions are added, or a tensor was computed twice"
    if alike and not torch.equal(key, value):
        return (
            "its query, key and value are three tensors: positions are added to query and key separately, or it is "
            "cross-attention"
        )
    return "it is cross-attention: its keys come from another sequence"


class ReplacedMultihead(nn.Module):
    """A layer with the call of `nn.MultiheadAttention`.

    Args:
        layer: with `forward(x, key_padding_mask)`, True = real token.
        original: the module in whose place it stands.
    """

    _qkv_same_embed_dim = False  # nn.TransformerEncoderLayer asks; its fast path needs the fused weights
    in_proj_bias = None
    in_proj_weight = None

    def __init__(self, layer: nn.Module, original: nn.MultiheadAttention) -> None:
        super().__init__()
        self.layer = layer
        self.batch_first = original.batch_first
        self.num_heads = original.num_heads
        self.embed_dim = original.embed_dim

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """Self-attention of `query`, (batch, length, dim) or (length, batch, dim) as in the original.

        Args:
            key_padding_mask: (batch, length), True (or -inf) = padding, as torch has it.

        Raises:
            UnsupportedError: for cross-attention, or a mask among tokens.
        """
        if key is not query or value is not query or attn_mask is not None or is_causal:
            raise UnsupportedError("the model calls this attention in two ways, and one of them cannot be replaced")
        x = query if self.batch_first else query.transpose(0, 1)
        real = None
        if key_padding_mask is not None:
            padded = key_padding_mask if key_padding_mask.dtype == torch.bool else key_padding_mask != 0
            real = ~padded
        out: Tensor = self.layer(x, real)
        return out if self.batch_first else out.transpose(0, 1), None
