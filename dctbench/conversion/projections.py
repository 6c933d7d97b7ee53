"""Attention modules with linear projections for queries, keys, values and outputs, found by the names they have.

A module is found if it has the projections of one of the `LAYOUTS`, and says how many heads it has. Its first argument
is the input (batch, length, dim); a mask may be called `attention_mask` or `key_padding_mask`. Whether this is all that
it does is not taken on trust: exact attention in its place must reproduce the outputs of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from dctbench.conversion.sites import (
    Call,
    MakeLayer,
    MaskedReplacement,
    Site,
    copy_projections,
    is_padding,
    linear_weights,
    parent_of,
    substitute,
)

HEADS = ("heads", "num_heads", "num_attention_heads", "n_heads")
MASKS = ("attention_mask", "key_padding_mask")
_INPUTS = ("hidden_states", "x", "input", "inputs", "query")


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of the projections of an attention module.

    `inward` names three projections, or one with all three in it. `out` is the path of the output projection: inside
    the module or, with a leading dot, inside the module that holds it.
    """

    inward: tuple[str, ...]
    out: str


LAYOUTS = (
    Layout(("q_proj", "k_proj", "v_proj"), "out_proj"),  # this project's layers, CLIP, BART, wav2vec 2.0
    Layout(("q_proj", "k_proj", "v_proj"), "o_proj"),
    Layout(("query", "key", "value"), ".output.dense"),  # BERT, RoBERTa, ELECTRA, ViT
    Layout(("q_lin", "k_lin", "v_lin"), "out_lin"),  # DistilBERT
    Layout(("to_q", "to_k", "to_v"), "to_out"),
    Layout(("qkv",), "proj"),  # timm
)


class ProjectionAdapter:
    """Replaces modules with the projections of a `Layout`."""

    def sites(self, model: nn.Module) -> dict[str, Site]:
        """Return the attention modules by their path."""
        found: dict[str, Site] = {}
        for path, module in model.named_modules():
            layout = _layout(model, path, module)
            if layout is None or any(path.startswith(f"{other}.") for other in found):
                continue
            heads = next((n for name in HEADS if isinstance(n := getattr(module, name, None), int)), None)
            linears = _linears(model, path, module, layout)
            dim = linears["out_proj"].out_features
            site = Site(path, dim, heads or 1)
            if layout.out.startswith("."):
                site.outside = (f"{path.rpartition('.')[0]}{layout.out}".removeprefix("."),)
            if heads is None:
                site.refuse(f"it does not say how many heads it has ({', '.join(HEADS)})")
            widths = {(part.in_features, part.out_features) for part in _inward(module, layout)}
            if widths != {(dim, dim * 3 // len(layout.inward))} or linears["out_proj"].in_features != dim:
                site.refuse("its projections are not all square: grouped queries, or heads of another width")
            found[path] = site
        return found

    def look(self, site: Site, module: nn.Module, call: Call) -> None:
        """Learn the length and the mask; refuse cross-attention, causal masks and positions added to the scores."""
        x = _input(call)
        if x is None or x.ndim != 3 or x.shape[2] != site.dim:
            site.refuse("its input is not (batch, length, width)")
            return
        site.length = x.shape[1]
        if getattr(module, "is_causal", False):
            site.refuse("it is causal")
        for name, value in call.keywords.items():
            if name in MASKS and isinstance(value, Tensor):
                call.mask = value
            elif name not in _INPUTS and _holds_tensor(value):
                site.refuse(f"it is called with {name}, which a replacement cannot take")
        others = [value for value in call.arguments[1:] if isinstance(value, Tensor) and value is not x]
        if others and call.mask is None and "attention_mask" not in call.keywords:
            call.mask = others.pop(0)
        if others:
            site.refuse("it is called with another tensor beside its input: cross-attention, or positions")
        if call.mask is not None and not is_padding(call.mask):
            site.refuse("its mask differs from query to query: it is causal, or local")

    def replace(self, model: nn.Module, site: Site, call: Call, make: MakeLayer) -> nn.Module:
        """Put a `ReplacedModule` in the place of the module. An output projection outside it moves inside."""
        module = model.get_submodule(site.name)
        layout = _layout(model, site.name, module)
        assert layout is not None
        layer = make(site)
        copy_projections(layer, linear_weights(_linears(model, site.name, module, layout)))
        if layout.out.startswith("."):
            holder, last = parent_of(parent_of(model, site.name)[0], layout.out[1:])
            setattr(holder, last, nn.Identity())
        return substitute(model, site.name, ReplacedModule(layer, call.output))


def projection_weights(model: nn.Module, path: str) -> dict[str, Tensor]:
    """Return the weights of the attention module at `path`, which is a site of `ProjectionAdapter`.

    Returns:
        `q_proj.weight`, `q_proj.bias`, ... for the four projections, (dim, dim) and (dim,).
    """
    module = model.get_submodule(path)
    layout = _layout(model, path, module)
    assert layout is not None
    return linear_weights(_linears(model, path, module, layout))


class ReplacedModule(MaskedReplacement):
    """A layer with the call of the module in whose place it stands.

    Args:
        layer: with `forward(x, key_padding_mask)`, True = real token.
        returned: what the original returned: a tensor, or a tuple that begins with it.
    """

    def __init__(self, layer: nn.Module, returned: object) -> None:
        super().__init__()
        self.layer = layer
        self.more = len(returned) - 1 if isinstance(returned, tuple) else None

    def forward(self, *arguments: object, **keywords: object) -> Tensor | tuple[Tensor | None, ...]:
        """The first tensor (batch, length, dim) -> the same shape; other outputs of the original are None.

        Raises:
            UnsupportedError: as in `MaskedReplacement.real`.
        """
        x = _input(Call(arguments, keywords))
        assert x is not None
        mask = next((value for name in MASKS if isinstance(value := keywords.get(name), Tensor)), None)
        if mask is None:
            mask = next((value for value in arguments[1:] if isinstance(value, Tensor) and value is not x), None)
        out: Tensor = self.layer(x, self.real(mask))
        return out if self.more is None else (out, *[None] * self.more)


def _input(call: Call) -> Tensor | None:
    named = [call.keywords[name] for name in _INPUTS if name in call.keywords]
    return next((value for value in (*call.arguments[:1], *named) if isinstance(value, Tensor)), None)


def _holds_tensor(value: object) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, tuple | list) and any(map(_holds_tensor, value)))


def _layout(model: nn.Module, path: str, module: nn.Module) -> Layout | None:
    for layout in LAYOUTS:
        if all(isinstance(getattr(module, name, None), nn.Linear) for name in layout.inward):
            out = _out(model, path, module, layout)
            if isinstance(out, nn.Linear):
                return layout
    return None


def _out(model: nn.Module, path: str, module: nn.Module, layout: Layout) -> nn.Module | None:
    start = parent_of(model, path)[0] if layout.out.startswith(".") else module
    try:
        found = start.get_submodule(layout.out.removeprefix("."))
    except AttributeError:
        return None
    return found[0] if isinstance(found, nn.Sequential) and len(found) else found  # to_out may hold a dropout as well


def _inward(module: nn.Module, layout: Layout) -> Iterator[nn.Linear]:
    return (cast("nn.Linear", getattr(module, name)) for name in layout.inward)


def _linears(model: nn.Module, path: str, module: nn.Module, layout: Layout) -> dict[str, nn.Linear]:
    """Return the projections by the names of this project's layers; a fused one is split."""
    inward = list(_inward(module, layout))
    if len(inward) == 1:
        inward = _split(inward[0])
    out = cast("nn.Linear", _out(model, path, module, layout))
    return dict(zip(("q_proj", "k_proj", "v_proj", "out_proj"), (*inward, out), strict=True))


def _split(fused: nn.Linear) -> list[nn.Linear]:
    """Return three projections that share the memory of a fused one."""
    parts = []
    for index in range(3):
        part = nn.Linear(fused.in_features, fused.out_features // 3, bias=fused.bias is not None, device="meta")
        part.weight = nn.Parameter(fused.weight.detach().chunk(3)[index], requires_grad=False)
        if fused.bias is not None:
            part.bias = nn.Parameter(fused.bias.detach().chunk(3)[index], requires_grad=False)
        parts.append(part)
    return parts
