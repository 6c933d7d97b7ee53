"""What all figures share: one look for each method, and axes with units."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from dctbench import analysis
from dctbench.model import Case, Result, ResultDetails
from dctbench.page.charts.axes import length_axis, second_axis
from dctbench.page.palette import looks
from dctbench.wording import summary as words
from tests.support.made import result

ROOF = {"bound": "compute", "rate": 1.5e11, "share": 0.72, "intensity": 63.4, "ridge": 5.1, "throughput": 2e9}


def test_a_method_looks_the_same_at_every_length_whatever_else_is_drawn() -> None:
    cases = [Case(name, n, 8 if name == "dct-x" else None) for name in ("sdpa", "full", "dct-x") for n in (512, 1024)]
    styles = looks(cases, "sdpa")
    assert len({look for case, look in styles.items() if case.implementation == "dct-x"}) == 1


@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e-5), (3e-4, 0.2), (1e-7, 50.0), (2e-10, 3e-10), (1e-10, 1e6),
                                         (2.3e-3, 4.4e-3), (1.71e-4, 1.714e-4), (5e-3, 5e-3), (2.05, 9.9)])  # fmt: skip
def test_times_are_labelled_with_units_within_the_axis(low: float, high: float) -> None:
    axis = second_axis([low, high], "latency")
    assert axis["tickvals"][0] <= low * 1.001
    assert axis["tickvals"][-1] >= high / 5
    assert all(text.split(" ")[1] in ("s", "ms", "µs", "ns") and "e" not in text for text in axis["ticktext"])


@pytest.mark.parametrize(("low", "high"), [(2.3e-3, 4.4e-3), (1.71e-4, 1.714e-4), (2.05, 9.9), (3e-4, 0.2)])
def test_at_least_two_times_are_visible_and_their_labels_differ(low: float, high: float) -> None:
    axis = second_axis([low, high], "latency")
    assert sum(0.98 * low <= tick <= 1.02 * high for tick in axis["tickvals"]) >= 2
    assert len(set(axis["ticktext"])) == len(axis["ticktext"])


def test_lengths_whose_labels_would_overlap_have_no_ticks() -> None:
    lengths = list(range(512, 32769, 512))
    ticks = length_axis(lengths, 500)["tickvals"]
    assert (ticks[0], ticks[-1]) == (512, 32768)
    assert all(500 * math.log(b / a) / math.log(64) >= 58 for a, b in pairwise(ticks))
    assert length_axis([512], 500)["tickvals"] == [512]


def roofed(name: str, n: int, seconds: float, **roof: object) -> Result:
    made = result(name, n, seconds, ratio=8 if name == "dct-x" else None)
    return replace(made, details=ResultDetails.from_json({"roofline": {**ROOF, **roof}}))


def test_the_method_closest_to_its_ceiling_comes_first() -> None:
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
        "The limit at best is compute for 2, memory bandwidth for 1"
    )
    assert words.nearest_roof(placed[:1]) == "dct-x r=8 comes nearest to its ceiling, 72%. The limit at best is compute"
