"""The tensors of every method: the same seeded weights, and inputs that change from call to call.

Weights have variance 1/dim, so projected queries and keys and the logits of attention have unit variance. With torch's
own initialisation logits have standard deviation 1/3; attention is then nearly uniform, which favours methods that
average.
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
"""The number of inputs that timed calls use in turn, so that no call has the input of the previous one."""
REDRAWN = 1 << 13
"""The most values of an input that are drawn anew between samples, which takes a tenth of a millisecond."""
_PLACES = 8
"""A call has no more arguments than these: each needs seeds of its own."""


def generator(seed: int, *purpose: object) -> torch.Generator:
    """Return a CPU generator for one purpose, independent of all other purposes with the same seed."""
    text = "/".join(map(str, (seed, *purpose)))
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big"))


def weights(dim: int, dtype: torch.dtype, seed: int) -> Weights:
    """Return the projections that all methods share, drawn in float32 and rounded to `dtype`."""
    drawn: Weights = {}
    for name in PROJECTIONS:
        source = generator(seed, "weights", name, dim)
        drawn[f"{name}.weight"] = (torch.randn(dim, dim, generator=source) / math.sqrt(dim)).to(dtype)
        drawn[f"{name}.bias"] = (0.1 * torch.randn(dim, generator=source)).to(dtype)
    return drawn


def share_weights(layer: nn.Module, shared: Weights) -> bool:
    """Copy the shared projections into a layer, and return whether its output can be compared with the exact one."""
    own = dict(layer.named_parameters())
    matching = [name for name, value in shared.items() if name in own and own[name].shape == value.shape]
    with torch.no_grad():
        for name in matching:
            own[name].copy_(shared[name])
    return {"v_proj.weight", "out_proj.weight"} <= set(matching)


def seed_parameters(module: nn.Module, seed: int) -> None:
    """Redraw every matrix of a model outside the attention, seeded by its name, and clear the biases.

    They are then equal for all methods: what a constructor draws depends on what the attention has drawn before.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if ".attention." in name:
                continue
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.ndim == 2:
                drawn = torch.randn(parameter.shape, generator=generator(seed, "parameter", name, *parameter.shape))
                parameter.copy_(drawn / math.sqrt(parameter.shape[1]))


def noise(case: Case, dtype: torch.dtype, seed: int, number: int = 0) -> Tensor:
    """Return i.i.d. N(0, 1) values (batch, seq_len, dim)."""
    source = generator(seed, "noise", number, case.batch, case.seq_len, case.dim)
    return torch.randn(case.batch, case.seq_len, case.dim, generator=source).to(dtype)


def redraw_rows(tensor: Tensor, seed: int, number: int, vocabulary: int, place: int = 0) -> None:
    """Draw some rows of an input anew, in place: at most a quarter, and `REDRAWN` values, so that it takes little time.

    Args:
        tensor: (..., seq_len, width) of i.i.d. N(0, 1) values, or (batch, seq_len) of token numbers.
        seed: of the inputs of the case.
        number: of the call that gets them. Each number has rows and values of its own.
        vocabulary: the number of different tokens.
        place: of the tensor among the arguments of the call. Each place has values of its own: equal queries and keys
            would give every token a large weight on itself.
    """
    tokens = not tensor.is_floating_point()
    along = tensor.ndim - (1 if tokens else 2)
    length = tensor.shape[along]
    rows = max(1, min(length // 4, REDRAWN * length // tensor.numel()))
    start = number * 7919 * rows % (length - rows + 1)
    source = torch.Generator(tensor.device).manual_seed((seed * 1_000_003 + number) * _PLACES + place)
    with torch.no_grad():
        chosen = tensor.narrow(along, start, rows)
        drawn = torch.empty(chosen.shape, dtype=tensor.dtype, device=tensor.device)  # drawing into a view is slow
        chosen.copy_(drawn.random_(0, vocabulary, generator=source) if tokens else drawn.normal_(generator=source))


def smooth(case: Case, dtype: torch.dtype, seed: int, number: int = 0) -> Tensor:
    """Return a stationary AR(1) process along the sequence, unit variance, rho = 0.95: (batch, seq_len, dim)."""
    source = generator(seed, "smooth", number, case.batch, case.seq_len, case.dim)
    steps = torch.randn(case.seq_len, case.batch, case.dim, generator=source)
    steps[1:] *= math.sqrt(1 - SMOOTH_RHO**2)
    for previous, current in pairwise(steps):  # rows are views, so this works in place
        current.add_(previous, alpha=SMOOTH_RHO)
    return steps.transpose(0, 1).contiguous().to(dtype)
