"""The attention layers, one module per method, and `build`, which makes one by its catalog name.

To add a method: write one module here with an `AttentionLayer`, and its one line in `dctbench.catalog`.
"""

from __future__ import annotations

import inspect

import torch
from torch import nn

from dctbench import catalog
from dctbench.attention.layer import AttentionLayer
from dctbench.errors import UsageError

__all__ = ["AttentionLayer", "build"]


def build(
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
    """The layer of the catalog named `name`, ready to be used in a model.

    Its `forward(x, key_padding_mask=None)` takes x (batch, seq_len, dim) and a bool mask (batch, seq_len) in which
    True marks a real token, and returns (batch, seq_len, dim).

    Args:
        name: as `dctbench list impls` shows it.
        seq_len: length n.
        dim: model width d.
        heads: number of heads; must divide `dim`.
        ratio: compression ratio n / n_kept, at least 1; ignored by a method that has none.
        dtype: torch's default when None.
        device: torch's default when None.
        options: what the method takes beyond these.

    Raises:
        UsageError: (a ValueError) for an unknown name, and for sizes or options the method refuses.
        UnavailableError: for a kernel of torch that does not run here.
    """
    entry = catalog.implementation(name)
    if entry.uses_ratio:
        options["ratio"] = ratio
    layer_class = entry.load()
    arguments = {"seq_len": seq_len, "dim": dim, "heads": heads, "dtype": dtype, "device": device, **options}
    try:
        inspect.signature(layer_class).bind(**arguments)
    except TypeError as mismatch:
        raise UsageError(f"{name}: {mismatch}") from None
    layer = layer_class(**arguments)
    assert isinstance(layer, nn.Module)
    return layer
