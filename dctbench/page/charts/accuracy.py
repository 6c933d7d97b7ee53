"""Charts of accuracy: against what a method costs, kept at each ratio, and against the width of detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from dctbench.analysis import front
from dctbench.analysis.accuracy import Compared, TaskResults
from dctbench.analysis.resolution import Acuity
from dctbench.analysis.scores import Score
from dctbench.catalog import Kind
from dctbench.model import Case, ratio_words
from dctbench.page.charts.axes import Figure, error_bars, second_axis
from dctbench.page.palette import NEUTRAL, Look
from dctbench.stats.robust import Interval
from dctbench.wording.accuracy import accuracy_words, kept_words, resolution_words, standing_words, trained_with

_SEED_SIZE, _MEAN_SIZE = 5, 11


@dataclass(frozen=True, slots=True)
class Cost:
    """What a method costs: seconds with an interval, or the seconds alone, and the words for it."""

    seconds: float
    interval: Interval | None
    words: str


def accuracy_chart(
    results: TaskResults, costs: Mapping[Case, Cost], styles: Mapping[Case, Look], axis: str
) -> Figure | None:
    """Draw accuracy against cost, with intervals, every seed as a dot, and the front of methods that are not controls.

    Args:
        results: of one task.
        costs: by case; a method without one is left out.
        styles: of each case.
        axis: the title of the axis of costs.

    Returns:
        A figure, or None if no method has both.
    """
    drawn = [score for score in results.scores if score.mean is not None and score.case in costs]
    if not drawn:
        return None
    judged = {found.case: found for found in results.methods}
    counted = {score.case: judged[score.case].counted if score.case in judged else score for score in drawn}
    traces = [_front(list(counted.values()), costs)]
    for score in drawn:
        found = judged.get(score.case)
        words = ["the reference" if found is None else standing_words(found), *trained_with(score)]
        traces += _method(score, counted[score.case], costs[score.case], styles[score.case], words)
    seconds = [costs[score.case].seconds for score in drawn]
    values = [seed.accuracy for score in drawn for seed in score.seeds]
    return {
        "data": traces,
        "layout": {
            "xaxis": second_axis(seconds, axis),
            "yaxis": {"title": {"text": "accuracy on the test"}, "range": _range(values, 0.0, 1.0)},
            "showlegend": True,
        },
    }


def _range(values: Sequence[float], least: float, most: float) -> list[float]:
    """A range that shows all values. Long intervals are cut off, so that they do not compress what is between."""
    low, high = min(values), max(values)
    room = max(0.02, 0.08 * (high - low))
    return [max(least - 0.02, low - room), min(most + 0.02, high + room)]


def _front(drawn: Sequence[Score], costs: Mapping[Case, Cost]) -> Figure:
    """The methods that no other one beats in both, as steps.

    Controls are no candidates, and neither are layers that were trained with what their cost leaves out.
    """
    able = [s for s in drawn if s.summary.method.kind is not Kind.CONTROL and not s.options]
    points = [(costs[s.case].seconds, -(s.mean or 0.0)) for s in able]
    kept = [points[i] for i in front(points)]
    return {
        "type": "scatter", "mode": "lines", "name": "Pareto front", "x": [x for x, _ in kept],
        "y": [-y for _, y in kept], "line": {"color": NEUTRAL, "dash": "dot", "shape": "hv", "width": 1.5},
        "hoverinfo": "skip",
    }  # fmt: skip


def _method(score: Score, counted: Score, cost: Cost, look: Look, about: Sequence[str]) -> list[Figure]:
    """Every seed of a method as a dot, and the mean of those that its verdict compares."""
    control = score.summary.method.kind is Kind.CONTROL
    name = escape(score.case.name, quote=False)
    seeds = {
        "type": "scatter", "mode": "markers", "name": name, "legendgroup": score.case.id, "showlegend": False,
        "x": [cost.seconds] * len(score.seeds), "y": [seed.accuracy for seed in score.seeds], "hoverinfo": "skip",
        "marker": {"color": look.color, "size": _SEED_SIZE, "opacity": 0.45,
                   "symbol": ["x-thin-open" if seed.failed else "circle" for seed in score.seeds]},
    }  # fmt: skip
    symbol = f"{look.symbol}-open" if control else look.symbol
    hover = "<br>".join([f"{accuracy_words(counted)}, {cost.words}", *(escape(line, quote=False) for line in about)])
    mean = {
        "type": "scatter", "mode": "markers", "name": name, "legendgroup": score.case.id,
        "x": [cost.seconds], "y": [counted.mean], "customdata": [hover],
        "hovertemplate": "%{fullData.name}<br>%{customdata}<extra></extra>",
        "marker": {"color": look.color, "size": _MEAN_SIZE, "symbol": symbol},
        "error_y": _bar(counted.mean or 0.0, counted.interval, look),
        "error_x": _bar(cost.seconds, cost.interval, look),
    }  # fmt: skip
    return [seeds, mean]


def _bar(value: float, interval: Interval | None, look: Look) -> Figure:
    if interval is None:
        return {"visible": False}
    return error_bars([interval.high - value], [value - interval.low], look.color)


def kept_chart(shown: Sequence[tuple[str, TaskResults]], styles: Mapping[Case, Look]) -> Figure | None:
    """Draw the share of what attention gains that methods keep at each ratio, with Fieller's intervals.

    Args:
        shown: results with what tells them apart in words, such as "" and "scrambled"; the first has solid lines.
        styles: of each case.

    Returns:
        A figure, or None if no method with a ratio has a share.
    """
    traces: list[Figure] = []
    ratios: set[float] = set()
    for place, (word, results) in enumerate(shown):
        by_method: dict[str, list[Compared]] = {}
        for found in results.methods:
            if found.case.ratio is not None and found.kept is not None:
                by_method.setdefault(found.case.implementation, []).append(found)
        for members in by_method.values():
            ordered = sorted(members, key=lambda one: one.case.compression)
            ratios |= {float(one.case.ratio or 1) for one in ordered}
            traces.append(_kept_line(ordered, word, styles[ordered[0].case], first=place == 0))
    if not traces:
        return None
    ticks = sorted(ratios)
    shares = [share for trace in traces for share in trace["y"]]
    return {
        "data": traces,
        "layout": {
            "xaxis": {"type": "log", "title": {"text": "compression ratio"}, "tickmode": "array", "tickvals": ticks,
                      "ticktext": [ratio_words(ratio) for ratio in ticks]},
            "yaxis": {"title": {"text": "gain of attention that is kept"}, "tickformat": ".0%",
                      "range": _range([*shares, 0.0, 1.0], -1.0, 3.0)},
            "showlegend": True,
            "shapes": [_level(1.0), _level(0.0)],
        },
    }  # fmt: skip


def _kept_line(members: Sequence[Compared], word: str, look: Look, *, first: bool) -> Figure:
    shares = [one.kept for one in members if one.kept is not None]
    name = members[0].case.implementation + (f", {word}" if word else "")
    return {
        "type": "scatter", "mode": "lines+markers", "name": escape(name, quote=False),
        "x": [one.case.ratio for one in members], "y": [share.value for share in shares],
        "customdata": [kept_words(share) for share in shares],
        "hovertemplate": "%{fullData.name}, ratio %{x}<br>%{customdata}<extra></extra>",
        "line": {"color": look.color, "dash": "solid" if first else "dot", "width": 2},
        "marker": {"color": look.color, "size": 9, "symbol": look.symbol if first else f"{look.symbol}-open"},
        "error_y": error_bars([s.high - s.value for s in shares], [s.value - s.low for s in shares], look.color),
    }  # fmt: skip


def acuity_chart(found: Sequence[Acuity], styles: Mapping[Case, Look]) -> Figure | None:
    """Draw accuracy against the width of detail, a line per method and ratio, and every seed as a dot.

    Returns:
        A figure, or None for a task without slices by width.
    """
    if not found:
        return None
    widths = found[0].widths
    traces: list[Figure] = []
    for one in found:
        look, name = styles[one.case], escape(one.case.name, quote=False)
        common = {"type": "scatter", "name": name, "legendgroup": one.case.id}
        traces.append(
            {
                **common, "mode": "markers", "showlegend": False, "hoverinfo": "skip",
                "x": [width for _ in one.seeds for width in widths],
                "y": [value for seed in one.seeds for value in seed],
                "marker": {"color": look.color, "size": _SEED_SIZE - 1, "opacity": 0.4},
            }
        )  # fmt: skip
        line = {
            **common, "mode": "lines+markers", "x": list(widths), "y": list(one.means),
            "customdata": [resolution_words(one.resolution)] * len(widths),
            "hovertemplate": "%{fullData.name}, detail %{x} wide<br>accuracy %{y:.3f}<br>resolution %{customdata}"
                             "<extra></extra>",
            "line": {"color": look.color, "dash": look.dash, "width": look.width},
            "marker": {"color": look.color, "symbol": look.symbol, "size": 8},
        }  # fmt: skip
        if one.intervals:
            above = [interval.high - mean for interval, mean in zip(one.intervals, one.means, strict=True)]
            below = [mean - interval.low for interval, mean in zip(one.intervals, one.means, strict=True)]
            line["error_y"] = error_bars(above, below, look.color)
        traces.append(line)
    return {
        "data": traces,
        "layout": {
            "xaxis": {"type": "log", "title": {"text": "width of detail in tokens"}, "tickmode": "array",
                      "tickvals": list(widths), "ticktext": [str(width) for width in widths]},
            "yaxis": {"title": {"text": "accuracy at that width"}, "range": [0, 1.05]},
            "showlegend": True,
        },
    }  # fmt: skip


def _level(height: float) -> Figure:
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": height, "y1": height,
            "line": {"color": NEUTRAL, "width": 1, "dash": "dot"}}  # fmt: skip
