"""The kinds of quantity that metrics and budgets hold: their SI unit and how their values are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dctbench.text.format import format_count, format_proportion, format_relative_error, format_seconds, format_size


@dataclass(frozen=True, slots=True)
class Quantity:
    """One kind of quantity.

    Attributes:
        unit: the SI unit, `1` for a plain number.
        format: three digits and a convenient multiple of the unit: `1.50 MiB`.
        format_exactly: all digits that matter, for two values that `format` writes alike: `1,572,872 B`.
    """

    unit: str
    format: Callable[[float], str]
    format_exactly: Callable[[float], str]


SECONDS = Quantity("s", format_seconds, lambda value: f"{value:.6g} s")
BYTES = Quantity("B", format_size, lambda value: f"{value:,.0f} B")
FLOP = Quantity("FLOP", lambda value: format_count(value, "FLOP"), lambda value: f"{value:,.0f} FLOP")
JOULES = Quantity("J", lambda value: format_count(value, "J"), lambda value: f"{value:.6g} J")
HERTZ = Quantity("Hz", lambda value: format_count(value, "Hz"), lambda value: f"{value:.6g} Hz")
CALLS = Quantity("1", lambda value: f"{value:.0f}", lambda value: f"{value:.0f}")
PROPORTION = Quantity("1", format_proportion, lambda value: f"{value:.6g}")
RELATIVE_ERROR = Quantity("1", format_relative_error, lambda value: f"{value:.6g}")
SHARE = Quantity("1", lambda value: f"{value:.3f}", lambda value: f"{value:.6g}")
NATS = Quantity("nat", lambda value: f"{value:.3g} nat", lambda value: f"{value:.6g} nat")
