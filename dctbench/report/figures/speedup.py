"""Where does it win: the speed-up over the reference as a map of method by length, coloured around 1x."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dctbench import analysis
from dctbench.analysis import Summary
from dctbench.report import rows
from dctbench.report.figures.axes import Figure
from dctbench.report.labels import Labels

_SCALE = [[0.0, "#b35806"], [0.25, "#fdb863"], [0.5, "#f7f7f7"], [0.75, "#b2abd2"], [1.0, "#542788"]]
"""Orange for slower, white at 1x, purple for faster: told apart with any colour vision."""
_SHORT = {"oom": "OOM", "timeout": "timeout", "unsupported": "unsupported", "error": "failed", "skipped": "skipped"}


def speedup(summaries: Sequence[Summary], reference: str, labels: Labels) -> Figure:
    """One cell per method and length: how many times as fast as the reference, or in a word why there is none.

    The colour is log2 of the ratio, cut off at 16x either way; the text in a cell is never cut off.
    """
    found = analysis.references(summaries, reference)
    others = [s for s in summaries if s.case.implementation != reference]
    curves = list(dict.fromkeys(labels.curve(s.case) for s in others))[::-1]
    lengths = sorted({s.case.seq_len for s in others})
    colors: list[list[float | None]] = [[None] * len(lengths) for _ in curves]
    texts = [[""] * len(lengths) for _ in curves]
    for summary in others:
        y, x = curves.index(labels.curve(summary.case)), lengths.index(summary.case.seq_len)
        against = analysis.compare(summary, found.get(summary.case.shape))
        colors[y][x] = None if against is None else max(-4.0, min(4.0, math.log2(against.ratio)))
        texts[y][x] = cell(summary, found.get(summary.case.shape))
    return {
        "data": [
            {
                "type": "heatmap",
                "x": [str(n) for n in lengths],
                "y": curves,
                "z": colors,
                "text": texts,
                "texttemplate": "%{text}",
                "hovertemplate": "%{y}<br>n = %{x}<br>%{text}<extra></extra>",
                "colorscale": _SCALE,
                "zmin": -4,
                "zmax": 4,
                "xgap": 2,
                "ygap": 2,
                "showscale": False,
            }
        ],
        "layout": {
            "xaxis": {"type": "category", "title": {"text": "sequence length n"}, "showgrid": False},
            "yaxis": {"type": "category", "showgrid": False},
            "height": 120 + 30 * len(curves),
        },
    }


def cell(summary: Summary, reference: Summary | None) -> str:
    """`▲ 3.20x`, `▼ 0.74x`, `= 1.05x`, or the reason why there is no ratio."""
    if summary.status != "ok":
        return _SHORT[summary.status]
    if reference is None or reference.latency is None:
        return "no reference" if reference is None else f"reference {_SHORT.get(reference.status, '')}"
    return rows.speedup_words(summary, reference)
