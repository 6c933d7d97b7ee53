"""Whether a value of stored JSON is what this version writes there."""

from __future__ import annotations

import sys
from typing import TypeGuard

MOST = 1 << 40
"""No count is larger."""


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number. True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_count(value: object) -> TypeGuard[int]:
    """Whether it is a whole number from 0 on, of a size that can be counted."""
    return is_whole(value) and 0 <= value <= MOST


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a finite number that a float can hold. True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # math.isfinite raises for a longer whole number
