"""What limits it: achieved FLOP/s against FLOPs per byte, under the ceilings that were measured on the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dctbench import units
from dctbench.analysis import Placed, Roof, Summary, distinct_roofs, under_roof
from dctbench.model import Case
from dctbench.report.figures.axes import Figure, count_axis
from dctbench.report.labels import Labels
from dctbench.report.palette import Look
from dctbench.report.words import under_roof as words

_CEILING = "#c0392b"  # as the machine's memory is drawn
_BEYOND = 2.0
"""How far the ceilings reach beyond the outermost marks, as a factor."""


def roofline(summaries: Sequence[Summary], styles: Mapping[Case, Look], labels: Labels) -> Figure:
    """A curve per method and ratio over the lengths of one setting, the marks growing with n; both axes logarithmic."""
    placed = [one for summary in summaries if (one := under_roof(summary))]
    if not placed:
        return {"data": [], "layout": {}}
    roofs = distinct_roofs(placed)
    curves: dict[str, list[Placed]] = {}
    for one in sorted(placed, key=lambda one: one.summary.case.seq_len):
        curves.setdefault(labels.curve(one.summary.case), []).append(one)
    lengths = sorted({one.summary.case.seq_len for one in placed})
    places = [one.intensity for one in placed] + [roof.ridge for roof in roofs]
    ends = min(places) / _BEYOND, max(places) * _BEYOND
    rates = [one.rate for one in placed] + [roof.reaches(end) for roof in roofs for end in ends]
    traces = [trace for roof in roofs for trace in _ceilings(roof, *ends)]
    traces += [_curve(name, members, styles[members[0].summary.case], lengths) for name, members in curves.items()]
    return {
        "data": traces,
        "layout": {
            "xaxis": count_axis(ends, "FLOP per byte moved at least"),
            "yaxis": count_axis(rates, "achieved rate", "FLOP/s"),
        },
    }


def _ceilings(roof: Roof, low: float, high: float) -> list[Figure]:
    """The memory's slope up to the ridge, and from there the flat ceiling of the products."""
    parts = (
        (f"memory: {units.count(roof.bandwidth, 'B/s')}", (low, roof.ridge), "dash"),
        (f"compute: {units.count(roof.compute, 'FLOP/s')}", (roof.ridge, high), "solid"),
    )
    return [
        {
            "type": "scatter", "mode": "lines", "name": name, "x": list(x), "y": [roof.reaches(one) for one in x],
            "hoverinfo": "name", "line": {"color": _CEILING, "dash": dash, "width": 2},
        }
        for name, x, dash in parts
    ]  # fmt: skip


def _curve(name: str, members: Sequence[Placed], look: Look, lengths: Sequence[int]) -> Figure:
    steps = max(1, len(lengths) - 1)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [one.intensity for one in members],
        "y": [one.rate for one in members],
        "customdata": [[one.summary.case.seq_len, words(one)] for one in members],
        "hovertemplate": "%{fullData.name}<br>n = %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        "line": {"color": look.color, "width": 0.75 * look.width, "dash": look.dash},
        "marker": {
            "color": look.color,
            "symbol": look.symbol,
            "opacity": 1,
            "line": {"width": 0},
            "size": [round(6 + 7 * lengths.index(one.summary.case.seq_len) / steps, 1) for one in members],
        },
    }
