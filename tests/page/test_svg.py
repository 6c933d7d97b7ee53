"""The chart without scripts: a point for each median, a gap for each failure, and escaped names."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from dctbench import analysis
from dctbench.model import Result
from dctbench.page.palette import looks
from dctbench.page.svg import HEIGHT, latency_svg
from dctbench.wording.labels import Labels
from tests.support.made import result


def drawing(*results: Result) -> ElementTree.Element | None:
    summaries = analysis.summarise(results)
    text = latency_svg(summaries, looks((s.case for s in summaries), "sdpa"), Labels([]))
    return None if text is None else ElementTree.fromstring(text)


def test_points_lie_on_logarithmic_axes() -> None:
    svg = drawing(*(result("sdpa", n, n * 1e-6) for n in (512, 1024, 2048)))
    assert svg is not None
    points = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in svg.iter("circle")]
    across = [b[0] - a[0] for a, b in pairwise(points)]
    up = [a[1] - b[1] for a, b in pairwise(points)]
    assert across == pytest.approx([across[0]] * 2, abs=0.2)
    assert up == pytest.approx([up[0]] * 2, abs=0.2)
    assert min(*across, *up) > 50


def test_a_line_breaks_where_nothing_was_timed() -> None:
    times = {256: 1e-3, 512: 2e-3, 1024: None, 2048: 8e-3, 4096: 1e-2}
    svg = drawing(*(result("sdpa", n, t, status="ok" if t else "oom") for n, t in times.items()))
    assert svg is not None
    [line] = [path for path in svg.iter("path") if path.get("fill") == "none"]
    assert re.sub(r"[\d. ]", "", line.attrib["d"]) == "MLML"
    assert len(list(svg.iter("circle"))) == 4


def test_one_length_and_markup_in_a_name_are_drawn_as_they_are() -> None:
    svg = drawing(result("sdpa", 512, 1e-3), result("mine:<b>&", 512, 2e-3))
    assert svg is not None
    texts = [element.text for element in svg.iter("text")]
    assert "mine:<b>&" in texts
    assert all(math.isfinite(float(c.attrib["cx"])) for c in svg.iter("circle"))


@pytest.mark.parametrize("seconds", [(1e-3,), (7e-3, 7e-3), (1e-3, 1.01e-3), (3e-5, 3e-1)])
def test_each_label_of_a_time_stands_at_its_height_within_the_chart(seconds: tuple[float, ...]) -> None:
    svg = drawing(*(result("sdpa", 512 * 2**power, time) for power, time in enumerate(seconds)))
    assert svg is not None
    labels = [element for element in svg.iter("text") if element.attrib["text-anchor"] == "end"]
    heights = {to_seconds(label.text or ""): float(label.attrib["y"]) - 4 for label in labels}
    heights |= {time: float(c.attrib["cy"]) for time, c in zip(seconds, svg.iter("circle"), strict=True)}
    assert len(labels) >= 2
    assert all(0 < height < HEIGHT - 40 for height in heights.values())
    times = sorted(heights)
    slopes = [(heights[a] - heights[b]) / math.log(b / a) for a, b in pairwise(times)]
    assert slopes == pytest.approx([slopes[0]] * len(slopes), rel=0.05)
    assert slopes[0] > 0


def to_seconds(text: str) -> float:
    number, unit = text.split(" ")
    return float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit]


def test_a_long_name_is_within_the_drawing() -> None:
    name = "my_package.attention:AnEspeciallyLongNameOfAMethod"
    svg = drawing(result("sdpa", 512, 1e-3), result(name, 512, 2e-3))
    assert svg is not None
    [label] = [element for element in svg.iter("text") if element.text == name]
    width = float(svg.attrib["viewBox"].split()[2])
    assert float(label.attrib["x"]) + 0.55 * 13 * len(name) < width


@pytest.mark.parametrize(
    ("count", "names", "more"), [(22, 22, []), (23, 21, ["and 2 more"]), (40, 21, ["and 19 more"])]
)
def test_lines_without_a_name_are_counted(count: int, names: int, more: list[str]) -> None:
    svg = drawing(*(result("dct-x", 4096, 1e-3 * ratio, ratio=ratio) for ratio in range(1, count + 1)))
    assert svg is not None
    texts = [element for element in svg.iter("text") if element.text and element.text.startswith(("dct-x", "and "))]
    assert len([element for element in texts if element.text and element.text.startswith("dct-x")]) == names
    assert [element.text for element in texts if element.text and element.text.startswith("and ")] == more
    assert max(float(element.attrib["y"]) for element in texts) <= HEIGHT


def test_nothing_timed_is_no_chart() -> None:
    assert drawing(result("sdpa", 512, None, status="oom")) is None
