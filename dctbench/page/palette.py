"""The look of each method, the same in every figure: hue, dash and marker by method, lightness by curve of the method.

The hues can be distinguished with any colour vision. Dash and marker distinguish methods in black and white.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from dataclasses import dataclass

from dctbench.model import Case

_HUES = (0.58, 0.08, 0.44, 0.92, 0.14, 0.75, 0.33, 0.02, 0.52, 0.84)  # shares of the colour circle
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "triangle-down", "pentagon", "hexagon")
_NEUTRAL = "#7d8590"
_LIGHTNESS = (0.38, 0.68)
"""A compromise of one ramp on both grounds: light yellows have little contrast on white, dark blues on near-black."""


@dataclass(frozen=True, slots=True)
class Look:
    """The look of one line."""

    color: str
    dash: str
    symbol: str
    width: float


def looks(cases: Iterable[Case], reference: str | None) -> dict[Case, Look]:
    """Return the look of each case. It does not depend on the length. The reference is a thick neutral line."""
    cases = list(cases)
    steps: dict[str, set[tuple[object, ...]]] = {}
    for case in cases:
        steps.setdefault(case.implementation, set()).add(_step(case))
    ramps = {name: sorted(found) for name, found in steps.items()}
    methods = {name: index for index, name in enumerate(steps)}
    found = {}
    for case in cases:
        if case.implementation == reference:
            found[case] = Look(_NEUTRAL, "solid", "circle", 4.0)
            continue
        index, ramp = methods[case.implementation], ramps[case.implementation]
        share = ramp.index(_step(case)) / max(1, len(ramp) - 1) if any(case.compression) else 0.3
        lightness = _LIGHTNESS[0] + share * (_LIGHTNESS[1] - _LIGHTNESS[0])
        found[case] = Look(
            color=_hex(_HUES[index % len(_HUES)], lightness),
            dash=DASHES[index // len(_HUES) % len(DASHES)],
            symbol=_SYMBOLS[index % len(_SYMBOLS)],
            width=2.0,
        )
    return found


def _step(case: Case) -> tuple[object, ...]:
    """What orders the curves of a method: what it keeps, and what it replaces in a model."""
    return (case.compression, case.layers or "", case.recover or 0)


def _hex(hue: float, lightness: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.75)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
