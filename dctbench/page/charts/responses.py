"""The response times of calls on a schedule: their distribution against the deadline, and in order of release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dctbench.analysis import Timeliness
from dctbench.machine.periodic import UNKNOWN
from dctbench.page.charts.axes import Figure, four_digits, second_axis
from dctbench.page.charts.samples import MOST_MARKS, evenly
from dctbench.page.palette import NEUTRAL, Look
from dctbench.wording.timeliness import CAUSES

_SLOWEST = 100
"""How many calls of a case are drawn however many it has."""
_SHARES = (1.0, 0.1, 0.01, 0.001, 0.0001)


@dataclass(frozen=True, slots=True)
class Curve:
    """A case in a chart: its name, its look, which tells methods apart, a dash that tells the rest, its calls."""

    name: str
    look: Look
    dash: str
    kept: Timeliness

    @property
    def label(self) -> str:
        """The name, escaped because plotly interprets markup."""
        return escape(self.name, quote=False)


def distribution(curves: Sequence[Curve]) -> Figure:
    """Draw for each case the share of calls that took a time or longer, with the deadlines as dotted lines.

    Both axes are logarithmic: one call in a hundred is as easy to see as one in two. The slowest calls, which decide on
    a deadline, are all drawn, so that the line is exact there. Calls that a process left out are the slowest: the line
    ends at their share.
    """
    traces, seconds, least = [], [], 1.0
    for curve in curves:
        ordered = sorted(curve.kept.responses)
        count, calls = len(ordered), curve.kept.calls
        room = MOST_MARKS // max(1, len(curves))
        slowest = max(0, count - min(_SLOWEST, room // 2))
        kept = [*evenly(range(slowest), room // 2), *range(slowest, count)]
        x = [four_digits(ordered[i]) for i in kept]
        y = [four_digits((calls - i) / calls) for i in kept]
        least = min(least, 1 / calls)
        seconds += x
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": curve.label, "x": x, "y": y, "connectgaps": False,
                "line": {"color": curve.look.color, "dash": curve.dash, "width": 2, "shape": "vh"},
                "hovertemplate": "%{fullData.name}<br>%{y:.2%} took %{x:.3s}s or longer<extra></extra>",
            }
        )  # fmt: skip
    deadlines = sorted({curve.kept.deadline for curve in curves})
    shares = [share for share in _SHARES if share >= least / 2]
    return {
        "data": traces,
        "layout": {
            "xaxis": second_axis([*seconds, *deadlines], "response time"),
            "yaxis": {
                "type": "log", "title": {"text": "share of calls that took as long", "standoff": 14},
                "tickmode": "array", "tickvals": shares, "ticktext": [f"{share * 100:g}%" for share in shares],
            },
            "shapes": [_line("x", deadline) for deadline in deadlines],
            "showlegend": True,
        },
    }  # fmt: skip


def in_order(curves: Sequence[Curve]) -> Figure:
    """Draw the response time of each call in order of release, one process after the other. Late calls are marked."""
    traces, seconds = [], []
    for curve in curves:
        late = [number for number, response in enumerate(curve.kept.responses) if response > curve.kept.deadline]
        causes = _causes(curve.kept)
        room = MOST_MARKS // max(1, len(curves))
        marked, were_late = evenly(late, room // 2), set(late)
        shown = sorted({*evenly(range(len(curve.kept.responses)), room - len(marked)), *marked})
        y = [four_digits(curve.kept.responses[i]) for i in shown]
        words = [f"late: {causes.get(i, CAUSES[UNKNOWN])}" if i in were_late else "in time" for i in shown]
        seconds += y
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": curve.label, "x": shown, "y": y,
                "customdata": words,
                "hovertemplate": "%{fullData.name}<br>call %{x}: %{y:.3s}s<br>%{customdata}<extra></extra>",
                "marker": {
                    "color": curve.look.color,
                    "size": [8 if i in were_late else 4 for i in shown],
                    "symbol": [curve.look.symbol if i in were_late else f"{curve.look.symbol}-open" for i in shown],
                },
            }
        )  # fmt: skip
    deadlines = sorted({curve.kept.deadline for curve in curves})
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "calls in order of release"}},
            "yaxis": second_axis([*seconds, *deadlines], "response time"),
            "shapes": [_line("y", deadline) for deadline in deadlines],
            "showlegend": True,
        },
    }


def _causes(kept: Timeliness) -> dict[int, str]:
    """Return the likely cause of late calls in words, by their number over all processes."""
    starts, total = [], 0
    for taken in kept.rounds:
        starts.append(total)
        total += len(taken)
    return {starts[i] + call: CAUSES.get(code, CAUSES[UNKNOWN]) for (i, call), code in kept.cause_of.items()}


def _line(axis: str, at: float) -> Figure:
    across = "y" if axis == "x" else "x"
    return {
        "type": "line", axis + "ref": axis, across + "ref": "paper", axis + "0": at, axis + "1": at,
        across + "0": 0, across + "1": 1, "line": {"color": NEUTRAL, "dash": "dot"},
    }  # fmt: skip
