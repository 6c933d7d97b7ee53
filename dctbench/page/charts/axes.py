"""Axes with readable ticks: lengths as powers of two, times with their units. And what the marks of charts share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

_TICK_WIDTH = 58
Figure = dict[str, Any]
"""A figure of plotly.js, or a part of one."""


def length_axis(lengths: Sequence[int], width: float) -> Figure:
    """Return a logarithmic axis of sequence lengths. The longest has a tick; shorter ones have one where there is room.

    Args:
        lengths: shortest first.
        width: of the axis in pixels.
    """
    octaves = math.log2(lengths[-1] / lengths[0]) or 1.0
    kept = [lengths[-1]]
    for n in reversed(lengths[:-1]):
        if width * math.log2(kept[0] / n) / octaves >= _TICK_WIDTH:
            kept.insert(0, n)
    return {
        "type": "log",
        "title": {"text": "sequence length n"},
        **_ticks(kept, [str(n) for n in kept]),
    }


def second_axis(seconds: Sequence[float], title: str, most_decades: int = 4) -> Figure:
    """Return a logarithmic axis of times.

    Ticks are at 1, 2 and 5 in each decade, or at 1 only where there are more decades than `most_decades`. Values so
    close that fewer than two of these ticks are visible get evenly spaced ticks.
    """
    axis = {"type": "log", "title": {"text": title, "standoff": 14}}
    if not seconds:
        return axis
    ticks = _decimal_ticks(seconds, most_decades)
    if sum(0.98 * min(seconds) <= tick <= 1.02 * max(seconds) for tick in ticks) < 2:
        ticks = _even_ticks(seconds)
    return axis | _ticks(ticks, [_short(tick) for tick in ticks])


def error_bars(above: Sequence[float], below: Sequence[float], color: str) -> Figure:
    """Return bars that reach so far above and below each mark."""
    return {"type": "data", "symmetric": False, "array": list(above), "arrayminus": list(below), "color": color,
            "thickness": 1.2, "width": 3}  # fmt: skip


def four_digits(value: float) -> float:
    """Return a number with four significant digits, which is as much as can be seen."""
    return float(f"{value:.4g}")


def _decimal_ticks(values: Sequence[float], most_decades: int) -> list[float]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = (1,) if high - low > most_decades else (1, 2, 5)
    return [step * 10.0**decade for decade in range(low, high + 1) for step in steps]


def _even_ticks(values: Sequence[float]) -> list[float]:
    low = min(values)
    span = max(values) - low or low / 10
    decade = 10.0 ** math.floor(math.log10(span / 2))
    step = decade * next(digit for digit in (5, 2, 1) if digit * decade <= span / 2)
    first = max(1, math.floor((low - span / 2) / step))
    return [float(f"{number * step:.12g}") for number in range(first, math.ceil((low + 1.5 * span) / step) + 1)]


def _ticks(values: Sequence[float], texts: Sequence[str]) -> Figure:
    return {"tickmode": "array", "tickvals": list(values), "ticktext": list(texts)}


def _short(value: float) -> str:
    known = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
    scale, unit = next((pair for pair in known if value >= pair[0] * 0.999), known[-1])
    return f"{value / scale:.10g} {unit}"
