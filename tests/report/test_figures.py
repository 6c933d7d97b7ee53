"""What the figures say: a reason where there is no ratio, hollow marks for estimates, one look for each method."""

from __future__ import annotations

import math
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from dctbench import analysis
from dctbench.model import Result
from dctbench.report import figures, words
from dctbench.report.figures.axes import byte_axis, count_axis, second_axis
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


def roofed(name: str, n: int, seconds: float, **roof: object) -> Result:
    made = result(name, n, seconds, ratio=8 if name == "dct-x" else None)
    return replace(made, details={"roofline": {**ROOF, **roof}})


def test_a_case_stands_under_the_ceilings_that_its_result_tells_of() -> None:
    results = [
        roofed("dct-x", 1024, 2e-3, rate=7.5e10, share=0.36),
        roofed("dct-x", 512, 1e-3),
        roofed("sdpa", 512, 1.0),
        result("sdpa", 1024),
    ]
    known = analysis.summarise(results)
    figure = figures.roofline(known, looks((s.case for s in known), "sdpa"), Labels([]))
    go.Figure(figure)
    memory, compute, dct, sdpa = figure["data"]
    ceiling, ridge = 1.5e11 / 0.72, 5.1
    assert (memory["name"], compute["name"]) == ("memory: 40.8 GB/s", "compute: 208 GFLOP/s")
    assert memory["y"] == pytest.approx([memory["x"][0] * ceiling / ridge, ceiling])
    assert (memory["x"][1], compute["x"][0]) == pytest.approx((ridge, ridge))
    assert compute["y"] == pytest.approx([ceiling, ceiling])
    assert memory["x"][0] < ridge
    assert compute["x"][1] > 63.4
    assert (dct["x"], dct["y"]) == ([63.4, 63.4], pytest.approx([1.5e11, 7.5e10]))
    assert dct["marker"]["size"] == [6, 13]
    assert dct["customdata"][1] == [1024, "75.0 GFLOP/s, 36% of the compute ceiling, at 63.4 FLOP per byte"]
    assert len(sdpa["x"]) == 1


def test_without_stored_ceilings_there_is_no_roofline() -> None:
    assert figures.roofline(summaries(), {}, Labels([]))["data"] == []


def test_who_comes_nearest_to_the_ceiling_is_said_first() -> None:
    placed = [
        one
        for summary in analysis.summarise(
            [
                roofed("dct-x", 512, 1e-3),
                roofed("sdpa", 512, 1e-3, share=0.9),
                roofed("full", 512, 1e-3, share=0.1, bound="bandwidth"),
            ]
        )
        if (one := analysis.under_roof(summary))
    ]
    assert words.nearest_roof(placed) == (
        "sdpa comes nearest to its ceiling, 90%; full stays furthest below it, 10%. "
        "What binds at best is compute for 2, memory bandwidth for 1"
    )
    assert (
        words.nearest_roof(placed[:1]) == "dct-x r=8 comes nearest to its ceiling, 72%. What binds at best is compute"
    )


def test_counts_are_labelled_in_decimal_multiples() -> None:
    axis = count_axis([3e9, 4e10], "achieved", "FLOP/s")
    assert axis["ticktext"][:4] == ["1 GFLOP/s", "2 GFLOP/s", "5 GFLOP/s", "10 GFLOP/s"]
    assert count_axis([0.5, 5e3], "per byte")["ticktext"] == ["0.1", "1", "10", "100", "1000", "10000"]
