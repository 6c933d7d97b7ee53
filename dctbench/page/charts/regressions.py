"""A forest plot of the changes of latency since the baseline, with their intervals and the tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from dctbench.compare import ComparisonOutcome
from dctbench.compare.judgement import LATENCY
from dctbench.model import Verdict, VerdictKind
from dctbench.page.charts.axes import Figure
from dctbench.page.palette import NEUTRAL
from dctbench.text.format import format_ratio
from dctbench.wording.verdict_cells import labels_of
from dctbench.wording.verdict_numbers import both, change
from dctbench.wording.verdict_sentences import case_at_place

MOST = 60
"""The most rows; the page says how many more there are."""
_LOOKS = {
    VerdictKind.SLOWER: ("slower", "#d9600f", "triangle-right"),
    VerdictKind.FASTER: ("faster", "#7a6fd0", "triangle-left"),
    VerdictKind.INCONCLUSIVE: ("inconclusive", "#b8860b", "diamond-open"),
    VerdictKind.PASS: ("within the tolerance", NEUTRAL, "circle"),
}
_TICKS = {
    2.0: (0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5),
    10.0: (0.2, 0.33, 0.5, 0.8, 1, 1.25, 2, 3, 5),
    100.0: (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50),
}
"""Ticks by the largest ratio that the axis may span. Wider axes have a tick at each power of ten."""
_INTERVAL_MARGIN = 2.0
"""Intervals widen the axis by at most this factor, so that a wide one does not compress the others."""


def regressions_chart(outcome: ComparisonOutcome) -> Figure | None:
    """Draw the changes head / base of latency on a logarithmic axis, the largest on top; None without changes.

    The band is the tolerance. If kinds of devices have different tolerances, there is a band for each. The faint open
    mark is the raw change, before the change of the references was divided out. An incomparable case has only that.
    """
    drawn = changed(outcome)[:MOST]
    if not drawn:
        return None
    drawn = sorted(drawn, key=_size)  # plotly draws the first category at the bottom
    labels = labels_of(outcome)
    names = [escape(case_at_place(verdict, labels), quote=False) for verdict in drawn]
    tolerances = sorted(set(held_against(outcome).values()))
    low, high = _range(drawn, tolerances)
    return {
        "data": [*_raw(drawn, names), *_traces(drawn, names)],
        "layout": {
            "xaxis": {
                "type": "log",
                "title": {"text": "time, head / base"},
                "range": [math.log10(low), math.log10(high)],
                **_ticks(low, high),
            },
            "yaxis": {"type": "category", "categoryorder": "array", "categoryarray": names, "showgrid": False},
            "showlegend": True,
            "shapes": [*map(_band, tolerances), _line()],
            "height": 150 + 24 * len(drawn),
        },
    }


def changed(outcome: ComparisonOutcome) -> list[Verdict]:
    """The verdicts on latency that have a change: those that are not PASS first, then the largest changes."""
    found = [
        verdict
        for verdict in outcome.judgement.verdicts
        if verdict.metric == LATENCY and (verdict.effect or verdict.raw)
    ]
    return sorted(found, key=lambda verdict: (verdict.kind is VerdictKind.PASS, -abs(math.log(_size(verdict)))))


def held_against(outcome: ComparisonOutcome) -> dict[str, float]:
    """The tolerance of each kind of device that has a change."""
    return {v.case.device_kind: v.tolerance for v in changed(outcome) if v.tolerance is not None}


def has_raw(verdict: Verdict) -> bool:
    """Whether the raw change differs from the judged change. Pairs that took turns are judged by their raw change."""
    return verdict.raw is not None and verdict.raw != verdict.effect


def _size(verdict: Verdict) -> float:
    size = verdict.effect or verdict.raw
    assert size
    return size


def _traces(drawn: Sequence[Verdict], names: Sequence[str]) -> list[Figure]:
    traces = []
    for kind, (title, color, symbol) in _LOOKS.items():
        rows = [(name, v) for name, v in zip(names, drawn, strict=True) if v.kind is kind and v.effect is not None]
        if not rows:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": title,
                "x": [verdict.effect for _, verdict in rows],
                "y": [name for name, _ in rows],
                "customdata": [_hover(verdict) for _, verdict in rows],
                "hovertemplate": "%{y}<br>%{customdata}<extra></extra>",
                "marker": {"color": color, "symbol": symbol, "size": 10},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [_end(verdict.high, verdict) for _, verdict in rows],
                    "arrayminus": [_end(verdict.low, verdict) for _, verdict in rows],
                    "color": color,
                    "thickness": 1.5,
                    "width": 4,
                },
            }
        )
    return traces


def _raw(drawn: Sequence[Verdict], names: Sequence[str]) -> list[Figure]:
    rows = [(name, verdict) for name, verdict in zip(names, drawn, strict=True) if has_raw(verdict)]
    if not rows:
        return []
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": "raw change",
        "x": [verdict.raw for _, verdict in rows],
        "y": [name for name, _ in rows],
        "customdata": [_hover(verdict) for _, verdict in rows],
        "hovertemplate": "%{y}<br>raw %{x:.2f}x<br>%{customdata}<extra></extra>",
        "marker": {"color": NEUTRAL, "symbol": "circle-open", "size": 8, "opacity": 0.6},
    }
    return [marks]


def _end(end: float | None, verdict: Verdict) -> float | None:
    return None if end is None or verdict.effect is None else abs(end - verdict.effect)


def _hover(verdict: Verdict) -> str:
    base, head = both(verdict)
    against = "not comparable" if verdict.effect is None else change(verdict)
    return escape(f"{verdict.kind.value} {against}, {base} -> {head}", quote=False)


def _range(drawn: Sequence[Verdict], tolerances: Sequence[float]) -> tuple[float, float]:
    marks = [mark for v in drawn for mark in (v.effect, v.raw) if mark]
    marks += [end for tolerance in tolerances for end in (1 + tolerance, 1 / (1 + tolerance))]
    ends = [end for v in drawn for end in (v.low, v.high) if end]
    low, high = min(marks), max(marks)
    return (
        max(min([low, *ends]), low / _INTERVAL_MARGIN) / 1.08,
        min(max([high, *ends]), high * _INTERVAL_MARGIN) * 1.08,
    )


def _ticks(low: float, high: float) -> Figure:
    decades = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    ticks = next((found for span, found in _TICKS.items() if high / low <= span), decades)
    marks = [tick for tick in ticks if low <= tick <= high]
    return {"tickmode": "array", "tickvals": marks, "ticktext": [f"{mark:g}x" for mark in marks]}


def _band(tolerance: float) -> Figure:
    return {"type": "rect", "xref": "x", "yref": "paper", "x0": 1 / (1 + tolerance), "x1": 1 + tolerance, "y0": 0,
            "y1": 1, "fillcolor": NEUTRAL, "opacity": 0.15, "line": {"width": 0}, "layer": "below"}  # fmt: skip


def _line() -> Figure:
    return {"type": "line", "xref": "x", "yref": "paper", "x0": 1, "x1": 1, "y0": 0, "y1": 1,
            "line": {"color": NEUTRAL, "width": 1.5}}  # fmt: skip


def band_words(tolerance: float) -> str:
    """The ends of the band: `0.80x to 1.25x`."""
    return f"{format_ratio(1 / (1 + tolerance))} to {format_ratio(1 + tolerance)}"
