"""Models of the package transformers, through its `AttentionInterface`: the function that their attentions call.

A method with a q, k, v form takes the place of that function, so that the model's own projections stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from dctbench.attention.layer import AttentionLayer
from dctbench.attention.scopes import AttentionScope
from dctbench.conversion.sites import MaskedReplacement, Site, is_padding
from dctbench.conversion.subject import arguments_by_name

NAME, WATCHED = "dctbench", "dctbench_watched"
"""The attention implementations that converted models are set to, and a model while its attention is looked at."""
_LAYER = "dctbench_attention"
_OTHER_SEQUENCE = ("key_value_states", "encoder_hidden_states")
"""The parameters by which attentions of transformers get the sequence that their keys come from, if not the input."""


def is_pretrained(model: nn.Module) -> bool:
    """Return whether this is a model of transformers, without importing that package for a model that is not."""
    return any(base.__module__ == "transformers.modeling_utils" for base in type(model).__mro__)


@contextmanager
def watching(model: Any) -> Iterator[dict[str, Site]]:
    """Within the context, exact attention runs and every call is looked at; yields the attentions by their path."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    found: dict[str, Site] = {}
    crossing: set[nn.Module] = set()
    paths = {module: path for path, module in model.named_modules()}

    def look(module: nn.Module, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, **more: Any) -> Any:
        found[paths[module]] = _site(paths[module], module, q, k, mask, more, crosses=module in crossing)
        return sdpa_attention_forward(module, q, k, v, mask, **more)

    def note(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        given = arguments_by_name((arguments, keywords), module)
        if any(isinstance(given.get(name), Tensor) for name in _OTHER_SEQUENCE):
            crossing.add(module)

    _register(WATCHED, look)
    before = model.config._attn_implementation
    model.set_attn_implementation(WATCHED)
    try:
        with ExitStack() as stack:
            for module in paths:
                stack.callback(module.register_forward_pre_hook(note, with_kwargs=True).remove)
            yield found
    finally:
        model.set_attn_implementation(before)


def replace_inside(model: Any, layers: Mapping[str, nn.Module]) -> None:
    """Let the attentions at some paths call a layer between their projections, and leave the others exact.

    Args:
        model: of transformers.
        layers: with a q, k, v form, by path.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    def attend(module: nn.Module, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, **more: Any) -> Any:
        layer = getattr(module, _LAYER, None)
        if layer is None:
            return sdpa_attention_forward(module, q, k, v, mask, **more)
        out = layer(q, k, v, mask)
        return out.transpose(1, 2), None  # (batch, length, heads, head_dim), as transformers wants it

    for path, layer in layers.items():
        assert isinstance(layer, AttentionLayer)
        model.get_submodule(path).add_module(_LAYER, ReplacedFunction(layer))
    _register(NAME, attend)
    model.set_attn_implementation(NAME)


class ReplacedFunction(AttentionScope, MaskedReplacement):
    """A layer in the place of the function between the projections."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """q, k, v (batch, heads, length, head_dim), a mask as in `real_tokens` -> as q.

        Raises:
            UnsupportedError: as in `MaskedReplacement.real`.
        """
        return super().forward(q, k, v, self.real(mask))


def _site(
    path: str, module: nn.Module, q: Tensor, k: Tensor, mask: Tensor | None, more: dict[str, Any], *, crosses: bool
) -> Site:
    site = Site(path, q.shape[1] * q.shape[3], q.shape[1], length=q.shape[2])
    if k.shape[1] != q.shape[1]:
        site.refuse(f"it has grouped queries: {q.shape[1]} heads of queries, {k.shape[1]} of keys")
    if crosses or k.shape[2] != q.shape[2]:
        site.refuse("it is cross-attention: its keys come from another sequence")
    causal = more.get("is_causal")
    if causal or (causal is None and getattr(module, "is_causal", False) and q.shape[2] > 1):
        site.refuse("it is causal")
    if mask is not None and not is_padding(mask):
        site.refuse("its mask differs from query to query: it is causal, or local")
    scaling = more.get("scaling")
    if scaling is not None and abs(scaling * q.shape[3] ** 0.5 - 1) > 1e-6:
        site.refuse(f"it scales its scores by {scaling:g} and not by 1 / sqrt(head_dim)")
    for name in ("position_bias", "relative_position_bias", "sliding_window", "softcap", "s_aux"):
        if more.get(name) is not None:
            site.refuse(f"it has {name}, which a replacement cannot take")
    return site


def rotary(model: nn.Module) -> bool:
    """Return whether the model turns queries and keys by their position (RoPE)."""
    return any("rotary" in type(module).__name__.lower() for module in model.modules())


def _register(name: str, function: Any) -> None:
    """Register the function under a name, with the masks that exact attention by torch gets."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(name, function)
    AttentionMaskInterface.register(name, sdpa_mask)
