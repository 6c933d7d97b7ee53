"""The look of each method, the same in every figure: hue, dash and marker by method, lightness by curve of the method.

Each curve has two colours, one for a white and one for a dark ground. Each has a contrast of at least 3:1 with its own
ground (WCAG 2.1, criterion 1.4.11). Dash and marker distinguish methods in black and white.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable
from dataclasses import dataclass

from dctbench.model import Case

NEUTRAL = "#7d8590"
"""The colour of the reference and of lines that belong to no method, on either ground."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "triangle-down", "pentagon", "hexagon")
_ALONE = 0.3
"""The place on its ramp of a method's only curve."""
_LIGHT_DARK = re.compile(r"light-dark\((#[0-9a-f]{6}), #[0-9a-f]{6}\)")


@dataclass(frozen=True, slots=True)
class _Ramp:
    """The colours of one method on one ground: a saturation, and the lightness of its first and of its last curve."""

    saturation: float
    first: float
    last: float

    def color(self, hue: float, share: float) -> str:
        lightness = self.first + share * (self.last - self.first)
        channels = colorsys.hls_to_rgb(hue, lightness, self.saturation)
        return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


# Found by a search for ramps that stay far apart in CIELAB, whole against whole, with full colour vision and without
# one kind of cones (Machado, Oliveira and Fernandes, 2009). The first ones, which most reports need, are the farthest
# apart. Hues are shares of the colour circle.
_COLORS = (
    (0.63, _Ramp(1.0, 0.26, 0.6), _Ramp(1.0, 0.56, 0.75)),
    (0.12, _Ramp(1.0, 0.24, 0.37), _Ramp(1.0, 0.26, 0.51)),
    (0.41, _Ramp(0.7, 0.24, 0.38), _Ramp(0.7, 0.34, 0.63)),
    (0.9, _Ramp(0.85, 0.34, 0.57), _Ramp(0.85, 0.41, 0.66)),
    (0.19, _Ramp(0.4, 0.28, 0.43), _Ramp(0.4, 0.32, 0.48)),
    (0.74, _Ramp(0.4, 0.28, 0.58), _Ramp(0.4, 0.73, 0.92)),
    (0.26, _Ramp(0.55, 0.13, 0.28), _Ramp(0.7, 0.37, 0.76)),
    (0.96, _Ramp(0.4, 0.23, 0.58), _Ramp(0.85, 0.64, 0.83)),
    (0.54, _Ramp(0.4, 0.22, 0.4), _Ramp(0.55, 0.35, 0.54)),
    (0.83, _Ramp(0.85, 0.34, 0.58), _Ramp(0.7, 0.41, 0.8)),
)


@dataclass(frozen=True, slots=True)
class Look:
    """The look of one line. The colour is one of CSS: `light-dark(#…, #…)`, or the same on both grounds."""

    color: str
    dash: str
    symbol: str
    width: float

    @property
    def light(self) -> str:
        """The colour on a white ground."""
        found = _LIGHT_DARK.fullmatch(self.color)
        return found[1] if found else self.color


def looks(cases: Iterable[Case], reference: str | None) -> dict[Case, Look]:
    """Return the look of each case. It does not depend on the length. The reference is a thick neutral line."""
    cases = list(cases)
    steps: dict[str, set[tuple[object, ...]]] = {}
    for case in cases:
        steps.setdefault(case.implementation, set()).add(_step(case))
    ramps = {name: sorted(found) for name, found in steps.items()}
    methods = {name: index for index, name in enumerate(steps)}
    found = {
        (name, step): _look(methods[name], place / (len(ramp) - 1) if len(ramp) > 1 else _ALONE)
        for name, ramp in ramps.items()
        for place, step in enumerate(ramp)
    }
    if reference in ramps:
        found |= {(reference, step): Look(NEUTRAL, "solid", "circle", 4.0) for step in ramps[reference]}
    return {case: found[case.implementation, _step(case)] for case in cases}


def _look(method: int, share: float) -> Look:
    hue, on_white, on_dark = _COLORS[method % len(_COLORS)]
    return Look(
        color=f"light-dark({on_white.color(hue, share)}, {on_dark.color(hue, share)})",
        dash=DASHES[method // len(_COLORS) % len(DASHES)],
        symbol=_SYMBOLS[method % len(_SYMBOLS)],
        width=2.0,
    )


def _step(case: Case) -> tuple[object, ...]:
    """What orders the curves of a method: what it keeps, and what it replaces in a model."""
    return (case.compression, case.layers or "", case.recover or 0)
