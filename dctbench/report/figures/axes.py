"""Axes that engineers read: lengths and sizes as powers of two, times with their units, never 1.0000e+00."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Figure = dict[str, Any]
"""A figure, or a part of one, as plotly.js reads it."""


def length_axis(lengths: Sequence[int]) -> Figure:
    """Sequence lengths on a logarithmic axis, a tick at each that was measured."""
    return {
        "type": "log",
        "title": {"text": "sequence length n"},
        **_ticks(lengths, [str(n) for n in lengths]),
    }


def second_axis(seconds: Sequence[float], title: str, most_decades: int = 4) -> Figure:
    """Times on a logarithmic axis: ticks at 1, 2 and 5 in each decade, or at 1 alone over more than `most_decades`."""
    axis = {"type": "log", "title": {"text": title, "standoff": 14}}
    if not seconds:
        return axis
    ticks = _decimal_ticks(seconds, most_decades)
    return axis | _ticks(ticks, [_short(tick) for tick in ticks])


def _decimal_ticks(values: Sequence[float], most_decades: int) -> list[float]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = (1,) if high - low > most_decades else (1, 2, 5)
    return [step * 10.0**decade for decade in range(low, high + 1) for step in steps]


def _ticks(values: Sequence[float], texts: Sequence[str]) -> Figure:
    return {"tickmode": "array", "tickvals": list(values), "ticktext": list(texts)}


def _short(value: float) -> str:
    known = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
    scale, unit = next((pair for pair in known if value >= pair[0] * 0.999), known[-1])
    return f"{value / scale:.12g} {unit}"
