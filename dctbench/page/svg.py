"""The latency chart as SVG in the page, for readers whose server or browser runs no scripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree

from dctbench.analysis import Summary
from dctbench.model import Case
from dctbench.page.charts.axes import length_axis, second_axis
from dctbench.page.palette import Look
from dctbench.wording.labels import Labels

HEIGHT = 420
_LEFT, _TOP, _BOTTOM = 70, 14, 46
_END = 590
"""Where the lines end and their names begin. What the names need is added to the width."""
_SAMPLE, _LEAST_NAMES = 42, 128
_FONT, _LINE_HEIGHT = 13, 18
_MOST_NAMES = (HEIGHT - _TOP) // _LINE_HEIGHT
_WIDEST = 0.6
"""Of a character, as a share of the font size, in the mean over a name."""

Scale = Callable[[float], float]


def latency_svg(summaries: Sequence[Summary], styles: Mapping[Case, Look], labels: Labels) -> str | None:
    """Draw latency against n on logarithmic axes, with a line per curve that breaks where nothing was timed.

    Returns:
        An `<svg>` element in the colours of its surroundings, or None if nothing was timed.
    """
    timed = [s for s in summaries if s.timed]
    if not timed:
        return None
    lengths = sorted({s.case.seq_len for s in summaries})
    seconds = [s.timed.value for s in timed if s.timed]
    x = _scale(lengths[0], lengths[-1], _LEFT + 14, _END - 14)
    y = _scale(min(seconds), max(seconds), HEIGHT - _BOTTOM - 10, _TOP + 10)
    curves: dict[str, dict[int, Summary]] = {}
    for summary in summaries:
        curves.setdefault(labels.curve(summary.case), {})[summary.case.seq_len] = summary
    named = len(curves) if len(curves) <= _MOST_NAMES else _MOST_NAMES - 1
    width = _END + _SAMPLE + max([_LEAST_NAMES, *(text_width(name, _FONT) for name in list(curves)[:named])])
    svg = ElementTree.Element(
        "svg",
        {"viewBox": f"0 0 {width} {HEIGHT}", "role": "img", "aria-label": "Latency against sequence length"},
    )
    _axes(svg, x, y, lengths, seconds)
    for place, (name, members) in enumerate(curves.items()):
        look = styles[next(iter(members.values())).case]
        points = [(x(n), y(found.timed.value)) if (found := members.get(n)) and found.timed else None for n in lengths]
        _curve(svg, look, points)
        if place < named:
            _name(svg, look, name, place)
    if named < len(curves):
        _text(svg, f"and {len(curves) - named} more", _END + _SAMPLE, _middle(named) + 4, "start")
    return ElementTree.tostring(svg, encoding="unicode")


def text_width(text: str, font: int) -> int:
    """Return the width of a text in a font of that size, which no text in the fonts of the page exceeds by much."""
    return math.ceil(_WIDEST * font * len(text))


def _scale(low: float, high: float, first: float, last: float) -> Scale:
    """Return the logarithmic map from [low, high] to [first, last].

    A single value is mapped to the middle, with a tenth of it on either side so that ticks beside it stand apart.
    """
    if low == high:
        low, high = low / 1.1, high * 1.1
    return lambda value: round(first + (last - first) * math.log(value / low) / math.log(high / low), 1)


def _axes(svg: ElementTree.Element, x: Scale, y: Scale, lengths: Sequence[int], seconds: Sequence[float]) -> None:
    right, bottom = _END, HEIGHT - _BOTTOM
    across, up = length_axis(lengths, _END - _LEFT - 28), second_axis(seconds, "latency")
    for value, text in zip(across["tickvals"], across["ticktext"], strict=True):
        _line(svg, x(value), _TOP, x(value), bottom)
        _text(svg, text, x(value), bottom + 18, "middle")
    for value, text in zip(up["tickvals"], up["ticktext"], strict=True):
        if _TOP <= y(value) <= bottom:
            _line(svg, _LEFT, y(value), right, y(value))
            _text(svg, text, _LEFT - 8, y(value) + 4, "end")
    _text(svg, "sequence length n", (_LEFT + right) / 2, HEIGHT - 8, "middle")


def _curve(svg: ElementTree.Element, look: Look, points: Sequence[tuple[float, float] | None]) -> None:
    path, pen_down = [], False
    for point in points:
        if point:
            path.append(f"{'L' if pen_down else 'M'}{point[0]} {point[1]}")
            circle = {"cx": f"{point[0]}", "cy": f"{point[1]}", "r": "3.5"} | _painted("fill", look)
            ElementTree.SubElement(svg, "circle", circle)
        pen_down = point is not None
    line = {"d": "".join(path), "fill": "none", "stroke-width": f"{look.width}"} | _painted("stroke", look)
    ElementTree.SubElement(svg, "path", line)


def _name(svg: ElementTree.Element, look: Look, name: str, place: int) -> None:
    left, middle = _END + 14, _middle(place)
    sample = {"d": f"M{left} {middle}h22", "stroke-width": f"{look.width}"} | _painted("stroke", look)
    ElementTree.SubElement(svg, "path", sample)
    _text(svg, name, _END + _SAMPLE, middle + 4, "start")


def _middle(place: int) -> int:
    return _TOP + 8 + place * _LINE_HEIGHT


def _painted(attribute: str, look: Look) -> dict[str, str]:
    """A fill or stroke. A browser that does not know light-dark() ignores the style and takes the attribute."""
    return {attribute: look.light, "style": f"{attribute}: {look.color}"}


def _line(svg: ElementTree.Element, x1: float, y1: float, x2: float, y2: float) -> None:
    ElementTree.SubElement(
        svg, "path", {"d": f"M{x1} {y1}L{x2} {y2}", "stroke": "currentColor", "stroke-opacity": "0.15"}
    )


def _text(svg: ElementTree.Element, text: str, x: float, y: float, anchor: str) -> None:
    element = ElementTree.SubElement(
        svg, "text", {"x": f"{x}", "y": f"{y}", "text-anchor": anchor, "font-size": f"{_FONT}", "fill": "currentColor"}
    )
    element.text = text
