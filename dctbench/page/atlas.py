"""The atlas as one HTML file without scripts: a table and a drawing for each shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from dctbench.analysis import PayoffRange, Winner
from dctbench.analysis.atlas import Column, Sheet
from dctbench.page import assets
from dctbench.page.svg import text_width
from dctbench.runs.lookup import RecordedRun
from dctbench.wording import atlas as words
from dctbench.wording.labels import Labels

_PLOT, _LEAST_NAMES, _RIGHT, _TOP, _ROW, _FONT = 610, 124, 20, 26, 20, 12
_STATES = {Winner.FASTER: "faster", Winner.SLOWER: "slower", Winner.TIE: "tie"}


def atlas_html(
    sheets: Sequence[Sheet],
    runs: Mapping[str, Sequence[RecordedRun]],
    reference: str,
    heading: str = "Where does it pay?",
) -> str:
    """Return the page.

    Args:
        sheets: one for each shape.
        runs: by the name of their machine, for the provenance, each with the cases that are shown of it.
        reference: the method that the others are compared with.
        heading: of the page.
    """
    labels = Labels(sheet.case for sheet in sheets)
    page: str = assets.template("atlas.html.j2").render(
        heading=heading,
        reference=reference,
        style=assets.style(),
        sheets=[
            {
                "answer": words.answer(sheet, reference, labels),
                "shape": labels.facet(sheet.case),
                "columns": [column.name for column in sheet.columns],
                "rows": [
                    (name, [words.cell(found.get(column)) for column in sheet.columns])
                    for name, found in sheet.rows.items()
                ],
                "drawings": [
                    (name, drawing(found, sheet.columns, sheet.lengths)) for name, found in sheet.rows.items()
                ],
            }
            for sheet in sheets
        ],
        runs=[
            (name, found.run, found.environments.get(found.results[0].fingerprint), words.lengths(found.plan))
            for name, several in runs.items()
            for found in several
        ],
    )
    return page


def drawing(found: Mapping[Column, PayoffRange], columns: Sequence[Column], lengths: tuple[int, int]) -> str:
    """Draw one machine: a row for each method, a mark for each length, and a bar over the interval of each crossing.

    The marks are those of the legend: a filled circle where the method is proven to be faster, a cross where it is
    slower, a dash where the two are not told apart.
    """
    measured = [column for column in columns if column in found]
    height = _TOP + _ROW * len(measured) + 6
    left = 6 + max([_LEAST_NAMES, *(text_width(column.name, _FONT) for column in measured)])
    width = left + _PLOT + _RIGHT
    low, high = math.log(lengths[0]), math.log(max(lengths[1], lengths[0] + 1))

    def x(length: float) -> float:
        share = (math.log(length) - low) / (high - low)
        return round(left + 10 + share * (_PLOT - 20), 1)

    svg = ElementTree.Element(
        "svg",
        {"viewBox": f"0 0 {width} {height}", "role": "img", "class": "atlas",
         "aria-label": "; ".join(f"{column.name}: {words.cell(found[column])}" for column in measured)},
    )  # fmt: skip
    ticks = sorted({point.length for one in found.values() for point in one.points})
    step = -(-len(ticks) // 8)
    for length in ticks[::step]:
        _text(svg, str(length), x(length), 14, "middle")
        _path(svg, f"M{x(length)} {_TOP - 6}V{height}", "grid")
    for number, column in enumerate(measured):
        y = _TOP + _ROW * number + _ROW // 2
        _text(svg, column.name, left - 6, y + 4, "end")
        for crossing in found[column].crossings:
            ends = [min(max(end, lengths[0]), lengths[1]) for end in (crossing.earliest, crossing.latest)]
            _path(svg, f"M{x(ends[0])} {y}H{max(x(ends[1]), x(ends[0]) + 1)}", "crossing")
        for point in found[column].points:
            _mark(svg, x(point.length), y, _STATES[point.state])
    return ElementTree.tostring(svg, encoding="unicode")


def _mark(svg: ElementTree.Element, x: float, y: float, state: str) -> None:
    if state == "faster":
        ElementTree.SubElement(svg, "circle", {"cx": f"{x}", "cy": f"{y}", "r": "4.5", "class": state})
    elif state == "slower":
        _path(svg, f"M{x - 4} {y - 4}l8 8m0 -8l-8 8", state)
    else:
        _path(svg, f"M{x - 5} {y}h10", state)


def _path(svg: ElementTree.Element, drawn: str, kind: str) -> None:
    ElementTree.SubElement(svg, "path", {"d": drawn, "class": kind})


def _text(svg: ElementTree.Element, text: str, x: float, y: float, anchor: str) -> None:
    element = ElementTree.SubElement(
        svg, "text", {"x": f"{x}", "y": f"{y}", "text-anchor": anchor, "font-size": f"{_FONT}", "fill": "currentColor"}
    )
    element.text = text
