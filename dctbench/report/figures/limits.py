"""What limits it: where the time of a call goes, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dctbench.analysis import Standing, Summary
from dctbench.report.figures.axes import Figure

_STAGES = {"projections": "#4c78a8", "attention": "#f58518", "transform": "#54a24b", "other": "#9d9da1"}


def split(standing: Standing) -> Figure | None:
    """The share of each stage in a call's time, a bar per method at one shape; None where no split was taken."""
    taken = [(s, found) for s in standing.ranked if (found := _shares(s))]
    if not taken:
        return None
    names = [s.case.name for s, _ in taken][::-1]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": stage,
            "y": names,
            "x": [round(100 * shares.get(stage, 0.0), 1) for _, shares in taken][::-1],
            "hovertemplate": "%{y}<br>%{fullData.name} %{x}%<extra></extra>",
            "marker": {"color": color},
        }
        for stage, color in _STAGES.items()
    ]
    return {
        "data": traces,
        "layout": {
            "barmode": "stack",
            "xaxis": {"title": {"text": "share of a call's time"}, "ticksuffix": "%", "range": [0, 100]},
            "yaxis": {"type": "category"},
            "height": 140 + 30 * len(names),
        },
    }


def _shares(summary: Summary) -> Mapping[str, Any] | None:
    found = summary.details.get("split")
    shares = found.get("shares") if isinstance(found, Mapping) else None
    return shares if isinstance(shares, Mapping) else None
