"""Small ways to write numbers, samples and sentences that the page's script reads back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Six bits a character; none of them needs escaping in JSON or HTML."""
LEVELS = len(ALPHABET) ** 2
SPARSE = 0.25
"""A column with values in fewer of its rows than this is written as row -> value."""

Column = list[Any] | dict[int, Any]


def brief(value: float, said: Callable[[float], str], scale: float = 1.0) -> float:
    """The value over `scale` with the fewest digits (4, 6 or all) that read the same when `said` puts it in words."""
    words = said(value)
    for digits in (4, 6):
        rounded = float(f"{value / scale:.{digits}g}")
        if said(rounded * scale) == words:
            return int(rounded) if rounded.is_integer() else rounded
    return value / scale


def column(values: Sequence[Any]) -> Column:
    """A column with a value or None for each row; row -> value where there are few."""
    filled = {row: value for row, value in enumerate(values) if value is not None}
    return list(values) if len(filled) > SPARSE * len(values) else filled


def columns(table: Mapping[str, Sequence[Any]]) -> dict[str, Column]:
    """The columns of a table, without those that hold nothing."""
    return {name: column(values) for name, values in table.items() if any(value is not None for value in values)}


def coded(samples: Sequence[float], most: int) -> str:
    """Samples in order, two characters each: places between the least and the greatest, in 4,096 steps.

    Args:
        samples: any, in one unit.
        most: how many may be written; of more, every k-th is.
    """
    low, high = min(samples), max(samples)
    step = -(-len(samples) // most)
    span = (high - low) or 1.0
    places = (round((sample - low) / span * (LEVELS - 1)) for sample in samples[::step])
    return "".join(ALPHABET[place >> 6] + ALPHABET[place & 63] for place in places)


def bits(positions: Sequence[int]) -> str:
    """A set of small numbers, six to a character, without trailing zeros."""
    words = [0] * ((max(positions) // 6 + 1) if positions else 0)
    for position in positions:
        words[position // 6] |= 1 << position % 6
    return "".join(ALPHABET[word] for word in words)


class Sentences:
    """Sentences written as the number of their form and what differs: most tell the same of other numbers."""

    _NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")

    def __init__(self) -> None:
        self._forms: dict[tuple[str, ...], int] = {}

    @property
    def forms(self) -> list[list[str]]:
        """What stands between the numbers, form by form."""
        return [list(form) for form in self._forms]

    def coded(self, text: str) -> str:
        """`3|512|4096`: form 3 with those numbers put between its parts."""
        form = tuple(self._NUMBERS.split(text))
        number = self._forms.setdefault(form, len(self._forms))
        return "|".join([str(number), *self._NUMBERS.findall(text)])
