"""Will it fit: memory against n, with what the machine has; what ran out of memory is hollow, at its estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dctbench import units
from dctbench.analysis import Summary
from dctbench.analysis.capacity import needed_bytes
from dctbench.model import Case
from dctbench.report.figures.axes import Figure, byte_axis, length_axis
from dctbench.report.labels import Labels
from dctbench.report.palette import Look


def memory(summaries: Sequence[Summary], styles: Mapping[Case, Look], labels: Labels, capacity: float | None) -> Figure:
    """Peak tensor bytes of a call plus what the method keeps, both axes logarithmic.

    Args:
        summaries: of any shapes.
        styles: of each case.
        labels: names of the curves.
        capacity: bytes that the machine has, drawn as a line where the axis reaches it.
    """
    curves: dict[str, list[Summary]] = {}
    for summary in summaries:
        if needed_bytes(summary)[0]:
            curves.setdefault(labels.curve(summary.case), []).append(summary)
    lengths = sorted({s.case.seq_len for s in summaries})
    sizes = [size for members in curves.values() for s in members if (size := needed_bytes(s)[0])]
    traces: list[Figure] = []
    for name, members in curves.items():
        look = styles[members[0].case]
        by_length = {s.case.seq_len: s for s in members}
        found = [by_length.get(n) for n in lengths]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": lengths,
                "y": [needed_bytes(s)[0] if s else None for s in found],
                "customdata": [_hover(s) if s else "" for s in found],
                "hovertemplate": "%{fullData.name}<br>n = %{x}<br>%{customdata}<extra></extra>",
                "connectgaps": False,
                "line": {"color": look.color, "width": look.width, "dash": look.dash},
                "marker": {
                    "color": look.color,
                    "size": 8,
                    "symbol": [f"{look.symbol}-open" if s and s.status == "oom" else look.symbol for s in found],
                },
            }
        )
    layout: Figure = {"xaxis": length_axis(lengths), "yaxis": byte_axis(sizes, "memory beside the input")}
    if capacity is not None and sizes and max(sizes) > capacity / 8:
        layout["shapes"] = [
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": capacity, "y1": capacity,
             "line": {"color": "#c0392b", "dash": "dot", "width": 2}}
        ]  # fmt: skip
        traces.append(
            {"type": "scatter", "mode": "lines", "name": f"this machine: {units.size(capacity)}", "x": [None],
             "y": [None], "line": {"color": "#c0392b", "dash": "dot", "width": 2}}
        )  # fmt: skip
    return {"data": traces, "layout": layout}


def _hover(summary: Summary) -> str:
    needed, estimated = needed_bytes(summary)
    assert needed is not None
    return f"{units.size(needed)}{' (estimate: out of memory)' if estimated else ''}"
