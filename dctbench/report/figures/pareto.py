"""What do I give up: latency against error at one length, with the front that nothing dominates."""

from __future__ import annotations

from collections.abc import Mapping

from dctbench import analysis, units
from dctbench.analysis import Standing, Summary
from dctbench.model import Case
from dctbench.report.figures.axes import Figure, second_axis
from dctbench.report.palette import Look
from dctbench.report.rows import error_words, latency_words

_LEAST_ERROR = 1e-8  # exact methods in float64 differ by less, and a logarithmic axis has no zero


def pareto(standing: Standing, styles: Mapping[Case, Look]) -> Figure | None:
    """One mark per method and ratio at the shape, its area by memory; None where no error was measured."""
    measured = [s for s in standing.ranked if "error.smooth" in s.values and s.latency]
    if not measured:
        return None
    points = [(s.latency.value, _error(s)) for s in measured if s.latency]
    best = analysis.front(points)
    most = max((s.memory or 0.0) for s in measured) or 1.0
    traces: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "nothing is better in both",
            "x": [points[i][0] for i in best],
            "y": [points[i][1] for i in best],
            "line": {"color": "#7d8590", "dash": "dot", "shape": "hv", "width": 1.5},
            "hoverinfo": "skip",
        }
    ]
    for summary, (seconds, error) in zip(measured, points, strict=True):
        look = styles[summary.case]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": summary.case.name,
                "x": [seconds],
                "y": [error],
                "customdata": [_hover(summary)],
                "hovertemplate": "%{fullData.name}<br>%{customdata}<extra></extra>",
                "marker": {
                    "color": look.color,
                    "symbol": look.symbol,
                    "size": round(9 + 17 * ((summary.memory or 0.0) / most) ** 0.5, 1),
                },
            }
        )
    return {
        "data": traces,
        "layout": {
            "xaxis": second_axis([seconds for seconds, _ in points], "latency, median"),
            "yaxis": {
                "type": "log",
                "title": {"text": "relative error, smooth input", "standoff": 14},
                "exponentformat": "power",
                "dtick": 1,
            },
        },
    }


def _error(summary: Summary) -> float:
    return max(summary.values["error.smooth"], _LEAST_ERROR)


def _hover(summary: Summary) -> str:
    memory = "memory not measured" if summary.memory is None else units.size(summary.memory)
    return f"{latency_words(summary)}, error {error_words(summary)}, {memory}"
