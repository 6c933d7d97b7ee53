"""The tensors every method is given: the same seeded weights, and inputs that change from call to call.

Weights have variance 1/dim, so that projected queries and keys have unit variance and attention's logits too.
torch's own initialisation gives logits of standard deviation 1/3: nearly uniform attention, which flatters every
method that blurs.
"""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from dctbench.model import Case

Weights = dict[str, Tensor]
"""`q_proj.weight`, `q_proj.bias`, ... for the four projections, (dim, dim) and (dim,)."""

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")
SMOOTH_RHO = 0.95
ROTATION = 4
"""How many inputs take turns in timed calls, so that no call sees its predecessor's values."""


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A CPU generator for one purpose, independent of every other purpose with the same seed."""
    text = "/".join(map(str, (seed, *purpose)))
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big"))


def weights(dim: int, dtype: torch.dtype, seed: int) -> Weights:
    """The projections shared by all methods: drawn in float32, rounded to `dtype`."""
    drawn: Weights = {}
    for name in PROJECTIONS:
        source = generator(seed, "weights", name, dim)
        drawn[f"{name}.weight"] = (torch.randn(dim, dim, generator=source) / math.sqrt(dim)).to(dtype)
        drawn[f"{name}.bias"] = (0.1 * torch.randn(dim, generator=source)).to(dtype)
    return drawn


def share_weights(layer: nn.Module, shared: Weights) -> bool:
    """Copy the shared projections into a layer; False when it has none that match, so that no error is claimed."""
    own = dict(layer.named_parameters())
    matching = [name for name, value in shared.items() if name in own and own[name].shape == value.shape]
    with torch.no_grad():
        for name in matching:
            own[name].copy_(shared[name])
    return {"v_proj.weight", "out_proj.weight"} <= set(matching)


def seed_parameters(module: nn.Module, seed: int) -> None:
    """Redraw every matrix of a model by its name, so that what surrounds the attention is the same for every method."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim == 2 and ".attention." not in name:
                drawn = torch.randn(parameter.shape, generator=generator(seed, "parameter", name, *parameter.shape))
                parameter.copy_(drawn / math.sqrt(parameter.shape[1]))


def noise(case: Case, dtype: torch.dtype, seed: int, number: int = 0) -> Tensor:
    """I.i.d. N(0, 1): (batch, seq_len, dim)."""
    source = generator(seed, "noise", number, case.batch, case.seq_len, case.dim)
    return torch.randn(case.batch, case.seq_len, case.dim, generator=source).to(dtype)


def smooth(case: Case, dtype: torch.dtype, seed: int, number: int = 0) -> Tensor:
    """Stationary AR(1) along the sequence with unit variance and rho = 0.95: (batch, seq_len, dim)."""
    source = generator(seed, "smooth", number, case.batch, case.seq_len, case.dim)
    steps = torch.randn(case.seq_len, case.batch, case.dim, generator=source)
    steps[1:] *= math.sqrt(1 - SMOOTH_RHO**2)
    for previous, current in pairwise(steps):  # rows are views: this fills in place
        current.add_(previous, alpha=SMOOTH_RHO)
    return steps.transpose(0, 1).contiguous().to(dtype)
