"""The inputs on which an error can be measured, by name, without importing what makes them.

A new input of real data is one function in `dctbench/worker/sources.py` and one entry in `INPUTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dctbench.catalog.names import unknown
from dctbench.errors import UnsupportedError, UsageError

LAYER_INPUT = "minilm"
"""The input that is followed by the number of a layer: `minilm:2`."""
LAYERS, HEADS, HEAD_DIM = 6, 12, 32
"""The layers of that model, and the shape of their attention."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    Attributes:
        name: as `--input` takes it.
        summary: what a token of it is.
        extra: the extra of dctbench that it needs, or None.
        pieces: the tokens of each stretch of real data that a sequence is cut from; None where there is no such end.
    """

    name: str
    summary: str
    extra: str | None = None
    pieces: tuple[int, ...] | None = None


INPUTS: Mapping[str, Input] = {
    entry.name: entry
    for entry in (
        Input("noise", "i.i.d. N(0, 1) values: no frequency is stronger than another"),
        Input("smooth", "an AR(1) process with rho = 0.95"),
        Input("digits", "scikit-learn's handwritten digits: a token is a line of 8 pixels", "tasks", (14_376,)),
        Input("photo", "scikit-learn's two photographs: a token is a patch of 8 x 8 pixels", "tasks",
              (4240, 4240)),
        Input("ecg", "PyWavelets' electrocardiogram: a token is a window of 16 samples, one sample after the other",
              "signals", (1009,)),
        Input("text", "files of Python's standard library, those that masked-bytes tests on: a token is a byte"),
        Input(LAYER_INPUT, "minilm:LAYER, what the attention of a layer of all-MiniLM-L6-v2 gets for such text, with "
              "the weights of that layer", "examples"),
    )
}  # fmt: skip


def layer_of(name: str) -> int | None:
    """Return the number of the layer of `minilm:2`; None for other inputs, and for a name without such a number."""
    base, _, layer = name.partition(":")
    return int(layer) if base == LAYER_INPUT and layer.isdecimal() else None


def checked_input(word: str) -> str:
    """Return the name of an input as `--input` takes it.

    Raises:
        UsageError: for an unknown name, and a layer that is missing, or that the model does not have.
    """
    base, colon, layer = word.partition(":")
    if base not in INPUTS:
        problem = unknown("input", base, INPUTS)
        raise UsageError(problem.message, hint=f"an input is one of: {', '.join(INPUTS)}:LAYER")
    if base == LAYER_INPUT:
        if layer in map(str, range(LAYERS)):
            return word
        raise UsageError(
            f"input {word!r}: which layer of {LAYER_INPUT}?", hint=f"{LAYER_INPUT}:0 to {LAYER_INPUT}:{LAYERS - 1}"
        )
    if colon:
        raise UsageError(f"input {word!r}: only {LAYER_INPUT} has layers", hint=f"such as {base}, or {LAYER_INPUT}:2")
    return word


def check_length(name: str, seq_len: int, batch: int) -> None:
    """Check that the data has as many tokens as a batch needs: nothing is repeated to fill it.

    Raises:
        UnsupportedError: otherwise, and for a name that only another version knows, as a stored case may have.
    """
    try:
        checked_input(name)
    except UsageError as wrong:
        raise UnsupportedError(wrong.message, hint=wrong.hint) from None
    pieces = INPUTS[name.partition(":")[0]].pieces
    if pieces is None:
        return
    if seq_len > max(pieces):
        raise UnsupportedError(f"input {name} has {max(pieces)} tokens in a row, fewer than n = {seq_len}")
    if batch > (most := sum(piece // seq_len for piece in pieces)):
        raise UnsupportedError(f"input {name} has {most} sequences of n = {seq_len}, fewer than a batch of {batch}")
