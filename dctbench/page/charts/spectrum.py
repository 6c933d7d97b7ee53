"""The share of an input's energy against the share of its numbers that is kept, by the DCT and by means of windows."""

from __future__ import annotations

from dctbench.analysis.spectrum import OnInput
from dctbench.page.charts.axes import Figure
from dctbench.page.palette import NEUTRAL
from dctbench.wording.spectrum import NOISE

_COLORS = {"x": NEUTRAL, "q": "#2f81c7", "k": "#c77f2f", "v": "#2fa36b"}


def spectrum_chart(found: OnInput) -> Figure:
    """Draw a solid line for the DCT and a dotted one for windows, for x, q, k and v; noise is a dashed line."""
    spectrum, seq_len = found.spectrum, found.case.seq_len
    x = [kept / seq_len for kept in spectrum.kept]
    traces: list[Figure] = [
        {
            "type": "scatter", "mode": "lines+markers", "name": f"{part}, {what}", "x": x, "y": list(table[part]),
            "customdata": list(spectrum.kept),
            "line": {"color": _COLORS[part], "dash": dash, "width": 2},
            "marker": {"color": _COLORS[part], "size": 7, "symbol": symbol},
            "hovertemplate": f"%{{fullData.name}}<br>%{{y:.1%}} with %{{customdata}} of {seq_len}<extra></extra>",
        }
        for part in spectrum.parts
        for what, table, dash, symbol in (
            ("DCT", spectrum.dct, "solid", "circle"), ("windows", spectrum.pool, "dot", "square-open"),
        )
    ]  # fmt: skip
    traces.append(
        {
            "type": "scatter", "mode": "lines", "name": NOISE,
            "x": x, "y": [found.even(kept) for kept in spectrum.kept],
            "line": {"color": NEUTRAL, "dash": "dash", "width": 1.5},
            "hovertemplate": "%{fullData.name}<br>%{y:.1%}<extra></extra>",
        }
    )  # fmt: skip
    ticks = dict(zip(x, spectrum.kept, strict=True))
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "type": "log",
                "title": {"text": f"numbers kept, of {seq_len}"},
                "tickvals": list(ticks),
                "ticktext": [str(kept) for kept in ticks.values()],
            },
            "yaxis": {
                "title": {"text": "share of the energy"},
                "tickformat": ".0%",
                "range": [0, 1.03],
            },
            "showlegend": True,
        },
    }
