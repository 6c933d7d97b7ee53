"""What a user's model is called with, what of its output is compared, and what an evaluation of it returned."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from dctbench.errors import UnsupportedError, UsageError, text_of

SEED = 0
MASKS = ("attention_mask", "key_padding_mask", "src_key_padding_mask")
_OUTPUTS = ("last_hidden_state", "logits")

Inputs = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments of one call of a model."""
Scores = Mapping[str, Sequence[float]]
"""What an evaluation returned, by name; the name is empty for one that returns no names."""


class Purpose(Enum):
    """What inputs are for. Each purpose has inputs of its own; the value is the seed of its first ones.

    torch's generator for CPUs takes only the lower 32 bits of a seed.
    """

    COMPARE = SEED
    """The model is timed with these, and outputs are compared."""
    TRAIN = 1 << 20
    CHOOSE = 1 << 30
    """Held out: a learning rate is chosen by the loss on these."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model in eval mode, how to make its inputs, and how to evaluate it."""

    target: str
    model: nn.Module
    make_inputs: Callable[[int, int, int, Purpose], Inputs]
    evaluate: Callable[[nn.Module, int], Scores] | None

    def inputs(self, seq_len: int, batch: int, number: int, purpose: Purpose = Purpose.COMPARE) -> Inputs:
        """Return the arguments of call `number`. Equal numbers give equal inputs; those for another purpose are others.

        Raises:
            UnsupportedError: for a length that the model does not take.
            UsageError: when the model's own inputs are always the same, and others are needed.
        """
        return self.make_inputs(seq_len, batch, number, purpose)


class Called(nn.Module):
    """A model whose output is one tensor: the tensor itself, `last_hidden_state`, `logits`, or the first of a tuple."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *arguments: Any, **keywords: Any) -> Tensor:
        """Call the model.

        Raises:
            UnsupportedError: for an output without a tensor.
        """
        return first_tensor(self.model(*arguments, **keywords))


def first_tensor(output: object) -> Tensor:
    """Return the tensor by which two outputs of a model are compared.

    Raises:
        UnsupportedError: when there is none.
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        named = [output[name] for name in _OUTPUTS if name in output]
        output = [*named, *output.values()]
    if isinstance(output, tuple | list):
        for value in output:
            if isinstance(value, Tensor):
                return value
    raise UnsupportedError(f"the model returns a {type(output).__name__} without a tensor")


def tensors_of(inputs: Inputs) -> tuple[Tensor, ...]:
    """Return the tensors of a call, also those inside lists, tuples and dicts, in the order of its arguments."""
    return tuple(value for value in tree_leaves(inputs) if isinstance(value, Tensor))


def map_tensors(change: Callable[[Tensor], Tensor], inputs: Inputs) -> Inputs:
    """Return the arguments of a call with each of its tensors changed."""

    def changed(value: Any) -> Any:
        # What holds no tensor stays the same object: it may be a list that the model fills for its caller.
        holds = any(isinstance(leaf, Tensor) for leaf in tree_leaves(value))
        return tree_map_only(Tensor, change, value) if holds else value

    return tuple(map(changed, inputs[0])), {name: changed(value) for name, value in inputs[1].items()}


def real_tokens_of(inputs: Inputs, model: nn.Module) -> Tensor | None:
    """Return the padding mask among the arguments of a model, bool (batch, length) with True = real token, or None.

    A mask is known by its name: that of its keyword, or of the model's parameter in its position. torch's modules mark
    padding, and transformers marks real tokens. A `key_padding_mask` is torch's in a model that holds torch's
    attention; in any other model it marks real tokens, as for dctbench's layers.
    """
    named = arguments_by_name(inputs, model)
    for name in MASKS:
        value = named.get(name)
        if isinstance(value, Tensor) and value.ndim == 2:
            torchs = any(isinstance(module, nn.MultiheadAttention) for module in model.modules())
            padding = name == "src_key_padding_mask" or (name == "key_padding_mask" and torchs)
            return value == 0 if padding else value.to(torch.bool)
    return None


def arguments_by_name(inputs: Inputs, module: nn.Module) -> Mapping[str, Any]:
    """Return the arguments of a call of a module by name, also those that are given by position."""
    try:
        positional = inspect.signature(module.forward).bind_partial(*inputs[0]).arguments
    except (TypeError, ValueError):  # a traced model has no signature, and the model itself refuses what does not fit
        positional = {}
    return positional | inputs[1]


def length_first(value: Tensor, batch: int) -> bool:
    """Whether the length stands before the batch, as in torch's modules by default. Not known if the two are equal."""
    return value.ndim > 1 and value.shape[0] != batch and value.shape[1] == batch


def real_part(output: Tensor, real: Tensor | None) -> Tensor:
    """Return an output at its real tokens, (tokens, dim), or all of it where no mask fits.

    Args:
        output: (batch, length, dim), or with the length first.
        real: bool (batch, length), or None.
    """
    if real is None:
        return output
    real = real.T if length_first(output, len(real)) else real
    return output[real] if real.shape == output.shape[:2] else output


def arguments(made: object) -> Inputs:
    """Return what a function `inputs` made as the arguments of a call.

    Raises:
        UsageError: for anything but a tensor, a tuple or list, or a mapping.
    """
    if isinstance(made, Tensor):
        return (made,), {}
    if isinstance(made, Mapping):
        return (), dict(made)
    if isinstance(made, tuple | list):
        return tuple(made), {}
    raise UsageError(
        f"inputs() returned a {type(made).__name__}",
        hint="it returns a tensor, a tuple of arguments, or a dict of keyword arguments",
    )


def scores(evaluate: Callable[..., object], model: nn.Module, seq_len: int) -> Scores:
    """Evaluate a model by the user's function, which gets `seq_len` as well if it has a parameter of that name.

    Raises:
        UsageError: for a result that is not a number, a sequence of numbers, or a dict of them by name.
    """
    torch.manual_seed(SEED)  # so that every method is evaluated on the same inputs
    wants = "seq_len" in inspect.signature(evaluate).parameters
    with torch.inference_mode():
        found = evaluate(model, seq_len=seq_len) if wants else evaluate(model)
    try:
        named = found.items() if isinstance(found, Mapping) else [("", found)]
        return {str(name): _numbers(value) for name, value in named}
    except (TypeError, ValueError) as wrong:
        raise UsageError(
            f"evaluate() returned something else than numbers: {text_of(wrong)}",
            hint="it returns a number, a sequence of numbers (one for each input), or a dict of them by name",
        ) from None


def _numbers(value: Any) -> list[float]:
    if hasattr(value, "tolist"):  # a tensor, or an array of NumPy, which has any number of dimensions
        value = value.reshape(-1).tolist()
    numbers = [float(one) for one in value] if isinstance(value, Sequence | Iterator) else [float(value)]
    if not numbers:
        raise ValueError("no number")
    return numbers
