"""Loads what `--model` names.

`package.module:NAME` is a model, or a function that returns one. Beside it, the module may have `inputs(seq_len,
batch)`, which returns a tensor, a tuple of positional arguments or a dict of keyword arguments, and `evaluate(model)`,
which returns a number, a sequence of numbers (one for each input), or a dict of them by name. Shares, of which more is
better, are judged. `hf:FOLDER` and `hf:NAME` are models of transformers that are on this machine.
"""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from dctbench import catalog
from dctbench.conversion.pretrained import load_pretrained
from dctbench.conversion.subject import (
    SEED,
    Inputs,
    Purpose,
    Subject,
    arguments,
    length_first,
    map_tensors,
    scores,
    tensors_of,
)
from dctbench.errors import UsageError

DIFFERENT = 5
"""The inputs up to this number differ from the first one: a model is timed with them in turn."""
IMAGE_DIMENSIONS = 4
"""A tensor with this many dimensions or more is taken for images or videos; its second dimension is the channels."""
_ALWAYS = "inputs() returns the same tensors at every call"
_DRAW = "let it draw them with torch, numpy.random or random, which are seeded anew before each call"


def load(target: str) -> Subject:
    """Load the model that `--model` names. Equal targets give equal weights.

    Raises:
        UsageError: for a target that names no model, or a function that returns none.
        UnavailableError: for a missing package, and a model that is not on this machine.
    """
    torch.manual_seed(SEED)
    # It skips the attention modules and hands them nested tensors. A replaced attention has no such path to compare.
    torch.backends.mha.set_fastpath_enabled(False)
    target = catalog.MODELS[target].target if target in catalog.MODELS else target
    if target.startswith(catalog.HF_PREFIX):
        return load_pretrained(target)
    made = catalog.load_target(target)
    # A model itself is callable, too.
    model = made() if callable(made) and not isinstance(made, nn.Module) else made
    if isinstance(model, Subject):  # a shipped example, which knows its inputs itself
        return model
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"{target}: {'returned' if callable(made) else 'is'} a {type(model).__name__}, not a torch.nn.Module",
            hint="--model names a function without arguments that returns the model, or the model itself",
        )
    # The module may keep the model, and a function may return the same one again: a later load may want another dtype.
    model = copy.deepcopy(model)
    beside = sys.modules[target.partition(":")[0]]
    evaluate = getattr(beside, "evaluate", None)
    return Subject(
        target,
        model.eval(),
        _inputs_of(target, model, getattr(beside, "inputs", None)),
        None if evaluate is None else lambda changed, seq_len: scores(evaluate, changed, seq_len),
    )


def _inputs_of(
    target: str, model: nn.Module, inputs: Callable[..., object] | None
) -> Callable[[int, int, int, Purpose], Inputs]:
    """Return how to make inputs: by the user's function, or noise of the width of the first attention."""

    def own(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
        assert inputs is not None
        _seed(purpose.value + number)
        made = arguments(inputs(seq_len, batch))
        if purpose.value + number == SEED:
            return made
        _seed(SEED)
        first = arguments(inputs(seq_len, batch))
        if not _same(made, first):
            return made
        if purpose is not Purpose.COMPARE:
            raise UsageError(f"{_ALWAYS}, so there are no others to train on: {_DRAW}")
        rolled = _rolled(made, batch, number)
        if number <= DIFFERENT and number % seq_len and _same(rolled, first):
            raise UsageError(f"{_ALWAYS}, and the same again if they are rolled along the sequence, "
                             f"so there are no others to time: {_DRAW}")  # fmt: skip
        return rolled

    def noise(seq_len: int, batch: int, number: int, purpose: Purpose) -> Inputs:
        attention = next((m for m in model.modules() if isinstance(m, nn.MultiheadAttention)), None)
        if attention is None:
            raise UsageError(
                f"{target}: dctbench does not know what to call this model with",
                hint="define inputs(seq_len, batch) in the same module: a tensor, a tuple, or a dict of keywords",
            )
        source = torch.Generator().manual_seed(purpose.value + number)
        shape = (batch, seq_len) if attention.batch_first else (seq_len, batch)
        return (torch.randn(*shape, attention.embed_dim, generator=source),), {}

    return noise if inputs is None else own


def _seed(number: int) -> None:
    """Seed the global generators that `inputs()` may draw from."""
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number % 2**32)


def _same(one: Inputs, other: Inputs) -> bool:
    ours, others = tensors_of(one), tensors_of(other)
    return len(ours) == len(others) and all(torch.equal(a, b) for a, b in zip(ours, others, strict=True))


def _rolled(inputs: Inputs, batch: int, number: int) -> Inputs:
    """Return other inputs of the same kind, for a function that always returns the same ones.

    Sequences are rolled along their positions, and images (batch, channels, height, width) along their height.
    """

    def roll(value: Tensor) -> Tensor:
        if value.ndim < 2:
            return value
        if length_first(value, batch):
            return value.roll(number, dims=0)
        return value.roll(number, dims=2 if value.ndim >= IMAGE_DIMENSIONS else 1)

    return map_tensors(roll, inputs)
