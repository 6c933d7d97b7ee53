"""Which is fastest at my length: latency against n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dctbench import units
from dctbench.analysis import Summary
from dctbench.model import Case
from dctbench.report.figures.axes import Figure, length_axis, second_axis
from dctbench.report.labels import Labels
from dctbench.report.palette import Look

_HOVER = "%{fullData.name}<br>n = %{x}<br>%{customdata}<extra></extra>"


def latency(summaries: Sequence[Summary], styles: Mapping[Case, Look], labels: Labels) -> Figure:
    """Median latency against n with 95% intervals, both axes logarithmic, one line per method and ratio.

    A case without a latency leaves a gap in its line: never a zero, never a straight line across it.
    """
    rows: dict[str, list[Summary]] = {}
    for summary in summaries:
        rows.setdefault(labels.curve(summary.case), []).append(summary)
    traces = [_trace(name, members, styles[members[0].case]) for name, members in rows.items()]
    lengths = sorted({summary.case.seq_len for summary in summaries})
    seconds = [end for s in summaries if s.latency for end in (s.latency.low, s.latency.high)]
    return {
        "data": traces,
        "layout": {
            "xaxis": length_axis(lengths),
            "yaxis": second_axis(seconds, "latency, median"),
        },
    }


def _trace(name: str, members: Sequence[Summary], look: Look) -> Figure:
    members = sorted(members, key=lambda s: s.case.seq_len)
    values = [s.latency.value if s.latency else None for s in members]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [s.case.seq_len for s in members],
        "y": values,
        "customdata": [_hover(s) for s in members],
        "hovertemplate": _HOVER,
        "connectgaps": False,
        "line": {"color": look.color, "width": look.width, "dash": look.dash},
        "marker": {"color": look.color, "symbol": look.symbol, "size": 8},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [s.latency.high - s.latency.value if s.latency else None for s in members],
            "arrayminus": [s.latency.value - s.latency.low if s.latency else None for s in members],
            "color": look.color,
            "thickness": 1,
            "width": 3,
        },
    }


def _hover(summary: Summary) -> str:
    if summary.latency is None:
        return summary.status
    return f"{units.seconds(summary.latency.value)} ±{units.percent(summary.latency.relative_half_width)}"
