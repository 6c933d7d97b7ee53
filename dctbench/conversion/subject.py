"""A user's model with its inputs: what `--model` names.

`package.module:function` returns the model. Beside the function, the module may have `inputs(seq_len, batch)`, which
returns a tensor, a tuple of positional arguments or a dict of keyword arguments, and `evaluate(model)`, which returns a
number, a sequence of numbers (one for each input), or a dict of them by name. `hf:FOLDER` and `hf:NAME` are models of
transformers that are on this machine.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dctbench import catalog
from dctbench.errors import UnsupportedError, UsageError, text_of

SEED = 0
TRAINING_SEED = 1 << 20
MASKS = ("attention_mask", "key_padding_mask", "src_key_padding_mask")
_OUTPUTS = ("last_hidden_state", "logits")

Inputs = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments of one call of a model."""
Scores = Mapping[str, Sequence[float]]
"""What an evaluation returned, by name; the name is empty for one that returns no names."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model in eval mode, how to make its inputs, and how to evaluate it."""

    target: str
    model: nn.Module
    make_inputs: Callable[[int, int, int, bool], Inputs]
    evaluate: Callable[[nn.Module, int], Scores] | None

    def inputs(self, seq_len: int, batch: int, number: int, *, training: bool = False) -> Inputs:
        """Return the arguments of call `number`. Equal numbers give equal inputs; those for training are others.

        Raises:
            UnsupportedError: for a length that the model does not take.
        """
        return self.make_inputs(seq_len, batch, number, training)


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


def real_tokens_of(inputs: Inputs) -> Tensor | None:
    """Return the padding mask among the arguments of a model, bool (batch, length) with True = real token, or None."""
    for name in MASKS:
        value = inputs[1].get(name)
        if isinstance(value, Tensor) and value.ndim == 2:
            # torch's own modules mark padding; transformers marks real tokens
            return value == 0 if name == "src_key_padding_mask" else value.to(torch.bool)
    return None


def load(target: str) -> Subject:
    """Load the model that `--model` names. Equal targets give equal weights.

    Raises:
        UsageError: for a target that names no model, or a function that returns none.
        UnavailableError: for a missing package, and a model that is not on this machine.
    """
    torch.manual_seed(SEED)
    target = catalog.MODELS[target].target if target in catalog.MODELS else target
    if target.startswith(catalog.HF_PREFIX):
        from dctbench.conversion.pretrained import load_pretrained

        return load_pretrained(target)
    made = catalog.load_target(target)
    model = made() if callable(made) else made
    if isinstance(model, Subject):  # a shipped example, which knows its inputs itself
        return model
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"{target}: returned a {type(model).__name__}, not a torch.nn.Module",
            hint="--model names a function without arguments that returns the model",
        )
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
) -> Callable[[int, int, int, bool], Inputs]:
    """Return how to make inputs: by the user's function, or noise of the width of the first attention."""

    def own(seq_len: int, batch: int, number: int, training: bool) -> Inputs:
        assert inputs is not None
        number += TRAINING_SEED if training else 0
        torch.manual_seed(SEED + number)
        made = arguments(inputs(seq_len, batch))
        if number == 0:
            return made
        torch.manual_seed(SEED)
        first = arguments(inputs(seq_len, batch))
        same = all(torch.equal(a, b) for a, b in zip(_flat(made), _flat(first), strict=True))
        return _rolled(made, number) if same else made

    def noise(seq_len: int, batch: int, number: int, training: bool) -> Inputs:
        attention = next((m for m in model.modules() if isinstance(m, nn.MultiheadAttention)), None)
        if attention is None:
            raise UsageError(
                f"{target}: dctbench does not know what to call this model with",
                hint="write inputs(seq_len, batch) beside the function: a tensor, a tuple, or a dict of keywords",
            )
        source = torch.Generator().manual_seed(SEED + number + (TRAINING_SEED if training else 0))
        shape = (batch, seq_len) if attention.batch_first else (seq_len, batch)
        return (torch.randn(*shape, attention.embed_dim, generator=source),), {}

    return noise if inputs is None else own


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


def _flat(inputs: Inputs) -> Iterator[Tensor]:
    return (value for value in (*inputs[0], *inputs[1].values()) if isinstance(value, Tensor))


def _rolled(inputs: Inputs, number: int) -> Inputs:
    """Return other inputs of the same kind, for a function that always returns the same ones."""

    def roll(value: Any) -> Any:
        return value.roll(number, dims=1) if isinstance(value, Tensor) and value.ndim > 1 else value

    return tuple(map(roll, inputs[0])), {name: roll(value) for name, value in inputs[1].items()}


def scores(evaluate: Callable[..., object], model: nn.Module, seq_len: int) -> Scores:
    """Evaluate a model by the user's function, which gets `seq_len` as well if it has a parameter of that name.

    Raises:
        UsageError: for a result that is not a number, a sequence of numbers, or a dict of them by name.
    """
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
    if isinstance(value, Tensor):
        value = value.flatten().tolist()
    numbers = [float(one) for one in value] if isinstance(value, Sequence | Iterator) else [float(value)]
    if not numbers:
        raise ValueError("no number")
    return numbers
