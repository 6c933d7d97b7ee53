"""Bytes and latency against the number of ranks among which a sequence is divided."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dctbench.analysis.communication import OverRanks
from dctbench.page.charts.axes import Figure, second_axis
from dctbench.page.palette import Look
from dctbench.text.format import format_seconds, format_size

Drawn = Sequence[tuple[str, OverRanks, Look]]


def bytes_chart(drawn: Drawn) -> Figure:
    """Draw the bytes that each rank sends per call. One rank sends none."""
    traces = [
        _trace(name, look, [(p.case.ranks or 0, one.bytes(p) / 2**20, format_size(one.bytes(p))) for p in one.points])
        for name, one, look in drawn
    ]
    return _figure(drawn, traces, {"title": {"text": "MiB per call"}, "rangemode": "tozero"})


def latency_chart(drawn: Drawn) -> Figure:
    """Draw the latency of the slowest rank."""
    points = [
        [(p.case.ranks or 0, p.latency.value, format_seconds(p.latency.value)) for p in one.points if p.latency]
        for _, one, _ in drawn
    ]
    traces = [_trace(name, look, found) for (name, _, look), found in zip(drawn, points, strict=True)]
    return _figure(drawn, traces, second_axis([seconds for found in points for _, seconds, _ in found], "latency"))


def _trace(name: str, look: Look, points: Sequence[tuple[int, float, str]]) -> Figure:
    return {
        "type": "scatter", "mode": "lines+markers", "name": escape(name, quote=False),
        "x": [ranks for ranks, _, _ in points], "y": [value for _, value, _ in points],
        "customdata": [words for _, _, words in points],
        "hovertemplate": "%{fullData.name}<br>%{x} ranks: %{customdata}<extra></extra>",
        "line": {"color": look.color, "dash": look.dash, "width": look.width},
        "marker": {"color": look.color, "symbol": look.symbol, "size": 8},
    }  # fmt: skip


def _figure(drawn: Drawn, traces: list[Figure], vertical: Figure) -> Figure:
    ranks = sorted({point.case.ranks or 0 for _, one, _ in drawn for point in one.points})
    axis = {"title": {"text": "ranks"}, "type": "log", "tickmode": "array", "tickvals": ranks,
            "ticktext": [str(number) for number in ranks]}  # fmt: skip
    return {"data": traces, "layout": {"xaxis": axis, "yaxis": vertical, "showlegend": True}}
