"""The axes of a sweep as people name them: what each may hold, and which field of a case it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dctbench import catalog
from dctbench.errors import UsageError
from dctbench.model import DTYPE_ALIASES, DTYPE_BYTES, Case
from dctbench.spec import grid

NUMERIC_AXES = {
    "seq": grid.SEQ_LEN,
    "ratio": grid.RATIO,
    "batch": grid.BATCH,
    "heads": grid.HEADS,
    "head_dim": grid.HEAD_DIM,
    "threads": grid.THREADS,
}
WORD_AXES = {
    "impl": None,
    "dtype": tuple(DTYPE_BYTES),
    "device": None,
    "scope": ("attention", "layer", "encoder"),
    "mode": ("forward", "backward", "train"),
    "engine": ("eager", "compile", "cudagraph"),
}
"""Axes of names, with their values where these are fixed; the others are looked up in the catalog."""
_FIELDS = {"impl": "implementation", "seq": "seq_len"}
"""The axes that are not called as the field of a case is."""


def field(axis: str) -> str:
    """The name of a case's field."""
    return _FIELDS.get(axis, axis)


def of(case: Case, axis: str) -> Any:
    """The value of a case on that axis."""
    return getattr(case, field(axis))


def words(flag: str, values: Sequence[str]) -> list[str]:
    """The checked values of a word axis: implementations (globs, or module:Class), dtypes, devices, scopes ...

    Raises:
        UsageError: for an unknown name, with the nearest.
    """
    flat = [word.strip() for value in values for word in value.split(",") if word.strip()]
    fixed = WORD_AXES[flag]
    if not flat:
        there = f"known: {', '.join(fixed)}" if fixed else f"see `dctbench list {flag}s`"
        raise UsageError(f"--{flag}: no value given", hint=there)
    if flag == "impl":
        return catalog.select_implementations(flat)
    if flag == "device":
        return _devices(flat)
    assert fixed is not None
    return catalog.select(flag, [DTYPE_ALIASES.get(word, word) if flag == "dtype" else word for word in flat], fixed)


def _devices(flat: Sequence[str]) -> list[str]:
    """The devices that the words name, in one spelling each: `cuda` is `cuda:0`; `cpu` and `mps` have no number."""
    chosen: dict[str, None] = {}
    for word in flat:
        name, colon, index = word.partition(":")
        for kind in catalog.select("device", [name], catalog.DEVICES):
            if colon and (kind != "cuda" or not index.isascii() or not index.isdigit()):
                raise UsageError(
                    f"device {word!r}: only GPUs are numbered, as in cuda:0",
                    hint=f"known: {', '.join(sorted(catalog.DEVICES))}",
                )
            chosen[f"cuda:{int(index or 0)}" if kind == "cuda" else kind] = None
    return list(chosen)
