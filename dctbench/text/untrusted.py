"""How much of what others give us is taken: a text, a table of free form, a figure; and what is wrong, in words.

The same bounds hold for what a file brings and for what a measured process answers, so that whatever was stored can
be exported and read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from dctbench.text.sanitize import sanitize_text

_T = TypeVar("_T", bound=msgspec.Struct)

MAX_SAMPLES = 1_000_000
MAX_DEPTH = 6
MAX_FREE_VALUES = 10_000
MAX_TEXT = 100_000

Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Seconds = Annotated[float, Meta(ge=1e-10, le=1e6)]
"""A latency. Sixteen decades are enough for every machine, and few enough for the exponentials of intervals."""
Figure = Annotated[float, Meta(ge=-1e30, le=1e30)]
Free = Annotated[dict[str, Any], Meta(max_length=1000)]
"""A table whose keys are not fixed; `check_free` bounds what it holds."""


class InvalidDataError(Exception):
    """What is wrong with what was given, in words that follow its name."""


def check_free(table: Mapping[str, Any], place: str) -> None:
    """Bound the depth, the number of values and the length of the texts of a table whose keys are not fixed.

    Raises:
        Bad: naming the place.
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


def check_names(names: Iterable[str], place: str) -> None:
    """Refuse names with control characters: without these two names could become one, or none.

    Raises:
        Bad: naming the place.
    """
    for name in names:
        if not name.isprintable():
            raise InvalidDataError(f"{place}: the name {sanitize_text(name)!r} holds control characters")


def converted(table: Mapping[str, Any], kind: type[_T], place: str) -> _T:
    """What a table whose keys are not fixed says under the keys that are read, after `check_free`.

    Raises:
        Bad: naming the place.
    """
    check_free(table, place)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise InvalidDataError(sentence(str(error), place)) from None


def sentence(error: str, within: str = "") -> str:
    """``Expected `int`, got `str` - at `$.run.label` `` -> `run.label: expected int, got str`."""
    what, _, place = error.replace("`", "").partition(" - at ")
    place = within + place.removeprefix("key in ").removeprefix("$")
    what = what[:1].lower() + what[1:]
    return f"{place.removeprefix('.')}: {what}" if place else what
