"""Small ways to write numbers, samples and sentences that the page's script reads back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dctbench.model import tidy_number

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Six bits a character; none of them needs escaping in JSON or HTML."""
LEVELS = len(ALPHABET)
SPARSE = 0.25
"""A column with values in fewer of its rows than this is written as row -> value."""

Words = Callable[[float], str]
Column = list[Any] | dict[int, Any] | int | float | str


def brief(value: float, scale: float = 1.0, *, fewest: int = 4, words: Words = str) -> float:
    """The value over `scale` with few digits that reads the same in words of no more digits: `fewest`, 6 or all.

    Rounding twice changes what is read only where the first rounding ends in a 5, which the second takes up or down,
    or at a new power of ten, where another unit may begin: then more digits are kept. Where not even all of them give
    the value back, `words` are what has to be the same.
    """
    scaled = _times(value, 1 / scale)
    for digits in (fewest, 6):
        text = f"{scaled:.{digits - 1}e}"
        short = float(text)
        if text[: digits + 1].rstrip("0")[-1] not in "5." or _times(short, scale) == value:
            return tidy_number(short)
    near = (scaled, math.nextafter(scaled, math.inf), math.nextafter(scaled, -math.inf))
    return tidy_number(next((one for one in near if words(_times(one, scale)) == words(value)), scaled))


def _times(value: float, scale: float) -> float:
    """As the page's script does it: by a millionth no number is multiplied, since that is no number of binary digits;
    divided by a million, 94950000 is the very number that 94.95 is.
    """
    return value * scale if scale >= 1 else value / round(1 / scale)


def column(values: Sequence[Any]) -> Column:
    """A column with a value or None for each row; row -> value where there are few, the value where there is one."""
    filled = {row: value for row, value in enumerate(values) if value is not None}
    if len(filled) <= SPARSE * len(values):
        return filled
    first = values[0]
    alike = isinstance(first, int | float | str) and all(value == first for value in values)
    return first if alike else list(values)


def columns(table: Mapping[str, Sequence[Any]]) -> dict[str, Column]:
    """The columns of a table, without those that hold nothing."""
    return {name: column(values) for name, values in table.items() if any(value is not None for value in values)}


def steps(values: Sequence[float], low: float, high: float) -> str:
    """Each value as a character: its place between `low` and `high` in 64 steps, which a small strip can show."""
    scale = (LEVELS - 1) / (high - low) if high > low else 0.0
    return "".join(ALPHABET[round((value - low) * scale)] for value in values)


def pairs(values: Sequence[int]) -> str:
    """Whole numbers under 4,096, two characters each."""
    return "".join(ALPHABET[value >> 6] + ALPHABET[value & 63] for value in values)


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
