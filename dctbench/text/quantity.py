"""The kinds of quantity that metrics and budgets hold: their SI unit and how their values are written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from dctbench.text.format import (
    format_at_most,
    format_count,
    format_proportion,
    format_relative_error,
    format_seconds,
    format_size,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One kind of quantity.

    Attributes:
        unit: the SI unit, `1` for a plain number.
        format: three digits and a convenient multiple of the unit: `1.50 MiB`.
        format_exactly: all digits that matter, for two values that `format` writes alike: `1,572,872 B`.
        least, most: what a value can be. Any other was not measured.
    """

    unit: str
    format: Callable[[float], str]
    format_exactly: Callable[[float], str]
    least: float = -math.inf
    most: float = math.inf

    def format_apart(self, one: float, other: float) -> tuple[str, str]:
        """Return the texts of two values: exact ones where the values differ and `format` writes both alike."""
        alike = one != other and self.format(one) == self.format(other)
        write = self.format_exactly if alike else self.format
        return write(one), write(other)


SHORTEST, LONGEST = 1e-10, 1e6
"""Seconds. The range suits every machine and keeps the exponentials of intervals finite."""
SECONDS = Quantity("s", format_seconds, lambda value: f"{value:.6g} s", SHORTEST, LONGEST)
BYTES = Quantity("B", format_size, lambda value: f"{value:,.0f} B", 0.0)
FLOP = Quantity("FLOP", lambda value: format_count(value, "FLOP"), lambda value: f"{value:,.0f} FLOP", 1.0)
"""A count of zero means that nothing was counted, and is never stored. Rates and ratios divide by it."""
JOULES = Quantity("J", lambda value: format_count(value, "J"), lambda value: f"{value:.6g} J", 0.0)
HERTZ = Quantity("Hz", lambda value: format_count(value, "Hz"), lambda value: f"{value:.6g} Hz", 0.0)
CALLS = Quantity("1", lambda value: f"{value:.0f}", lambda value: f"{value:.0f}", 0.0)
PROPORTION = Quantity("1", format_proportion, lambda value: f"{100 * value:.6g}%", 0.0, 1.0)
AT_MOST = Quantity("1", format_at_most, PROPORTION.format_exactly, 0.0, 1.0)
RELATIVE_ERROR = Quantity("1", format_relative_error, lambda value: f"{value:.6g}", 0.0)
SHARE = Quantity("1", lambda value: f"{value:.3f}", lambda value: f"{value:.6g}")
NATS = Quantity("nat", lambda value: f"{value:.3g} nat", lambda value: f"{value:.6g} nat", 0.0)
