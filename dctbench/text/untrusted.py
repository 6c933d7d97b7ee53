"""Limits on data from files and measured processes: texts, numbers and free-form tables, and errors in words.

Both sources have the same limits, so everything that was stored can be exported and read back. Which figures a metric
can have is in `catalog.why_not_measured`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from dctbench.text.quantity import LONGEST, SHORTEST
from dctbench.text.sanitize import sanitize_text

_T = TypeVar("_T", bound=msgspec.Struct)

MAX_SAMPLES = 1_000_000
MAX_METRICS = 100
MAX_WARNINGS = 1000
MAX_DEPTH = 6
MAX_FREE_VALUES = 10_000
MAX_TEXT = 100_000

Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Seconds = Annotated[float, Meta(ge=SHORTEST, le=LONGEST)]
"""A latency."""
LARGEST = 1e30
Number = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Free = Annotated[dict[str, Any], Meta(max_length=1000)]
"""A table with arbitrary keys; `check_free` limits its contents."""


class InvalidDataError(Exception):
    """Data from elsewhere is invalid; the message says where and why."""


def bounded(values: Iterable[Any], levels: int = MAX_DEPTH - 2) -> bool:
    """Return whether no number in JSON-like values is larger than a `Number`, and no value is nested too deeply."""
    for value in values:
        kind = type(value)
        if kind is float or kind is int:
            if not -LARGEST <= value <= LARGEST:
                return False
        elif kind is dict or kind is list:
            inner = value.values() if kind is dict else value
            if inner and not (levels and bounded(inner, levels - 1)):
                return False
    return True


def check_free(table: Mapping[str, Any], place: str) -> None:
    """Check depth, number of values, length of texts and size of numbers of a table with arbitrary keys.

    Raises:
        InvalidDataError: naming the place.
    """
    seen = 0
    level: list[Any] = [table]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value, *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and len(value) > MAX_TEXT:
                raise InvalidDataError(f"{place}: a text of more than {MAX_TEXT:,} characters")
        seen += len(below)
        if seen > MAX_FREE_VALUES:
            raise InvalidDataError(f"{place}: more than {MAX_FREE_VALUES:,} values")
        level = below
    if level:
        raise InvalidDataError(f"{place}: nested too deeply")
    if not bounded(table.values(), MAX_DEPTH):
        raise InvalidDataError(f"{place}: a number beyond all limits")


def check_names(names: Iterable[str], place: str) -> None:
    """Reject names with control characters, without which two names could become equal or empty.

    Raises:
        InvalidDataError: naming the place.
    """
    for name in names:
        if not name.isprintable():
            raise InvalidDataError(f"{place}: the name {sanitize_text(name)!r} holds control characters")


def converted(table: Mapping[str, Any], kind: type[_T], place: str) -> _T:
    """Return the fields of `kind` from a table with arbitrary keys, after `check_free`.

    Raises:
        InvalidDataError: naming the place.
    """
    check_free(table, place)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise InvalidDataError(validation_message(str(error), place)) from None


def validation_message(error: str, within: str = "") -> str:
    """Turn ``Expected `int`, got `str` - at `$.run.label` `` into `run.label: expected int, got str`."""
    what, _, place = error.replace("`", "").partition(" - at ")
    place = within + place.removeprefix("key in ").removeprefix("$")
    what = what[:1].lower() + what[1:]
    return f"{place.removeprefix('.')}: {what}" if place else what
