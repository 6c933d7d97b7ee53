"""A model's speed-up against the quality that it keeps, for each method, at once and after training."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from dctbench.analysis.in_model import InModel, Quality, Replaced
from dctbench.model import Case
from dctbench.page.charts.axes import Figure, error_bars
from dctbench.page.palette import NEUTRAL, Look
from dctbench.wording.in_model import change_words, metric_words, quality_words
from dctbench.wording.summary import speedup_with_interval


def in_model_chart(found: InModel, styles: Mapping[Case, Look]) -> Figure | None:
    """Draw quality against the speed-up of the whole model, with intervals; a line leads to the figure after training.

    The dashed line is Amdahl's limit: the speed-up with attention that costs nothing.

    Returns:
        A figure, or None if no method has both.
    """
    metric = found.metric
    drawn = [
        one for one in found.methods if one.speedup is not None and (metric in one.quality or metric in one.recovered)
    ]
    if not drawn:
        return None
    traces = [trace for one in drawn for trace in _method(one, metric, styles[one.summary.case])]
    original = found.original.values.get(metric)
    if original is not None:
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": "the model as it is", "x": [1.0], "y": [original],
                "hovertemplate": "the model as it is: %{y:.3f}<extra></extra>",
                "marker": {"color": NEUTRAL, "symbol": "star", "size": 13},
            }
        )  # fmt: skip
    limit = found.limit
    shapes = [] if limit is None else [
        {"type": "line", "yref": "paper", "x0": limit, "x1": limit, "y0": 0, "y1": 1,
         "line": {"color": NEUTRAL, "dash": "dash", "width": 1.5}}
    ]  # fmt: skip
    notes = [] if limit is None else [
        {"text": "attention for free", "x": limit, "yref": "paper", "y": 1, "xanchor": "right", "yanchor": "top",
         "showarrow": False}
    ]  # fmt: skip
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "speed-up of the whole model"}, "ticksuffix": "x"},
            "yaxis": {"title": {"text": escape(metric_words(found.metric), quote=False)}},
            "showlegend": True,
            "shapes": shapes,
            "annotations": notes,
        },
    }


def _method(one: Replaced, metric: str, look: Look) -> list[Figure]:
    assert one.speedup is not None
    case, ratio = one.summary.case, one.speedup.ratio
    name = escape(case.name, quote=False)
    points: list[tuple[str, int, Quality]] = []
    if metric in one.quality:
        points.append(("at once", 9, one.quality[metric]))
    if metric in one.recovered:
        points.append(("after training", 13, one.recovered[metric]))
    symbol = f"{look.symbol}-open" if one.control else look.symbol
    hovers = [
        f"{speedup_with_interval(one.speedup)} as fast<br>{quality_words(quality)} {when}<br>{change_words(quality)}"
        for when, _, quality in points
    ]
    intervals = [quality.interval for *_, quality in points]
    error_x: Figure = {"visible": False}
    if one.speedup.low is not None and one.speedup.high is not None:
        error_x = error_bars(
            [one.speedup.high - ratio] * len(points), [ratio - one.speedup.low] * len(points), look.color
        )
    return [
        {
            "type": "scatter", "mode": "lines+markers", "name": name, "legendgroup": case.id,
            "x": [ratio] * len(points), "y": [quality.value for *_, quality in points], "customdata": hovers,
            "hovertemplate": "%{fullData.name}<br>%{customdata}<extra></extra>",
            "line": {"color": look.color, "dash": "dot", "width": 1.2},
            "marker": {"color": look.color, "size": [size for _, size, _ in points], "symbol": symbol},
            "error_x": error_x,
            "error_y": error_bars(
                [0.0 if i is None else i.high - q.value for i, (*_, q) in zip(intervals, points, strict=True)],
                [0.0 if i is None else q.value - i.low for i, (*_, q) in zip(intervals, points, strict=True)],
                look.color,
            ),
        }
    ]  # fmt: skip
