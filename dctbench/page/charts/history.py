"""The history of a case: its latency in each run, the levels, and the change points between them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dctbench.compare.history import ChangePoint, History, Point
from dctbench.page.charts.axes import Figure
from dctbench.page.palette import NEUTRAL, looks
from dctbench.text.format import format_ratio
from dctbench.wording.cells import interval_words
from dctbench.wording.history import when

_TICKS = 6
_HOVER = "%{customdata}<extra></extra>"


def history_chart(found: History, changes: Sequence[ChangePoint]) -> Figure:
    """Draw the latency of each run with its 95% interval, and the median of each level.

    A dotted line marks each change point and shows its factor. Runs are evenly spaced, because change points depend on
    their order and not on the days between them.
    """
    points = found.points
    return {
        "data": [_levels(points, changes), _points(found)] if changes else [_points(found)],
        "layout": {
            "xaxis": _run_axis(points),
            "yaxis": {"title": {"text": "latency", "standoff": 14}, "tickformat": ".3s", "ticksuffix": "s"},
            "shapes": [
                {
                    "type": "line", "xref": "x", "yref": "paper", "x0": change.position - 0.5,
                    "x1": change.position - 0.5, "y0": 0, "y1": 1, "line": {"color": NEUTRAL, "dash": "dot"},
                }
                for change in changes
            ],
            "annotations": [
                {
                    "text": format_ratio(change.factor), "xref": "x", "yref": "paper", "x": change.position - 0.5,
                    "y": 1, "xanchor": "left", "yanchor": "top", "showarrow": False,
                }
                for change in changes
            ],
            "showlegend": False,
        },
    }  # fmt: skip


def _points(found: History) -> Figure:
    look = looks([found.case], None)[found.case]
    latencies = [point.latency for point in found.points]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": escape(found.case.name, quote=False),
        "x": list(range(len(latencies))),
        "y": [latency.value for latency in latencies],
        "customdata": [_hover(found, point) for point in found.points],
        "hovertemplate": _HOVER,
        "marker": {"color": look.color, "symbol": look.symbol, "size": 8},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [latency.high - latency.value for latency in latencies],
            "arrayminus": [latency.value - latency.low for latency in latencies],
            "color": look.color,
            "thickness": 1,
            "width": 3,
        },
    }


def _levels(points: Sequence[Point], changes: Sequence[ChangePoint]) -> Figure:
    starts = [0, *(change.position for change in changes)]
    ends = [*(change.position for change in changes), len(points)]
    heights = [changes[0].before, *(change.after for change in changes)]
    x: list[float | None] = []
    y: list[float | None] = []
    for start, end, height in zip(starts, ends, heights, strict=True):
        x += [start - 0.5, end - 0.5, None]
        y += [height, height, None]
    return {
        "type": "scatter", "mode": "lines", "name": "median of the level", "x": x, "y": y, "connectgaps": False,
        "hoverinfo": "skip", "line": {"color": NEUTRAL, "width": 2},
    }  # fmt: skip


def _run_axis(points: Sequence[Point]) -> Figure:
    every = max(1, -(-len(points) // _TICKS))
    at = list(range(0, len(points), every))
    return {
        "title": {"text": "runs, in order of arrival"},
        "tickmode": "array",
        "tickvals": at,
        "ticktext": [escape(points[i].run.started_at[:10], quote=False) for i in at],
        "range": [-0.5, len(points) - 0.5],
    }


def _hover(found: History, point: Point) -> str:
    beside = (
        f"<br>{format_ratio(point.speedup.ratio)} vs {escape(found.reference, quote=False)}" if point.speedup else ""
    )
    run = escape(f"{point.run.short_id}, {when(point.run)}", quote=False)
    return f"{run}<br>{interval_words(point.latency, point.samples)}{beside}"
