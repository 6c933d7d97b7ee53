"""The attention layers, one module per method, and `build`, which makes a layer from its catalog name.

To add a method, write a module here with an `AttentionLayer` and add one line to `dctbench.catalog`.
"""

from __future__ import annotations

import inspect
from collections.abc import Container
from pathlib import Path

import torch
from torch import nn

from dctbench import catalog
from dctbench.attention.layer import AttentionLayer, checked_n_kept
from dctbench.errors import UsageError

__all__ = ["AttentionLayer", "build", "default_kept", "error_means", "source_file", "takes_seed", "uses_ratio"]


def build(
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
    """Return the layer that the catalog lists as `name`, ready to be used in a model.

    Its `forward(x, key_padding_mask=None)` takes x (batch, seq_len, dim) and a bool mask (batch, seq_len) in which
    True marks a real token, and it returns (batch, seq_len, dim).

    Args:
        name: as `dctbench list impls` shows it.
        seq_len: length n.
        dim: model width d.
        heads: number of heads; must divide `dim`.
        ratio: compression ratio n / n_kept, at least 1.
        kept: the number kept (coefficients, landmarks, features), in place of `ratio`. At most `seq_len` are kept.
            Both are ignored by a method that does not compress. If neither is given, a method with a number of its
            own (`default_kept`) keeps that.
        dtype: of parameters and inputs; torch's default when None.
        device: where parameters live; torch's default when None.
        options: further keyword arguments of the method.

    Raises:
        UsageError: (a ValueError) for an unknown name, and for sizes or options that the method rejects.
        UnavailableError: for a torch kernel that does not run on this machine.
    """
    layer_class = catalog.implementation(name).load()
    accepts = inspect.signature(layer_class)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepts.parameters.values())
    arguments = {"seq_len": seq_len, "dim": dim, "heads": heads, **options}
    if uses_ratio(name):
        arguments |= _compression(name, seq_len, ratio, kept, accepts.parameters)
    # A user's own class need not take dtype and device; its layer is moved afterwards.
    takes_placement = takes_any or {"dtype", "device"} <= set(accepts.parameters)
    if takes_placement:
        arguments.update(dtype=dtype, device=device)
    try:
        accepts.bind(**arguments)
    except TypeError as mismatch:
        raise UsageError(f"{name} does not accept {', '.join(arguments)}: {mismatch}") from None
    layer = layer_class(**arguments)
    if not isinstance(layer, nn.Module):
        raise UsageError(f"{name} is not a torch.nn.Module")
    return layer if takes_placement else layer.to(device=device, dtype=dtype)


def _compression(
    name: str, seq_len: int, ratio: float | None, kept: int | None, named: Container[str]
) -> dict[str, float | None]:
    """Return the arguments that say how much is kept, for a constructor that names both or one of them."""
    if ratio is not None and kept is not None:
        raise UsageError(f"{name}: both ratio={ratio} and kept={kept} were given", hint="give one of them")
    if ratio is None and kept is None:
        kept = default_kept(name)
    if "kept" not in named:
        return {"ratio": ratio if kept is None else seq_len / checked_n_kept(name, seq_len, None, kept)}
    if "ratio" not in named:
        return {"kept": kept if ratio is None else checked_n_kept(name, seq_len, ratio, None)}
    return {"ratio": ratio, "kept": kept}


def default_kept(name: str) -> int | None:
    """Return how many the implementation `name` keeps by default, whatever the length; None if there is no such number.

    A user's own class may have a class attribute `default_kept`.

    Raises:
        UsageError: for an unknown name, a class that cannot be imported, and a default that is not a positive integer.
    """
    entry = catalog.implementation(name)
    if entry.uses_ratio is not None:
        return entry.default_kept
    found: object = getattr(entry.load(), "default_kept", None)
    if found is None or (isinstance(found, int) and not isinstance(found, bool) and found >= 1):
        return found
    raise UsageError(f"{name}: default_kept must be an integer of at least 1; got {found!r}")


def error_means(name: str) -> catalog.ErrorMeans:
    """Return what the difference between the implementation `name` and exact attention says.

    A user's own class may have a class attribute `error_means`: "approximates", "other" or "untrained".

    Raises:
        UsageError: for an unknown name, a class that cannot be imported, and another value of the attribute.
    """
    entry = catalog.implementation(name)
    if entry.family is not catalog.Family.OWN:
        return entry.error_means
    stated: object = getattr(entry.load(), "error_means", entry.error_means.value)
    known = {one.value: one for one in catalog.ErrorMeans}
    if not isinstance(stated, str) or stated not in known:
        raise UsageError(f"{name}: error_means must be one of {', '.join(known)}; got {stated!r}")
    return known[stated]


def uses_ratio(name: str) -> bool:
    """Return whether the implementation `name` compresses: by a ratio, or to a number kept.

    A user's own class is inspected.

    Raises:
        UsageError: for an unknown name, and for a class that cannot be imported.
    """
    entry = catalog.implementation(name)
    if entry.uses_ratio is not None:
        return entry.uses_ratio
    layer_class = entry.load()
    names = inspect.signature(layer_class).parameters
    return bool(getattr(layer_class, "uses_ratio", "ratio" in names or "kept" in names))


def takes_seed(name: str) -> bool:
    """Return whether the implementation `name` takes the `seed` of what it draws and does not learn.

    Random features are an example. Without the argument they are the same in every layer.

    Raises:
        UsageError: for an unknown name, and for a class that cannot be imported.
    """
    return "seed" in inspect.signature(catalog.implementation(name).load()).parameters


def source_file(name: str) -> str | None:
    """Return the file that defines the implementation `name`, or None for a class without a source file.

    Raises:
        UsageError: for an unknown name, and for a class that cannot be imported.
    """
    try:
        return str(Path(inspect.getfile(catalog.implementation(name).load())).resolve())
    except (TypeError, OSError):
        return None
