"""The samples of the cases of one shape, as strips on a time axis and in the order taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

from dctbench.analysis import Stability, samples_by_round
from dctbench.page.charts.axes import Figure, four_digits, second_axis
from dctbench.page.palette import NEUTRAL, Look

Item = TypeVar("Item")
MOST_MARKS = 2000
"""A chart with more SVG marks is slow to draw."""
MOST_LANES = 40
_HEIGHT, _EXTENT = 0.62, 0.44
"""As shares of a lane: the height of all rounds of a strip, and how far a line extends to either side."""
_SPANS = (0.05, 0.1, 0.25, 0.5, 1.0, 3.0)
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Lane:
    """A case in a chart: its name, its look and its samples."""

    name: str
    look: Look
    stability: Stability

    @property
    def label(self) -> str:
        """The name, escaped because plotly interprets markup."""
        return escape(self.name, quote=False)


def strips(lanes: Sequence[Lane]) -> Figure:
    """Draw a lane per case: its samples on a time axis, one strip per round, with the latency and its interval.

    Outliers are hollow, and samples that were taken again are crosses. There are at most MOST_MARKS marks for
    MOST_LANES lanes.
    """
    traces: list[Figure] = []
    seconds: list[float] = []
    for number, lane in enumerate(lanes):
        summary = lane.stability.summary
        assert summary.latency is not None
        again = evenly(lane.stability.retaken, marks_per_lane(lanes) // 4)
        kept = positions(len(summary.samples), lane.stability.flagged, marks_per_lane(lanes) - len(again) - 1)
        places = _places(lane)
        x = [four_digits(summary.samples[i]) for i in kept]
        y = [number + _HEIGHT * (places[i].across - 0.5) for i in kept]
        traces.append(_marks(lane, x, y, kept) | {"hovertemplate": "%{fullData.name}<br>%{x:.3s}s<extra></extra>"})
        traces.append(_latency(lane, number))
        if again:
            traces.append(
                {
                    "type": "scatter", "mode": "markers", "name": f"{lane.label}, taken again",
                    "x": [four_digits(one) for one in again], "y": [number] * len(again), "showlegend": False,
                    "hovertemplate": "%{fullData.name}<br>%{x:.3s}s<extra></extra>",
                    "marker": {"color": NEUTRAL, "symbol": "x-thin-open", "size": 8},
                }
            )  # fmt: skip
        seconds += [*x, *again]
    return {
        "data": traces,
        "layout": {"xaxis": _time_axis(seconds), **_lanes(lanes), "showlegend": False},
    }


def in_order(lanes: Sequence[Lane]) -> tuple[Figure, float]:
    """Draw a lane per case: its samples in the order taken, round by round, slower ones higher.

    Returns:
        The figure, and how far a lane extends to either side of the case's latency, as a share of it. Marks
        beyond are drawn at the edge of the lane.
    """
    most = marks_per_lane(lanes)
    kept = [positions(len(lane.stability.summary.samples), lane.stability.flagged, most) for lane in lanes]
    span = _span([abs(_log(lane, i)) for lane, some in zip(lanes, kept, strict=True) for i in some])
    numbers = sorted({number for lane in lanes for number in samples_by_round(lane.stability.summary)})
    traces = []
    for number, (lane, some) in enumerate(zip(lanes, kept, strict=True)):
        summary, places = lane.stability.summary, _places(lane)
        x = [round(numbers.index(places[i].round) + 0.05 + 0.9 * places[i].when, 3) for i in some]
        y = [number - _EXTENT * max(-1.0, min(1.0, _log(lane, i) / math.log1p(span))) for i in some]
        trace = _marks(lane, x, y, some) | {
            "mode": "lines+markers",
            "customdata": [four_digits(summary.samples[i]) for i in some],
            "hovertemplate": "%{fullData.name}<br>%{customdata:.3s}s<extra></extra>",
            "line": {"color": lane.look.color, "width": 1},
            "connectgaps": False,
        }
        traces.append(_broken(trace, [places[i].round for i in some]))
    every = -(-len(numbers) // 10)
    return {
        "data": traces,
        "layout": {
            "xaxis": {
                "title": {"text": "round"},
                "tickmode": "array",
                "tickvals": [i + 0.5 for i in range(0, len(numbers), every)],
                "ticktext": [str(number) for number in numbers[::every]],
                "range": [0, len(numbers)],
                "showgrid": False,
            },
            **_lanes(lanes),
            "showlegend": False,
        },
    }, span


def marks_per_lane(lanes: Sequence[Lane]) -> int:
    """The most samples that can be drawn of each case."""
    return MOST_MARKS // max(1, len(lanes))


def positions(count: int, flagged: Sequence[int], most: int) -> list[int]:
    """Return the indices of the samples to draw, at most `most`: outliers first, the others evenly spaced."""
    if count <= most:
        return list(range(count))
    first = set(evenly(flagged, most // 2))
    others = [i for i in range(count) if i not in first]
    return sorted([*first, *evenly(others, most - len(first))])


def evenly(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return at most `most` of the items, evenly spaced."""
    return items if len(items) <= most else [items[i * len(items) // most] for i in range(most)]


@dataclass(frozen=True, slots=True)
class _Place:
    """The position of a sample: its round, its time in the round and its height in a lane, the latter two in [0, 1]."""

    round: int
    when: float
    across: float


def _places(lane: Lane) -> list[_Place]:
    """The position of each sample. In a lane, rounds are below each other, and the samples of each are scattered."""
    rounds = samples_by_round(lane.stability.summary)
    return [
        _Place(number, (i + 0.5) / len(samples), (strip + 0.2 + 0.6 * (i * _GOLDEN % 1)) / len(rounds))
        for strip, (number, samples) in enumerate(rounds.items())
        for i in range(len(samples))
    ]


def _log(lane: Lane, i: int) -> float:
    """The logarithm of a sample relative to the latency of its case."""
    summary = lane.stability.summary
    assert summary.latency is not None
    return math.log(summary.samples[i] / summary.latency.value)


def _span(logs: Sequence[float]) -> float:
    """The smallest span that contains nine marks in ten."""
    inside = sorted(logs)[len(logs) * 9 // 10] if logs else 0.0
    return next((span for span in _SPANS if math.log1p(span) >= inside), _SPANS[-1])


def _marks(lane: Lane, x: Sequence[float], y: Sequence[float], kept: Sequence[int]) -> Figure:
    flagged = set(lane.stability.flagged)
    symbol = lane.look.symbol
    return {
        "type": "scatter",
        "mode": "markers",
        "name": lane.label,
        "x": list(x),
        "y": [round(one, 3) for one in y],
        "marker": {
            "color": lane.look.color,
            "symbol": [f"{symbol}-open" if i in flagged else symbol for i in kept] if flagged else symbol,
            "size": 5,
        },
    }


def _latency(lane: Lane, number: int) -> Figure:
    """The latency of a case with its 95% interval."""
    latency = lane.stability.summary.latency
    assert latency is not None
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{lane.label}, latency",
        "x": [latency.value],
        "y": [number],
        "hovertemplate": "%{fullData.name}<br>%{x:.3s}s<extra></extra>",
        "marker": {"color": NEUTRAL, "symbol": "line-ns-open", "size": 22, "line": {"width": 2}},
        "error_x": {
            "type": "data", "symmetric": False, "array": [latency.high - latency.value],
            "arrayminus": [latency.value - latency.low], "color": NEUTRAL, "thickness": 1.5, "width": 4,
        },
    }  # fmt: skip


def _broken(trace: Figure, rounds: Sequence[int]) -> Figure:
    """The trace with gaps between rounds."""
    ends = [i for i in range(1, len(rounds)) if rounds[i] != rounds[i - 1]]
    marker = trace["marker"]
    lists = {key: trace[key] for key in ("x", "y", "customdata")}
    symbols = {"symbol": marker["symbol"]} if isinstance(marker["symbol"], list) else {}
    gapped = {key: _with_gaps(values, ends) for key, values in (lists | symbols).items()}
    return (
        trace
        | {key: gapped[key] for key in lists}
        | {"marker": marker | ({"symbol": [one or "circle" for one in gapped["symbol"]]} if symbols else {})}
    )


def _with_gaps(values: Sequence[Item], ends: Sequence[int]) -> list[Item | None]:
    found: list[Item | None] = []
    for start, end in zip([0, *ends], [*ends, len(values)], strict=True):
        found += [None, *values[start:end]] if found else values[start:end]
    return found


def _time_axis(seconds: Sequence[float]) -> Figure:
    """A logarithmic axis, or a linear one if all times are within a factor of 3, so that there are enough ticks."""
    title = "latency of one call"
    if max(seconds) > 3 * min(seconds):
        return second_axis(seconds, title, most_decades=2)
    return {"title": {"text": title}, "tickformat": "~s", "ticksuffix": "s", "nticks": 6}


def _lanes(lanes: Sequence[Lane]) -> Figure:
    return {
        "yaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(lanes))),
            "ticktext": [lane.label for lane in lanes],
            "range": [len(lanes) - 0.4, -0.6],
        },
        "height": 110 + 34 * len(lanes),
    }
