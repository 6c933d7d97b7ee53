"""The attentions of a model: where they are, what shape they have, and why some of them cannot be replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from dctbench.errors import UnsupportedError

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")
"""The weights that a site gives to a layer, by the names of this project's layers."""
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


class MaskedReplacement(nn.Module):
    """What takes the place of an attention that gets a mask of transformers."""

    checks_masks = False
    """Whether `real` looks at every row of a mask. That takes time, and a model is timed with the inputs of `find`."""

    def real(self, mask: Tensor | None) -> Tensor | None:
        """Return a mask as in `real_tokens`; None for none.

        Raises:
            UnsupportedError: within `masks_checked`, for a mask that is more than padding.
        """
        if mask is None:
            return None
        if self.checks_masks and not is_padding(mask):
            raise UnsupportedError(
                "the model was called with a mask that differs from query to query, and its attention was replaced by "
                "one that knows only padding"
            )
        return real_tokens(mask)


@contextmanager
def masks_checked(model: nn.Module) -> Iterator[None]:
    """Within the context, a replaced attention refuses a mask that is more than padding, instead of misreading it."""
    parts = [module for module in model.modules() if isinstance(module, MaskedReplacement)]
    for part in parts:
        part.checks_masks = True
    try:
        yield
    finally:
        for part in parts:
            part.checks_masks = False


def is_padding(mask: Tensor) -> bool:
    """Return whether a mask as in `real_tokens` shows every query the same keys: padding, and nothing else."""
    return mask.ndim == 2 or (mask.ndim == 4 and bool((mask == mask[:, :1, :1]).all()))


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
            if name.partition(".")[0] not in PROJECTIONS:
                continue
            if name in weights and own.shape == weights[name].shape:
                own.copy_(weights[name])
            elif name.endswith(".bias") and name not in weights:
                own.zero_()


def drawn_weights(layer: nn.Module, make: Callable[[], nn.Module], dim: int) -> tuple[str, ...]:
    """Return the names of the learned weights of a layer that are drawn at random and that no site replaces.

    What is drawn and not learned, such as random features in a buffer, belongs to the method, and so does a constant.

    Args:
        layer: as it was made, before it gets the weights of a site.
        make: makes it once more. A weight that differs between the two is drawn.
        dim: width of the site, which gives the weights (dim, dim) and biases (dim,) of the four projections.
    """
    given = {f"{name}.weight": (dim, dim) for name in PROJECTIONS} | {f"{name}.bias": (dim,) for name in PROJECTIONS}
    own = {
        name: value
        for name, value in layer.named_parameters()
        if value.requires_grad and given.get(name) != value.shape
    }
    if not own:
        return ()
    again = dict(make().named_parameters())
    return tuple(name for name, value in own.items() if not torch.equal(value, again[name]))


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
