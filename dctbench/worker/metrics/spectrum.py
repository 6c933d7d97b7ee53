"""How the energy of an input is spread over its frequencies along the sequence, in float64.

An attention that keeps m coefficients of the DCT, or the means of m windows, can use only what these hold. The mean of
a sequence is left out on both sides: every method keeps it, and it may be most of the energy.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dctbench.attention.segments import segment_means, segment_table
from dctbench.errors import UnsupportedError
from dctbench.model import Spectrum
from dctbench.model.case import kept_coefficients
from dctbench.transforms import RfftDct

RATIOS = (64, 32, 16, 8, 4, 2)


def spectrum(parts: Mapping[str, Tensor]) -> Spectrum:
    """Return the shares of the energy that are kept at each of `RATIOS`.

    Args:
        parts: by name (`x`, `q`, `k`, `v`), each (..., seq_len, channels). Energy is summed over all but the sequence.

    Raises:
        UnsupportedError: for a sequence of one token, and a part that is constant along the sequence.
    """
    seq_len = next(iter(parts.values())).shape[-2]
    kept = tuple(dict.fromkeys(m for ratio in RATIOS if (m := kept_coefficients(seq_len, ratio)) < seq_len))
    if not kept:
        raise UnsupportedError("one token has no spectrum")
    found = {name: _shares(part.to("cpu", torch.float64), kept) for name, part in parts.items()}
    return Spectrum(
        kept, {name: dct for name, (dct, _) in found.items()}, {name: pool for name, (_, pool) in found.items()}
    )


def _shares(x: Tensor, kept: tuple[int, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    seq_len = x.shape[-2]
    centred = (x - x.mean(dim=-2, keepdim=True)).reshape(-1, seq_len, x.shape[-1])
    total = float(centred.square().sum())
    if total <= torch.finfo(torch.float64).eps * float(x.square().sum()):
        raise UnsupportedError("it is constant along the sequence")
    # The transform is orthonormal, so that squares of coefficients are energies.
    coefficients = RfftDct(seq_len, max(kept), dtype=torch.float64)(centred).square().sum(dim=(0, 2))
    below = coefficients.cumsum(0)
    return (
        tuple(float(below[m - 1]) / total for m in kept),
        tuple(_pooled(centred, m) / total for m in kept),
    )


def _pooled(centred: Tensor, windows: int) -> float:
    """Return the energy of (batch, seq_len, channels) that is left when each window is replaced by its mean."""
    table = segment_table(centred.shape[-2], windows)
    means, _ = segment_means(centred, table, None)  # (batch, windows, channels)
    lengths = (table < centred.shape[-2]).sum(dim=1, keepdim=True)
    return float((means.square() * lengths).sum())
