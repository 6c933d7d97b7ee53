"""Which values of stored JSON count as whole numbers, counts and numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dctbench.model.checks import is_count, is_number, is_whole


@pytest.mark.parametrize(
    ("value", "whole", "count", "number"),
    [
        (0, True, True, True),
        (3, True, True, True),
        (-1, True, False, True),
        (2**40, True, True, True),
        (2**40 + 1, True, False, True),
        (10**400, True, False, False),
        (-(10**400), True, False, False),
        (1.5, False, False, True),
        (1.7976931348623157e308, False, False, True),
        (math.inf, False, False, False),
        (-math.inf, False, False, False),
        (math.nan, False, False, False),
        (True, False, False, False),
        (False, False, False, False),
        (None, False, False, False),
        ("3", False, False, False),
        ([3], False, False, False),
    ],
)
def test_values_of_stored_json(value: Any, whole: bool, count: bool, number: bool) -> None:
    assert (is_whole(value), is_count(value), is_number(value)) == (whole, count, number)
