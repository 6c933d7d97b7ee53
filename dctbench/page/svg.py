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

WIDTH, HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 14, 46
_LINE_HEIGHT = 18
_MOST_NAMES = (HEIGHT - _TOP) // _LINE_HEIGHT

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
    x = _scale(lengths[0], lengths[-1], _LEFT + 14, WIDTH - _RIGHT - 14)
    y = _scale(min(seconds), max(seconds), HEIGHT - _BOTTOM - 10, _TOP + 10)
    svg = ElementTree.Element(
        "svg",
        {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "aria-label": "Latency against sequence length"},
    )
    _axes(svg, x, y, lengths, seconds)
    curves: dict[str, dict[int, Summary]] = {}
    for summary in summaries:
        curves.setdefault(labels.curve(summary.case), {})[summary.case.seq_len] = summary
    for place, (name, members) in enumerate(curves.items()):
        look = styles[next(iter(members.values())).case]
        points = [(x(n), y(found.timed.value)) if (found := members.get(n)) and found.timed else None for n in lengths]
        _curve(svg, look, points)
        if place < _MOST_NAMES:
            _name(svg, look, name, place)
    return ElementTree.tostring(svg, encoding="unicode")


def _scale(low: float, high: float, first: float, last: float) -> Scale:
    """Return the logarithmic map from [low, high] to [first, last].

    A single value is mapped to the middle, with a tenth of it on either side so that ticks beside it stand apart.
    """
    if low == high:
        low, high = low / 1.1, high * 1.1
    return lambda value: round(first + (last - first) * math.log(value / low) / math.log(high / low), 1)


def _axes(svg: ElementTree.Element, x: Scale, y: Scale, lengths: Sequence[int], seconds: Sequence[float]) -> None:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    across, up = length_axis(lengths, WIDTH - _LEFT - _RIGHT - 28), second_axis(seconds, "latency")
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
    left, middle = WIDTH - _RIGHT + 14, _TOP + 8 + place * _LINE_HEIGHT
    sample = {"d": f"M{left} {middle}h22", "stroke-width": f"{look.width}"} | _painted("stroke", look)
    ElementTree.SubElement(svg, "path", sample)
    _text(svg, name, left + 28, middle + 4, "start")


def _painted(attribute: str, look: Look) -> dict[str, str]:
    """A fill or stroke. A browser that does not know light-dark() ignores the style and takes the attribute."""
    return {attribute: look.light, "style": f"{attribute}: {look.color}"}


def _line(svg: ElementTree.Element, x1: float, y1: float, x2: float, y2: float) -> None:
    ElementTree.SubElement(
        svg, "path", {"d": f"M{x1} {y1}L{x2} {y2}", "stroke": "currentColor", "stroke-opacity": "0.15"}
    )


def _text(svg: ElementTree.Element, text: str, x: float, y: float, anchor: str) -> None:
    element = ElementTree.SubElement(
        svg, "text", {"x": f"{x}", "y": f"{y}", "text-anchor": anchor, "font-size": "13", "fill": "currentColor"}
    )
    element.text = text
