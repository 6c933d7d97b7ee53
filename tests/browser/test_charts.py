"""The content of the charts: reasons for missing ratios, hollow marks for estimates, the front, the ceilings."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from dctbench.model import Environment, Result, ResultDetails
from dctbench.page.assets import source
from dctbench.page.html import html
from dctbench.runs.lookup import RecordedRun
from tests.browser.conftest import MIB, recorded, written
from tests.support.browser import screen, settled, texts
from tests.support.made import ENVIRONMENT, RUN, in_two_rounds, result

CODE = """
const chart = document.getElementById(arguments[0]);
return JSON.parse(JSON.stringify({data: chart.data, layout: chart.layout}));
"""
ROOF = {"bound": "compute", "rate": 1.5e11, "share": 0.72, "intensity": 63.4, "ridge": 5.1, "throughput": 2e9}
Chart = Callable[[str], dict[str, Any]]


def values(size: float, error: float) -> dict[str, tuple[str, float]]:
    return {"memory.tensor": ("B", size), "memory.state": ("B", 0.0), "error.smooth": ("1", error)}


def results() -> list[Result]:
    split = {"shares": {"projections": 0.5, "attention": 0.2, "transform": 0.3, "other": 0.0}}
    refused = result("full", 1024, None, status="oom", message="needs about 64 MiB of 32 MiB (estimate)")
    fast = result("dct-x", 512, 1e-3, ratio=8, values=values(2 * MIB, 0.5))
    first = [
        result("sdpa", 512, 2e-3, values=values(4 * MIB, 1e-7)),
        result("sdpa", 1024, 4e-3, values=values(8 * MIB, 1e-7)),
        result("full", 512, 8e-3, values=values(16 * MIB, 1e-7)),
        replace(fast, details=ResultDetails.from_json({"split": split, "roofline": ROOF})),
        result("dct-x", 1024, None, ratio=8, status="error", message="SIGSEGV"),
        result("sdpa", 2048, None, status="timeout", message="timeout after 120 s"),
        result("dct-x", 2048, 4e-3, ratio=8, values=values(8 * MIB, 0.5)),
        replace(refused, details=ResultDetails(estimated_bytes=64 * MIB)),
    ]
    late = result("linformer", 512, None, ratio=4, round=2, status="timeout", message="timeout after 9 s")
    return [*in_two_rounds(first), result("linformer", 512, 1e-3, ratio=4), late]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = results()
    machine = Environment({**ENVIRONMENT.facts, "memory_bytes": 32 * MIB}, ENVIRONMENT.fingerprint)
    one = RecordedRun(RUN, {machine.fingerprint: machine}, found, list(dict.fromkeys(r.case for r in found)))
    return written(html([one]), tmp_path_factory.mktemp("charts"))


@pytest.fixture
def chart(browser: webdriver.Chrome, address: str) -> Chart:
    screen(browser, 1280)
    browser.get(f"{address}#n=512")

    def read(name: str) -> dict[str, Any]:
        settled(browser, name)
        return browser.execute_script(CODE, name)  # type: ignore[no-any-return]

    return read


def named(chart: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in chart["data"]}


def test_a_cell_holds_the_ratio_or_the_reason_why_there_is_none(chart: Chart) -> None:
    measured, without = chart("speedup")["data"]
    for heatmap in (measured, without):
        assert heatmap["y"] == ["linformer r=4", "dct-x r=8", "full"]
        assert heatmap["x"] == ["512", "1024", "2048"]
    assert measured["z"] == [[None] * 3, [pytest.approx(1.0), None, None], [pytest.approx(-2.0), None, None]]
    assert measured["text"] == [[""] * 3, ["▲ 2.00x", "", ""], ["▼ 0.25x", "", ""]]
    assert without["text"] == [["timeout", "", ""], ["", "failed", "reference timeout"], ["", "OOM", ""]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_cell_without_a_ratio_can_be_read_on_its_ground(browser: webdriver.Chrome, address: str, scheme: str) -> None:
    screen(browser, 1280, scheme)
    browser.get(f"{address}#n=512")
    settled(browser, "speedup")
    cells = browser.find_elements(By.CSS_SELECTOR, "#speedup .heatmap-label text")
    inks = {cell.text: luminance(cell.value_of_css_property("fill")) for cell in cells}
    ground = luminance(
        browser.find_element(By.CSS_SELECTOR, "#decided thead th").value_of_css_property("background-color")
    )
    for words in ("failed", "OOM"):
        lighter, darker = sorted((inks[words], ground), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5  # WCAG 2.2, 1.4.3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_stand_out_from_their_ground_and_the_legend_has_their_colours(
    browser: webdriver.Chrome, address: str, scheme: str
) -> None:
    screen(browser, 1280, scheme)
    browser.get(address)
    settled(browser, "latency")
    lines = browser.find_elements(By.CSS_SELECTOR, "#latency .scatterlayer .js-line")
    samples = browser.find_elements(By.CSS_SELECTOR, "[data-legend=latency] .sample")
    drawn = {channels(line.value_of_css_property("stroke")) for line in lines}
    assert len(drawn) > 2
    assert drawn <= {
        channels(sample.value_of_css_property("border-top-color")) for sample in samples
    }  # where all failed there is no line
    ground = luminance(browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color"))
    for color in drawn:
        lighter, darker = sorted((luminance(str(color)), ground), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 3  # WCAG 2.2, 1.4.11


def channels(color: str) -> tuple[str, ...]:
    """Red, green and blue of a CSS colour."""
    return tuple(re.findall(r"[0-9]+", color)[:3])


def luminance(color: str) -> float:
    """The relative luminance of a CSS colour, as WCAG 2.2 defines it."""
    shares = [int(number) / 255 for number in re.findall(r"[0-9]+", color)[:3]]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_failed_case_breaks_its_line_and_the_reference_is_thick(chart: Chart) -> None:
    traces = named(chart("latency"))
    assert traces["dct-x r=8"]["y"] == [pytest.approx(1e-3), None, pytest.approx(4e-3)]
    assert traces["dct-x r=8"]["connectgaps"] is False
    assert traces["sdpa"]["line"]["width"] > traces["dct-x r=8"]["line"]["width"]


def test_what_ran_out_of_memory_is_drawn_hollow_at_its_estimate(chart: Chart) -> None:
    traces = named(chart("memory"))
    assert traces["full"]["y"] == [16 * MIB, 64 * MIB, None]
    assert [symbol.endswith("-open") for symbol in traces["full"]["marker"]["symbol"]] == [False, True, False]
    assert "estimate" in traces["full"]["customdata"][1]
    assert traces["this machine: 32.0 MiB"]["y"] == [32 * MIB, 32 * MIB]


def test_the_front_leaves_out_what_is_worse_in_both_and_what_has_no_error(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    found = [
        result("sdpa", 512, 2e-3, values=values(4 * MIB, 1e-7)),
        result("full", 512, 8e-3, values=values(16 * MIB, 1e-7)),
        result("window", 512, 1e-3, values=values(2 * MIB, 0.5)),
        result("linformer", 512, 4e-4, values=values(MIB, 1.2)),
        result("dct-x", 512, 5e-4, ratio=8, values=values(MIB, 0.4)),
    ]
    screen(browser, 1280)
    browser.get(written(html([recorded(found)]), tmp_path))
    settled(browser, "pareto")
    traces = named(browser.execute_script(CODE, "pareto"))
    assert set(traces) == {"Pareto front", "sdpa", "full", "window"}
    assert traces["Pareto front"]["x"] == pytest.approx([1e-3, 2e-3])
    assert traces["Pareto front"]["y"] == pytest.approx([0.5, 1e-7])
    assert traces["full"]["marker"]["size"] > traces["sdpa"]["marker"]["size"] > traces["window"]["marker"]["size"]
    notes = texts(browser, "[aria-labelledby=h-pareto] > p.note:not([hidden])")
    assert [note.partition(":")[0] for note in notes] == ["other (dct-x)", "untrained (linformer)"]
    assert "accuracy after training" in notes[0]


def test_exact_methods_alone_are_no_chart_of_errors(browser: webdriver.Chrome, tmp_path: Path) -> None:
    found = [
        result("sdpa", 512, 2e-3, values=values(4 * MIB, 1e-7)),
        result("full", 512, 8e-3, values=values(16 * MIB, 2e-7)),
        result("dct-x", 512, 5e-4, ratio=8, values=values(MIB, 0.4)),
    ]
    screen(browser, 1280)
    address = written(html([recorded(found)]), tmp_path)
    browser.get(address)
    settled(browser, "pareto")
    assert "No method here approximates exact attention." in texts(browser, "[data-note=pareto]")[0]
    browser.get(f"{address}#differences=all")
    settled(browser, "pareto")
    assert set(named(browser.execute_script(CODE, "pareto"))) == {"Pareto front", "sdpa", "full", "dct-x r=8"}


def test_a_hidden_approximation_is_not_said_to_be_missing(browser: webdriver.Chrome, tmp_path: Path) -> None:
    found = [
        result("sdpa", 512, 2e-3, values=values(4 * MIB, 1e-7)),
        result("window", 512, 1e-3, values=values(2 * MIB, 0.5)),
    ]
    screen(browser, 1280)
    browser.get(written(html([recorded(found)]), tmp_path) + "#hide=window")
    settled(browser, "pareto")
    [note] = [text for text in texts(browser, "[data-note=pareto]") if text]
    assert note == "Nothing that approximates exact attention has a measured error at n = 512, without window."


def test_the_split_stacks_to_the_whole_call_and_leaves_out_what_was_not_profiled(chart: Chart) -> None:
    traces = named(chart("split"))
    assert {name: trace["x"] for name, trace in traces.items()} == {
        "projections": [50], "attention": [20], "transform": [30], "other": [0],
    }  # fmt: skip
    assert traces["other"]["y"] == ["dct-x r=8"]


def test_a_case_stands_under_the_ceilings_of_its_machine(chart: Chart) -> None:
    traces = named(chart("roofline"))
    compute = 1.5e11 / 0.72
    memory, flat = traces["memory: 40.8 GB/s"], traces["compute: 208 GFLOP/s"]
    assert memory["x"][1] == flat["x"][0] == pytest.approx(5.1)
    assert memory["y"][0] == pytest.approx(memory["x"][0] * compute / 5.1)
    assert flat["y"] == [pytest.approx(compute)] * 2
    mark = traces["dct-x r=8"]
    assert (mark["x"], mark["y"]) == ([pytest.approx(63.4)], [pytest.approx(1.5e11)])
    assert mark["customdata"] == [[512, "150 GFLOP/s, 72% of the compute ceiling, at 63.4 FLOP per byte"]]


@pytest.mark.parametrize(
    ("call", "first"),
    [
        ("byteAxis([3 * 2 ** 20, 40 * 2 ** 20], '')", ["2 MiB", "4 MiB", "8 MiB", "16 MiB", "32 MiB", "64 MiB"]),
        ("countAxis([3e9, 4e10], '', 'FLOP/s')", ["1 GFLOP/s", "2 GFLOP/s", "5 GFLOP/s", "10 GFLOP/s"]),
        ("countAxis([0.5, 5e3], '')", ["0.1", "1", "10", "100", "1000", "10000"]),
        ("secondAxis([3e-4, 4e-3], '')", ["100 µs", "200 µs", "500 µs", "1 ms"]),
        ("secondAxis([2.3e-3, 4.4e-3], '')", ["1 ms", "2 ms", "3 ms", "4 ms", "5 ms"]),
        ("secondAxis([1.71e-4, 1.714e-4], '')", ["170.8 µs", "170.9 µs", "171 µs"]),
        ("byteAxis([12.5 * 2 ** 20], '')", ["11.5 MiB", "12 MiB", "12.5 MiB", "13 MiB"]),
        ("countAxis([5.2e9, 5.6e9], '', 'FLOP/s')", ["5 GFLOP/s", "5.2 GFLOP/s", "5.4 GFLOP/s", "5.6 GFLOP/s"]),
        ("errorAxis([0.2, 0.6])", ["0.1", "0.2", "0.5", "1"]),
        ("errorAxis([3e-7, 3.05e-7])", ["2.96e-7", "2.98e-7", "3e-7", "3.02e-7", "3.04e-7", "3.06e-7", "3.08e-7"]),
        (
            "lengthAxis(Array.from({length: 64}, (_, i) => 512 * (i + 1)), 620)",
            ["512", "1024", "2048", "4096", "7168", "12288", "19968", "32768"],
        ),
        ("lengthAxis([512, 1024, 2048, 4096], 1000)", ["512", "1024", "2048", "4096"]),
        ("lengthAxis([512, 1024, 2048, 4096], 250)", ["1024", "4096"]),
    ],
)
def test_axes_have_units_and_no_exponents(browser: webdriver.Chrome, call: str, first: list[str]) -> None:
    code = source("scripts/numbers.js") + source("scripts/axes.js")
    axis = browser.execute_script(f"{code} return {call}")
    assert axis["ticktext"][: len(first)] == first
    assert axis["type"] == "log"


@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e-5), (3e-4, 0.2), (1e-7, 50.0)])
def test_times_are_labelled_within_the_axis(browser: webdriver.Chrome, low: float, high: float) -> None:
    code = source("scripts/numbers.js") + source("scripts/axes.js")
    axis = browser.execute_script(f"{code} return secondAxis([{low}, {high}], '')")
    assert axis["tickvals"][0] <= low * 1.001
    assert axis["tickvals"][-1] >= high / 5
    for value, text in zip(axis["tickvals"], axis["ticktext"], strict=True):
        number, unit = text.split(" ")
        assert float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit] == pytest.approx(value, rel=1e-6)
        assert math.log10(value) > -9


def test_what_failed_in_a_later_process_is_drawn_as_a_failure(chart: Chart) -> None:
    figure = chart("speedup")
    texts = [row for trace in figure["data"] for y, row in zip(trace["y"], trace["text"], strict=True)
            if y == "linformer r=4"]  # fmt: skip
    assert texts == [[""] * 3, ["timeout", "", ""]]
    assert "linformer r=4" not in {trace["name"] for trace in chart("latency")["data"] if any(trace["y"])}


def test_methods_that_a_chart_cannot_hold_are_counted_below_it(browser: webdriver.Chrome, tmp_path: Path) -> None:
    found = [result("dct-x", n, n * 1e-6, ratio=r) for n in range(64, 64 * 51, 64) for r in range(1, 46)]
    found += [result("sdpa", n, n * 1e-6) for n in range(64, 64 * 51, 64)]
    one = RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, found, [r.case for r in found])
    screen(browser, 1280)
    browser.get(written(html([one]), tmp_path))
    settled(browser, "latency")
    assert len(browser.execute_script(CODE, "latency")["data"]) == 40
    note = browser.find_element(By.CSS_SELECTOR, "[data-note=latency]")
    assert note.text == "6 more methods are not drawn. Choose a ratio, or hide some of the methods drawn."
    browser.get(f"{browser.current_url}#ratio=8")
    settled(browser, "latency")
    assert not note.is_displayed()


def test_markup_in_the_name_of_a_method_is_no_markup_for_plotly(browser: webdriver.Chrome, tmp_path: Path) -> None:
    found = [result(name, n, n * 1e-6) for name in ("sdpa", "mine,<b>one</b>:&Mine") for n in (256, 512)]
    one = RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, found, [r.case for r in found])
    screen(browser, 1280)
    browser.get(written(html([one]), tmp_path))
    settled(browser, "speedup")
    labels = [tick.text for tick in browser.find_elements(By.CSS_SELECTOR, "#speedup .ytick text")]
    assert labels == ["mine,<b>one</b>:&Mine"]
    legend = browser.find_elements(By.CSS_SELECTOR, "[data-legend=latency] button")[1]
    browser.execute_script("arguments[0].click()", legend)
    settled(browser, "latency")
    assert [trace["name"] for trace in browser.execute_script(CODE, "latency")["data"]] == ["sdpa"]


def test_a_users_own_method_is_drawn_in_a_run_without_a_reference(browser: webdriver.Chrome, tmp_path: Path) -> None:
    found = [result("my_package:Mine", n, n * 1e-6) for n in (256, 512)]
    one = RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, found, [r.case for r in found])
    screen(browser, 390)
    browser.get(written(html([one]), tmp_path))
    settled(browser, "latency")
    assert list(named(browser.execute_script(CODE, "latency"))) == ["my_package:Mine"]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert browser.get_log("browser") == []


def test_the_memory_of_a_process_on_a_gpu_is_held_and_compared_with_that_of_the_gpu(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    size = {"memory.tensor": ("B", MIB), "memory.state": ("B", 0.0), "memory.process": ("B", 500 * MIB)}
    found = [result("sdpa", n, 1e-3, values=size, device="cuda:0") for n in (256, 512)]
    found += [result("sdpa", n, 1e-3, values=size) for n in (256, 512)]
    facts = {**ENVIRONMENT.facts, "memory_bytes": 2048 * MIB, "gpu": [{"memory_bytes": 1024 * MIB}]}
    machine = Environment(facts, ENVIRONMENT.fingerprint)
    one = RecordedRun(RUN, {machine.fingerprint: machine}, found, [r.case for r in found])
    page = written(html([one]), tmp_path)

    def told(device: str) -> tuple[set[str], str, list[str]]:
        browser.get("about:blank")
        browser.get(f"{page}#kind=process&device={device}")
        settled(browser, "memory")
        chart = browser.execute_script(CODE, "memory")
        return set(named(chart)), chart["layout"]["yaxis"]["title"]["text"], texts(browser, "[data-toggle=kind] label")

    screen(browser, 1280)
    held, growth = "memory held by the process", "growth of the process"
    assert told("cuda:0") == ({"sdpa", "cuda:0: 1.00 GiB"}, held, ["tensors of a call", held])
    assert told("cpu") == ({"sdpa", "this machine: 2.00 GiB"}, growth, ["tensors of a call", growth])


def test_the_line_of_a_budget_is_drawn_where_its_quantity_is(browser: webdriver.Chrome, page: str) -> None:
    screen(browser, 1280)

    def names(figure: str, choices: str) -> set[str]:
        browser.get("about:blank")
        browser.get(f"{page}#{choices}")
        settled(browser, figure)
        return {name for name in named(browser.execute_script(CODE, figure)) if name.startswith("budget")}

    assert names("memory", "memory=8MiB") == {"budget 8.00 MiB"}
    assert names("memory", "memory=8MiB&kind=process") == set()  # the budget is of tensors
    assert names("latency", "latency=2ms") == {"budget 2.00 ms"}
    assert names("latency", "latency=2ms&batch=4&differences=all") == {"budget of p99 2.00 ms"}  # only these have a p99
    settled(browser, "pareto")
    [note] = [text for text in texts(browser, "[data-note=pareto]") if text]
    assert note == "The vertical line is the budget of the p99 latency, and the marks are at the mean."
