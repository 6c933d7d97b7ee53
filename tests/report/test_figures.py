"""What the figures say: a reason where there is no ratio, hollow marks for estimates, one look for each method."""

from __future__ import annotations

import math
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from dctbench import analysis
from dctbench.report import figures
from dctbench.report.figures.axes import byte_axis, second_axis
from dctbench.report.labels import Labels
from dctbench.report.palette import looks
from tests.made import result

MIB = 2.0**20


def memory_values(size: float, error: float | None = None) -> dict[str, tuple[str, float]]:
    values = {"memory.tensor": ("B", size), "memory.state": ("B", 0.0)}
    return values if error is None else values | {"error.smooth": ("1", error)}


RESULTS = [
    result("sdpa", 512, 2e-3, values=memory_values(4 * MIB, 1e-7)),
    result("sdpa", 1024, 4e-3, values=memory_values(8 * MIB, 1e-7)),
    result("full", 512, 8e-3, values=memory_values(16 * MIB, 1e-7)),
    result("dct-x", 512, 1e-3, ratio=8, values=memory_values(2 * MIB, 0.5)),
    result("dct-x", 1024, None, ratio=8, status="error", message="SIGSEGV"),
    result("sdpa", 2048, None, status="timeout", message="timeout after 120 s"),
    result("dct-x", 2048, 4e-3, ratio=8, values=memory_values(8 * MIB, 0.5)),
]


def summaries() -> list[analysis.Summary]:
    return analysis.summarise(RESULTS)


def test_a_cell_holds_the_ratio_or_the_reason_why_there_is_none() -> None:
    figure = figures.speedup(summaries(), "sdpa", Labels([]))
    go.Figure(figure)
    [heatmap] = figure["data"]
    assert heatmap["y"] == ["dct-x r=8", "full"]
    assert heatmap["x"] == ["512", "1024", "2048"]
    assert heatmap["text"] == [["▲ 2.00x", "failed", "reference timeout"], ["▼ 0.25x", "", ""]]
    assert heatmap["z"] == [[pytest.approx(1.0), None, None], [pytest.approx(-2.0), None, None]]


def test_what_ran_out_of_memory_is_hollow_at_its_estimate() -> None:
    refused = replace(
        result("full", 1024, None, status="oom", message="needs about 64 MiB of 32 MiB (estimate)"),
        details={"estimated_bytes": 64 * MIB},
    )
    known = analysis.summarise([*RESULTS, refused])
    figure = figures.memory(known, looks((s.case for s in known), "sdpa"), Labels([]), 32 * MIB)
    go.Figure(figure)
    full = next(trace for trace in figure["data"] if trace["name"] == "full")
    assert full["y"] == [16 * MIB, 64 * MIB, None]
    assert [symbol.endswith("-open") for symbol in full["marker"]["symbol"]] == [False, True, False]
    assert "estimate" in full["customdata"][1]
    assert figure["layout"]["shapes"][0]["y0"] == 32 * MIB


def test_the_front_leaves_out_what_is_worse_in_both() -> None:
    known = summaries()
    [short, *_] = analysis.standings(known, "sdpa")
    figure = figures.pareto(short, looks((s.case for s in known), "sdpa"))
    assert figure is not None
    go.Figure(figure)
    front = figure["data"][0]
    assert front["x"] == pytest.approx([1e-3, 2e-3])
    assert front["y"] == pytest.approx([0.5, 1e-7])
    sizes = {trace["name"]: trace["marker"]["size"] for trace in figure["data"][1:]}
    assert sizes["full"] > sizes["sdpa"] > sizes["dct-x r=8"]


def test_without_an_error_there_is_no_front_to_draw() -> None:
    [standing] = analysis.standings(analysis.summarise([result()]), "sdpa")
    assert figures.pareto(standing, {}) is None


def test_a_method_looks_the_same_at_every_length_whatever_else_is_drawn() -> None:
    styles = looks((s.case for s in summaries()), "sdpa")
    assert len({look for case, look in styles.items() if case.implementation == "dct-x"}) == 1


@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e-5), (3e-4, 0.2), (1e-7, 50.0)])
def test_times_are_labelled_with_units_within_the_axis(low: float, high: float) -> None:
    axis = second_axis([low, high], "latency")
    assert axis["tickvals"][0] <= low * 1.001
    assert axis["tickvals"][-1] >= high / 5
    assert all(text.split(" ")[1] in ("s", "ms", "µs", "ns") and "e" not in text for text in axis["ticktext"])


def test_sizes_are_labelled_at_powers_of_two() -> None:
    axis = byte_axis([3 * MIB, 40 * MIB], "memory")
    assert axis["ticktext"] == ["2 MiB", "4 MiB", "8 MiB", "16 MiB", "32 MiB", "64 MiB"]
    assert [math.log2(value) for value in axis["tickvals"]] == [21, 22, 23, 24, 25, 26]


def detailed(name: str, seconds: float, **details: object) -> analysis.Summary:
    made = result(name, 512, seconds, ratio=8 if name == "dct-x" else None)
    return analysis.summarise([replace(made, details=details)])[0]


SPLIT = {"shares": {"projections": 0.5, "attention": 0.2, "transform": 0.3, "other": 0.0}}
ROOF = {"bound": "compute", "rate": 1.5e11, "share": 0.72, "intensity": 63.4, "ridge": 5.1, "throughput": 2e9}


def test_the_split_stacks_to_the_whole_call_and_leaves_out_what_was_not_profiled() -> None:
    [standing] = analysis.standings([detailed("dct-x", 1e-3, split=SPLIT), detailed("sdpa", 2e-3)], "sdpa")
    figure = figures.split(standing)
    assert figure is not None
    go.Figure(figure)
    assert {trace["name"]: trace["x"] for trace in figure["data"]} == {
        "projections": [50.0], "attention": [20.0], "transform": [30.0], "other": [0.0],
    }  # fmt: skip
    assert figures.split(analysis.standings([detailed("sdpa", 2e-3)], "sdpa")[0]) is None


def test_a_roof_says_what_binds_and_how_near_it_is() -> None:
    assert figures.roofs([detailed("dct-x", 1e-3, roofline=ROOF), detailed("sdpa", 1e-3)]) == [
        "dct-x r=8: 150 GFLOP/s, 72% of the compute ceiling, at 63.4 FLOP per byte"
    ]
