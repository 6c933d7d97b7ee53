"""Cases as the flags of the command that measures them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dctbench.model import Case, ratio_words
from dctbench.text.parse import typed_duration

_AXES = ("task", "device", "dtype", "scope", "mode", "engine", "batch", "heads", "head_dim", "threads", "period",
         "deadline", "model", "input", "ranks")  # fmt: skip
_TIMES = ("period", "deadline")
_OF_MODEL = ("scope", "heads", "head_dim")
"""What `--model` says by itself."""


def shape_flags(case: Case, known: Mapping[str, Sequence[object]] | None = None) -> list[str]:
    """Return the flags of a case's shape without its length.

    Args:
        case: of the shape.
        known: by axis, the values that a suite has without a flag.
    """
    words = []
    for axis in _AXES:
        value = getattr(case, axis)
        if case.model is not None and axis in _OF_MODEL:
            continue
        if value is not None and [value] != list((known or {}).get(axis, ())):
            words += [f"--{axis.replace('_', '-')}", typed_value(axis, value)]
    return words


def typed_value(axis: str, value: object) -> str:
    """Return the value of an axis of shapes as a user types it: times have a unit."""
    return typed_duration(value) if axis in _TIMES and isinstance(value, float) else str(value)


def method_flags(cases: Iterable[Case]) -> list[str]:
    """Return the flags of the methods of some cases, of what these keep, of the layers that they replace, and of the
    training after that.
    """
    cases = list(cases)
    words = ["--impl", ",".join(dict.fromkeys(case.implementation for case in cases))]
    ratios = sorted({case.ratio for case in cases if case.ratio is not None})
    kept = sorted({case.kept for case in cases if case.kept is not None})
    words += ["--ratio", ",".join(map(ratio_words, ratios))] if ratios else []
    words += ["--kept", ",".join(map(str, kept))] if kept else []
    layers = dict.fromkeys(case.layers for case in cases if case.layers is not None)
    words += [word for places in layers for word in ("--layers", places)]
    steps = sorted({case.recover for case in cases if case.recover is not None})
    return [*words, *(["--recover", ",".join(map(str, steps))] if steps else [])]
