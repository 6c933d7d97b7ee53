"""Compact encodings of numbers, samples and sentences, which the page's script decodes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any

from dctbench.model import tidy_number

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Six bits per character. No character needs escaping in JSON or HTML."""
LEVELS = len(ALPHABET)
SPARSE = 0.25
"""A column with values in at most this share of its rows is written as row -> value."""

Formatter = Callable[[float], str]
Column = list[Any] | dict[int, Any] | int | float | str


def brief(value: float, scale: float = 1.0, *, fewest: int = 4, words: Formatter = str) -> float:
    """Return value / scale with as few digits as possible, so that its formatted text stays the same.

    Rounding twice changes the text only where the first rounding ends in a 5, which the second may round up or down,
    or at a power of ten, where another unit may begin. In these cases more digits are kept. If even all digits do not
    reproduce the value, the neighbouring floats are tried too.

    Args:
        value: to be formatted with at most `fewest` - 1 digits.
        scale: of the column, such as 1e-6 for µs.
        fewest: digits to try first; then 6, then all.
        words: formats the value.
    """
    shown = scaled(value, 1 / scale)
    for digits in (fewest, 6):
        text = f"{shown:.{digits - 1}e}"
        short = float(text)
        if text[: digits + 1].rstrip("0")[-1] not in "5." or scaled(short, scale) == value:
            return tidy_number(short)
    near = (shown, math.nextafter(shown, math.inf), math.nextafter(shown, -math.inf))
    return tidy_number(next((one for one in near if words(scaled(one, scale)) == words(value)), shown))


def brief_above(value: float, scale: float = 1.0, *, words: Formatter = str) -> float:
    """Return value / scale rounded up to few digits, for a column that limits are compared with.

    The script finds every limit broken that the value breaks. At six digits it finds every limit kept that the value
    keeps, unless somebody typed a limit of more digits. More are written where the formatted text would change.

    Args:
        value: not negative.
        scale: of the column, such as 1e-6 for µs.
        words: formats the value.
    """
    beside = math.nextafter(value, math.inf)  # an error of floating point: nothing was rounded up
    for digits in (6, 12):
        short = float(Context(prec=digits, rounding=ROUND_CEILING).divide(Decimal(repr(value)), Decimal(repr(scale))))
        read = scaled(short, scale)
        if read == value or (read > beside and words(read) == words(value)):
            return tidy_number(short)
    shown = scaled(value, 1 / scale)
    near = (math.nextafter(shown, -math.inf), shown, math.nextafter(shown, math.inf))
    return tidy_number(next(one for one in near if scaled(one, scale) >= value))


def scaled(value: float, scale: float) -> float:
    """value * scale, computed as the page's script does.

    1e-6 has no exact binary form, so the script divides by a million: 94950000 / 1e6 is exactly the float 94.95.
    """
    return value * scale if scale >= 1 else value / round(1 / scale)


def column(values: Sequence[Any]) -> Column:
    """Encode a value or None per row: as row -> value if there are few, as the value if all rows have the same."""
    filled = {row: value for row, value in enumerate(values) if value is not None}
    if len(filled) <= SPARSE * len(values):
        return filled
    first = values[0]
    alike = isinstance(first, int | float | str) and all(value == first for value in values)
    return first if alike else list(values)


def columns(table: Mapping[str, Sequence[Any]]) -> dict[str, Column]:
    """The encoded columns of a table, without the empty ones."""
    return {name: column(values) for name, values in table.items() if any(value is not None for value in values)}


def steps(values: Sequence[float], low: float, high: float) -> str:
    """Encode each value as a character: its position between `low` and `high` in 64 steps."""
    scale = (LEVELS - 1) / (high - low) if high > low else 0.0
    return "".join(ALPHABET[round((value - low) * scale)] for value in values)


def pairs(values: Sequence[int]) -> str:
    """Encode integers below 4096 as two characters each."""
    return "".join(ALPHABET[value >> 6] + ALPHABET[value & 63] for value in values)


def bits(positions: Sequence[int]) -> str:
    """Encode a set of small integers as bits, six per character, without trailing zeros."""
    words = [0] * ((max(positions) // 6 + 1) if positions else 0)
    for position in positions:
        words[position // 6] |= 1 << position % 6
    return "".join(ALPHABET[word] for word in words)


class Sentences:
    """Encodes sentences as the index of their form and their numbers: most sentences differ in their numbers only."""

    _NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")

    def __init__(self) -> None:
        self._forms: dict[tuple[str, ...], int] = {}

    @property
    def forms(self) -> list[list[str]]:
        """The text around the numbers, for each form."""
        return [list(form) for form in self._forms]

    def coded(self, text: str) -> str:
        """Return a code such as `3|512|4096`: form 3 with these numbers between its parts."""
        form = tuple(self._NUMBERS.split(text))
        number = self._forms.setdefault(form, len(self._forms))
        return "|".join([str(number), *self._NUMBERS.findall(text)])
