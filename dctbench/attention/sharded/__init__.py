"""Attention over several devices: the sequence is divided among ranks, which exchange what they need.

The DCT of a sharded sequence is a sum of one product per rank, so one all-reduce of n_kept x dim numbers is all that
the DCT family communicates. Exact attention gathers every key and value on every rank here: n x 2 dim numbers. An
all-to-all over the heads (DeepSpeed-Ulysses, arXiv 2309.14509), which is not among these layers, would send 2 / p of
that on p ranks.

Only a forward pass of a layer has this form. `build_sharded` makes the layer of one rank.
"""

from __future__ import annotations

import inspect

import torch
from torch import nn

from dctbench import catalog
from dctbench.attention import build
from dctbench.attention.sharded.communication import Communicator
from dctbench.errors import UnsupportedError, UsageError

_PLANNING = frozenset({"cost_model", "batch"})


def build_sharded(
    name: str,
    *,
    communicator: Communicator,
    seq_len: int,
    dim: int,
    heads: int,
    ratio: float | None = None,
    kept: int | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    **options: object,
) -> nn.Module:
    """Return the layer `name` of one rank; of a single rank, the layer as it is on one device.

    Args:
        name: of the implementation.
        communicator: of the rank.
        seq_len: length n of the whole sequence.
        dim: model width d.
        heads: number of heads.
        ratio: n / n_kept, or None.
        kept: n_kept, or None.
        dtype: of parameters and inputs.
        device: of this rank.
        options: further arguments of the layer on one device, for a single rank only; but `cost_model` and `batch`, for
            which a transform is planned, are for any number of ranks.

    Returns:
        A module with `forward(x)`: x (batch, rows of this rank, dim) -> the same shape. Every rank must call it.

    Raises:
        UsageError: for options with more than one rank.
        UnsupportedError: for a method without a sharded form, and for more ranks than positions.
    """
    entry = catalog.implementation(name)
    shape = {"seq_len": seq_len, "dim": dim, "heads": heads, "dtype": dtype, "device": device}
    compression = {"ratio": ratio, "kept": kept} if entry.uses_ratio is not False else {}
    if communicator.size == 1:
        return build(name, **shape, **compression, **options)  # type: ignore[arg-type]
    if entry.sharded is None:
        known = ", ".join(one.name for one in catalog.IMPLEMENTATIONS.values() if one.sharded)
        raise UnsupportedError(f"{name} has no form for several devices, which {known} have")
    if communicator.size > seq_len:
        raise UnsupportedError(f"{communicator.size} ranks share a sequence of {seq_len}: some would hold nothing")
    refused = options.keys() - _PLANNING
    if refused:
        raise UsageError(f"{name} over several devices takes no {', '.join(sorted(refused))}")
    layer_class = catalog.load_target(entry.sharded)
    wanted = inspect.signature(layer_class).parameters.keys() & options.keys()  # not every sharded form is planned
    planning = {option: options[option] for option in wanted}
    layer: nn.Module = layer_class(communicator=communicator, **shape, **compression, **planning)
    return layer
