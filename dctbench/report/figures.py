"""The figures as plain dicts that plotly.js draws: selected and coloured here, so that the page's script only draws.

Plain dicts rather than plotly's own classes: the same figures at a tenth of the time, and no pandas or numpy needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dctbench import units
from dctbench.analysis import Summary
from dctbench.report.labels import Labels
from dctbench.report.palette import Look, looks

Figure = dict[str, Any]
_HOVER = "%{fullData.name}<br>n = %{x}<br>%{customdata}<extra></extra>"


def latency(summaries: Sequence[Summary], reference: str | None, labels: Labels) -> Figure:
    """Median latency against n with 95% intervals, both axes logarithmic, one line per method and ratio.

    A case without a latency leaves a gap in its line: never a zero, never a straight line across it.
    """
    rows: dict[str, list[Summary]] = {}
    for summary in summaries:
        rows.setdefault(labels.curve(summary.case), []).append(summary)
    styles = looks([members[0].case for members in rows.values()], reference)
    traces = [_trace(name, members, styles[members[0].case]) for name, members in rows.items()]
    lengths = sorted({summary.case.seq_len for summary in summaries})
    seconds = [end for s in summaries if s.latency for end in (s.latency.low, s.latency.high)]
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "type": "log",
                "title": {"text": "sequence length n"},
                **_ticks(lengths, [str(n) for n in lengths]),
            },
            "yaxis": {"type": "log", "title": {"text": "latency, median", "standoff": 14}, **_second_ticks(seconds)},
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


def _ticks(values: Sequence[float], texts: Sequence[str]) -> Figure:
    return {"tickmode": "array", "tickvals": list(values), "ticktext": list(texts)}


def _second_ticks(seconds: Sequence[float]) -> Figure:
    """Ticks at 1, 2 and 5 in each decade, or at 1 alone where there are many decades, written with their unit."""
    if not seconds:
        return {}
    low, high = math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds)))
    steps = (1,) if high - low > 4 else (1, 2, 5)
    ticks = [step * 10.0**decade for decade in range(low, high + 1) for step in steps]
    return _ticks(ticks, [_short(tick) for tick in ticks])


def _short(value: float) -> str:
    scale, unit = next((s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")) if value >= s * 0.999)
    return f"{value / scale:.0f} {unit}"
