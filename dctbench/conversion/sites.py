"""The attentions of a model: where they are, what shape they have, and why some of them cannot be replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

MakeLayer = Callable[["Site"], nn.Module]
"""Returns a new layer of a method for the shape of a site, without the weights of the site."""


@dataclass(slots=True)
class Site:
    """One attention of a model.

    `name` is its path, which is empty for a model that is itself an attention.
    `length` is the number of tokens that it saw when the model was run once, None if it was not called. `refusal` says
    why it cannot be replaced; None if it can. `outside` are the paths of modules that belong to it and stand beside it.
    """

    name: str
    dim: int
    heads: int
    length: int | None = None
    refusal: str | None = None
    outside: tuple[str, ...] = ()

    def refuse(self, reason: str) -> None:
        """Record why it cannot be replaced; the first reason stays."""
        if self.refusal is None:
            self.refusal = reason


@dataclass(slots=True)
class Call:
    """How an attention was called: its input, its mask if it had one, and what kind of value it returned."""

    arguments: tuple[object, ...]
    keywords: Mapping[str, object]
    output: object = None
    mask: Tensor | None = field(default=None)


class Adapter(Protocol):
    """One way of writing attention down in a model."""

    def sites(self, model: nn.Module) -> dict[str, Site]:
        """Return the attentions of this kind by the path of their module."""

    def look(self, site: Site, module: nn.Module, call: Call) -> None:
        """Learn from a call how long the sequence is, and refuse what the adapter cannot pass on."""

    def replace(self, model: nn.Module, site: Site, call: Call, make: MakeLayer) -> nn.Module:
        """Put a layer with the weights of the site in its place, and return the model: a new one if it was the site."""


def same_rows(mask: Tensor) -> bool:
    """Return whether every query of a mask (..., queries, keys) sees the same keys: padding, and nothing else."""
    return bool((mask == mask[..., :1, :]).all())


def real_tokens(mask: Tensor) -> Tensor:
    """Return a mask of any convention of transformers as bool (batch, length), True = real token.

    Args:
        mask: (batch, length) or (batch, 1 or heads, 1 or queries, length); bool or integers with True = real, or
            floats that are added to the scores, 0 = real.
    """
    rows = mask if mask.ndim == 2 else mask[:, 0, 0, :]
    return rows == 0 if rows.is_floating_point() and mask.ndim == 4 else rows.to(torch.bool)


def copy_projections(layer: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy the weights of a site into the projections that a layer has.

    Args:
        layer: with some of `q_proj`, `k_proj`, `v_proj`, `out_proj`.
        weights: `q_proj.weight`, `q_proj.bias`, ... (dim, dim) and (dim,); a bias may be missing, and is then zero.
    """
    with torch.no_grad():
        for name, own in layer.named_parameters():
            if not name.startswith(("q_proj.", "k_proj.", "v_proj.", "out_proj.")):
                continue
            if name in weights and own.shape == weights[name].shape:
                own.copy_(weights[name])
            elif name.endswith(".bias") and name not in weights:
                own.zero_()


def takes_weights(layer: nn.Module, dim: int) -> bool:
    """Return whether a layer has no weights, or takes those of a site: it has at least `v_proj` and `out_proj`."""
    own = dict(layer.named_parameters())
    needed = (own.get(f"{name}.weight") for name in ("v_proj", "out_proj"))
    return not own or all(weight is not None and weight.shape == (dim, dim) for weight in needed)


def parent_of(model: nn.Module, path: str) -> tuple[nn.Module, str]:
    """Return the module that holds the one at `path`, and its name there."""
    parent, _, name = path.rpartition(".")
    return model.get_submodule(parent), name


def substitute(model: nn.Module, path: str, replacement: nn.Module) -> nn.Module:
    """Put a module in the place of the one at `path`, and wherever else the model holds that one.

    Returns:
        The model, which is the replacement itself if `path` is empty.
    """
    original = model.get_submodule(path)
    if original is model:
        return replacement
    for holder in list(model.modules()):
        for name, child in list(holder._modules.items()):
            if child is original:
                setattr(holder, name, replacement)
    return model


def linear_weights(named: Mapping[str, nn.Linear]) -> dict[str, Tensor]:
    """Return the weights and biases of linear projections by `q_proj.weight` and so on."""
    found: dict[str, Tensor] = {}
    for name, linear in named.items():
        found[f"{name}.weight"] = linear.weight
        if linear.bias is not None:
            found[f"{name}.bias"] = linear.bias
    return found


def tensors(values: Sequence[object]) -> list[Tensor]:
    """Return the tensors among some values."""
    return [value for value in values if isinstance(value, Tensor)]
