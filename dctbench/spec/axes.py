"""The axes of a sweep by the names that users type: their values, and the fields of a case that they set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dctbench import catalog
from dctbench.catalog.inputs import INPUTS, checked_input
from dctbench.catalog.tasks import select_tasks
from dctbench.errors import UsageError
from dctbench.model import DTYPE_ALIASES, DTYPE_BYTES, ENGINES, MODES, SCOPES, Case
from dctbench.spec import grid
from dctbench.text.format import shorten
from dctbench.text.layers import checked_layers
from dctbench.text.parse import typed_duration

NUMERIC_AXES: Mapping[str, grid.Axis | grid.DurationAxis] = {
    "seq": grid.SEQ_LEN,
    "ratio": grid.RATIO,
    "kept": grid.KEPT,
    "batch": grid.BATCH,
    "heads": grid.HEADS,
    "head_dim": grid.HEAD_DIM,
    "threads": grid.THREADS,
    "period": grid.PERIOD,
    "deadline": grid.DEADLINE,
    "recover": grid.RECOVER,
    "keep_first": grid.KEEP_FIRST,
    "ranks": grid.RANKS,
}
WORD_AXES = {
    "impl": None,
    "dtype": tuple(DTYPE_BYTES),
    "device": None,
    "scope": SCOPES,
    "mode": MODES,
    "engine": ENGINES,
    "task": None,
    "model": None,
    "layers": None,
    "input": None,
}
"""Axes of names with their values; None for those with a grammar of their own."""
_FIELDS = {"impl": "implementation", "seq": "seq_len"}
"""The axes whose name differs from the field of a case."""


_DIGITS = 4
"""Of a GPU's number. More are a mistake, and int() of thousands of digits raises an error of its own."""
Numbers = str | int | float | Sequence[int | float] | None
Words = str | Sequence[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisValues:
    """Values of some axes that replace those of a suite. An axis that is None keeps the values of the suite.

    Values are given as on the command line (`seq="512..8192"`, `impl="sdpa,dct*"`), or as a sequence of them
    (`seq=[512, 1024]`). They are checked and expanded when the object is created.

    Raises:
        UsageError: for an invalid value; the message names the flag of its axis.
    """

    impl: Words = None
    seq: Numbers = None
    ratio: Numbers = None
    kept: Numbers = None
    batch: Numbers = None
    heads: Numbers = None
    head_dim: Numbers = None
    dtype: Words = None
    device: Words = None
    scope: Words = None
    mode: Words = None
    engine: Words = None
    task: Words = None
    threads: Numbers = None
    period: Numbers = None
    deadline: Numbers = None
    model: Words = None
    layers: Words = None
    keep_first: Numbers = None
    recover: Numbers = None
    input: Words = None
    ranks: Numbers = None

    def __post_init__(self) -> None:
        for axis in (*NUMERIC_AXES, *WORD_AXES):
            value = getattr(self, axis)
            if value is not None:
                object.__setattr__(self, axis, tuple(_parsed(axis, value)))

    @property
    def given(self) -> dict[str, list[Any]]:
        """The values by axis, for the axes that are not None."""
        return {axis: list(v) for axis in (*NUMERIC_AXES, *WORD_AXES) if (v := getattr(self, axis)) is not None}


def _parsed(axis: str, value: Any) -> Sequence[Any]:
    items: list[Any] = [value] if isinstance(value, str | int | float) else list(value)
    if axis in WORD_AXES:
        return words(axis, items)
    known = NUMERIC_AXES[axis]
    typed = typed_duration if isinstance(known, grid.DurationAxis) else str
    return grid.parse_values(",".join(one if isinstance(one, str) else typed(one) for one in items), known)


def field(axis: str) -> str:
    """Return the field of a case that the axis sets."""
    return _FIELDS.get(axis, axis)


def is_field(axis: str) -> bool:
    """Whether the axis sets a field of a case: `keep_first` is another way to give `layers`."""
    return field(axis) in Case.__slots__


def of(case: Case, axis: str) -> Any:
    """Return the value of a case on that axis, which sets a field (`is_field`)."""
    return getattr(case, field(axis))


def words(flag: str, values: Sequence[str]) -> list[str]:
    """Return the valid values of an axis of names: implementations (globs, or module:Class), tasks, dtypes, ...

    Raises:
        UsageError: for an unknown name; the hint is the nearest known name.
    """
    if flag == "layers":  # one value holds commas
        return [checked_layers(value) for value in values]
    flat = [word.strip() for value in values for word in value.split(",") if word.strip()]
    if not flat:
        raise UsageError(f"--{flag}: no value given", hint=_known(flag))
    if flag in _GRAMMARS:
        return _GRAMMARS[flag](flat)
    fixed = WORD_AXES[flag]
    assert fixed is not None
    return catalog.select(flag, [DTYPE_ALIASES.get(word, word) if flag == "dtype" else word for word in flat], fixed)


def one_implementation(flag: str, text: str) -> str:
    """Return the implementation that the text of a flag such as `--base-impl` names.

    Raises:
        UsageError: for an empty text, an unknown name, and several implementations.
    """
    check_given(flag, text)
    names = catalog.select_implementations([word.strip() for word in text.split(",") if word.strip()])
    if len(names) != 1:
        raise UsageError(f"{flag} {text!r}: {len(names)} implementations", hint="name one: dct-x")
    return names[0]


def check_given(flag: str, text: str) -> None:
    """Refuse an empty text of a flag that names an implementation, which need not be one of the catalog.

    Raises:
        UsageError: for a text of nothing but spaces and commas.
    """
    if not any(map(str.strip, text.split(","))):
        raise UsageError(f"{flag}: no value given", hint=_known("impl"))


def _known(axis: str) -> str:
    """Return the hint that says which values an axis of names has."""
    if axis == "model":
        return catalog.MODEL_HINT
    fixed = tuple(INPUTS) if axis == "input" else WORD_AXES[axis]
    return f"known: {', '.join(fixed)}" if fixed else f"see `dctbench list {axis}s`"


def _devices(flat: Sequence[str]) -> list[str]:
    """Return the devices that the words name, normalised: `cuda` is `cuda:0`; `cpu` and `mps` have no number."""
    chosen: dict[str, None] = {}
    for word in flat:
        name, colon, index = word.partition(":")
        if name == "gpu":  # of the known names `cpu` is spelled most like it
            raise UsageError(
                f"unknown device {word!r}; did you mean {word.replace('gpu', 'cuda', 1)!r}?",
                hint=f"known: {', '.join(sorted(catalog.DEVICES))}",
            )
        for kind in catalog.select("device", [name], catalog.DEVICES):
            if colon and (kind != "cuda" or not index.isascii() or not index.isdigit()):
                raise UsageError(
                    f"device {word!r}: only GPUs are numbered, as in cuda:0",
                    hint=f"known: {', '.join(sorted(catalog.DEVICES))}",
                )
            if len(index) > _DIGITS:
                raise UsageError(
                    f"device {shorten(word)!r}: no machine has that many GPUs", hint="number them from 0: cuda:0"
                )
            chosen[f"cuda:{int(index or 0)}" if kind == "cuda" else kind] = None
    return list(chosen)


_GRAMMARS: Mapping[str, Callable[[list[str]], list[str]]] = {
    "impl": catalog.select_implementations,
    "task": select_tasks,
    "device": _devices,
    "model": lambda flat: [catalog.checked_model(word) for word in flat],
    "input": lambda flat: list(dict.fromkeys(map(checked_input, flat))),
}
"""How the words of an axis are read whose values are more than a list of names."""
