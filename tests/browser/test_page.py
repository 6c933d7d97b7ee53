"""The report in a real browser, opened from disk: drawn, without errors, accessible, with and without scripts."""

from __future__ import annotations

import base64
import csv
import io
import json
from importlib.resources import files
from pathlib import Path

import plotly.graph_objects as go
import pytest
from pypdf import PdfReader
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from dctbench.compare.stored import compare_stored
from dctbench.page.html import html
from dctbench.runs.lookup import RecordedRun
from tests.browser.conftest import EVIL, recorded, results, written
from tests.support.browser import screen, settled, texts
from tests.support.made import result

ALL = "#differences=all"  # of a page without an approximation, errors are drawn only on request
FIGURES = ("latency", "speedup", "memory", "pareto", "split", "roofline", "strips-512", "order-512")


def violations(browser: webdriver.Chrome) -> list[str]:
    """The accessibility violations that axe-core finds."""
    browser.execute_script((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = browser.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


def asked_the_network(browser: webdriver.Chrome) -> list[str]:
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    asked = (m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent")
    return [url for url in asked if url.startswith(("http", "ws"))]


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_everything_is_drawn_within_the_screen_for_everyone(
    browser: webdriver.Chrome, page: str, width: int, scheme: str
) -> None:
    screen(browser, width, scheme)
    browser.get(page + ALL)
    for figure in FIGURES:
        settled(browser, figure)
        [drawing] = browser.find_elements(By.CSS_SELECTOR, f"#{figure} svg[role=img]")
        assert drawing.get_attribute("aria-label") == browser.find_element(By.ID, f"h-{figure}").text
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert violations(browser) == []
    assert browser.get_log("browser") == []
    assert asked_the_network(browser) == []


def test_budgets_and_choices_keep_the_page_accessible(browser: webdriver.Chrome, page: str) -> None:
    screen(browser, 1280)
    browser.get(f"{page}#latency=1ms&memory=20MiB&error=5%25&ratio=8")
    settled(browser, "table")
    assert "over budget" in browser.find_element(By.ID, "window").text
    assert violations(browser) == []


def test_plotly_accepts_every_figure(browser: webdriver.Chrome, page: str) -> None:
    screen(browser, 1280)
    browser.get(page + ALL)
    for figure in FIGURES:
        settled(browser, figure)
        code = (
            "const e = document.getElementById(arguments[0]); return JSON.stringify({data: e.data, layout: e.layout})"
        )
        go.Figure(json.loads(browser.execute_script(code, figure)))


def test_a_label_and_a_message_with_markup_stay_text(browser: webdriver.Chrome, page: str) -> None:
    browser.get(page)
    assert browser.find_element(By.TAG_NAME, "h1").text == f"bench {EVIL}"
    settled(browser, "table")
    assert f"SIGSEGV {EVIL}" in browser.find_element(By.ID, "window").text
    assert browser.find_elements(By.TAG_NAME, "img") == []


def test_without_scripts_the_verdict_the_table_and_a_chart_are_there(browser: webdriver.Chrome, page: str) -> None:
    screen(browser, 1280)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(page)
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "At n = 2048, batch 1, no clear winner among dct-x r=8 and dct-x r=4" in text
    assert "OOM (needs about 1.00 TiB of 131 GiB (estimate))" in text
    assert "The other charts need JavaScript" in text
    [drawing] = browser.find_elements(By.CSS_SELECTOR, ".drawing svg")
    assert drawing.size["width"] > 300
    assert {"sdpa", "dct-x r=4", "dct-x r=8", "2048"} <= set(drawing.text.split("\n"))
    for hidden in (".figure", ".toggle", ".bar", "#table"):
        assert not [found for found in browser.find_elements(By.CSS_SELECTOR, hidden) if found.is_displayed()]


def test_the_script_renders_the_same_sentences_and_cells_as_python(browser: webdriver.Chrome, page: str) -> None:
    screen(browser, 1280)
    places = ("#decision", ".answer", "[data-list] li", "[data-list] .note")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(page)
    before = {place: texts(browser, place) for place in places}
    cells = [row.split() for row in texts(browser, ".first tbody tr")]
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.get("about:blank")
    browser.get(f"{page}#every=1")
    settled(browser, "table")
    assert {place: texts(browser, place) for place in places} == before
    again = [row.split()[1:] for row in texts(browser, "#window tbody tr:not(.spacer)")]
    assert len(cells) == len(again) > 0
    for static, made in zip(cells, again, strict=True):
        assert [word for word in static if word not in made] == []


def test_numbers_and_ranges_stay_on_one_line(browser: webdriver.Chrome, tmp_path: Path) -> None:
    error = {"error.smooth": ("1", 3e-7)}
    found = [result("sdpa", n, [n * 1e-6] * 9, round=r) for n in (64, 128) for r in (1, 2)]
    found += [
        result("dct-kv", n, [n * 1e-7 * (1 + r / 1000)] * 9, round=r, values=error) for n in (64, 128) for r in (1, 2)
    ]
    address = written(html([recorded(found)]), tmp_path)
    screen(browser, 1280)
    browser.get(address)
    numbers = """decision.style.width = arguments[0] + "px";
        return [...decision.querySelectorAll(".number")].map(one => [one.textContent, one.getClientRects().length])"""
    for width in range(200, 400, 10):
        lines = dict(browser.execute_script(numbers, width))
        assert "3e-07" in lines
        assert any(text.startswith("(") and text.endswith(")") for text in lines)
        assert set(lines.values()) == {1}


def printed(browser: webdriver.Chrome) -> list[str]:
    """The texts of the pages of the report on paper."""
    paper = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
    made = browser.execute_cdp_cmd("Page.printToPDF", paper)
    return [found.extract_text() for found in PdfReader(io.BytesIO(base64.b64decode(made["data"]))).pages]


def test_every_printed_page_has_content_and_every_chart_is_printed(browser: webdriver.Chrome, page: str) -> None:
    screen(browser, 1280, "dark")
    browser.get(page + ALL)
    settled(browser, "latency")
    pages = printed(browser)
    assert [number for number, text in enumerate(pages) if not text.split()] == []
    whole = "\n".join(pages)
    for words in (
        "sequence length n",
        "relative error, smooth input",
        "share of a call's time",
        "SIGSEGV",
        "dctbench run",
    ):
        assert words in whole
    assert "max latency" not in whole


def test_what_was_chosen_is_printed_without_the_controls(browser: webdriver.Chrome, page: str) -> None:
    screen(browser, 1280)
    browser.get("about:blank")
    browser.get(f"{page}#n=512&ratio=8&memory=20MiB")
    settled(browser, "latency")
    first = " ".join(printed(browser)[0].split())
    assert "n = 512, batch 1 · vs sdpa · ratio 8 · ≤ 20.0 MiB" in first
    assert "Copy link" not in first
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get("about:blank")
    browser.get(page)
    assert " · vs sdpa" not in printed(browser)[0]


def test_downloads_tell_rows_apart_that_differ_in_layers_or_training(browser: webdriver.Chrome, tmp_path: Path) -> None:
    found = [result("dct-kv", 128, ratio=2, scope="model", model="minilm", layers=layers, recover=recover)
             for layers, recover in ((None, None), ("2..", None), ("2..", 100))]  # fmt: skip
    browser.get(written(html([recorded(found)]), tmp_path))
    settled(browser, "latency")
    browser.execute_script(
        "URL.createObjectURL = (blob) => { window.taken = blob; return '#'; };"
        "HTMLAnchorElement.prototype.click = () => undefined;"
    )

    def downloaded(button: str) -> str:
        element = browser.find_element(By.XPATH, f"//button[.='{button}']")
        browser.execute_script("arguments[0].click()", element)
        text: str = browser.execute_async_script("window.taken.text().then(arguments[0])")
        return text

    told = {("", ""), ("2..", ""), ("2..", "100")}
    rows = list(csv.DictReader(io.StringIO(downloaded("Download CSV"))))
    assert {(row["layers"], row["recover"]) for row in rows} == told
    records = json.loads(downloaded("Download JSON"))
    assert {(one["layers"] or "", str(one["recover"] or "")) for one in records} == told


def test_the_keyboard_reaches_filters_table_and_downloads(browser: webdriver.Chrome, page: str) -> None:
    screen(browser, 1280)
    browser.get(page)
    settled(browser, "table")
    browser.execute_script("window.scrollTo(0, 0); document.activeElement.blur()")
    wanted = {"n", "ratio", "latency", "Copy link", "tail", "find", "window", "Download CSV", "▸ sdpa"}
    reached = set()
    for _ in range(200):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.switch_to.active_element
        reached |= {focused.get_attribute("name"), focused.get_attribute("id"), focused.text}
        if wanted <= reached:
            return
    raise AssertionError(f"not reached with the tabulator: {wanted - reached}")


def test_the_policy_of_the_page_stops_foreign_scripts(browser: webdriver.Chrome, page: str) -> None:
    browser.get(page)
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.intruder = 1'; document.body.append(s)"
    )
    assert browser.execute_script("return window.intruder === undefined")


def test_compressed_the_page_is_smaller_and_the_same(
    browser: webdriver.Chrome, reported: RecordedRun, page: str, tmp_path: Path
) -> None:
    text = html([reported], compress=True)
    assert len(text) < 0.55 * Path(page.removeprefix("file://")).stat().st_size
    assert text == html([reported], compress=True)
    screen(browser, 1280)
    browser.get(page)
    settled(browser, "table")
    whole = browser.find_element(By.TAG_NAME, "main").text
    browser.get(written(text, tmp_path))
    settled(browser, "latency")
    settled(browser, "table")
    assert browser.find_element(By.TAG_NAME, "main").text.split("▸")[-1] == whole.split("▸")[-1]
    assert browser.get_log("browser") == []


def test_runs_stand_side_by_side_and_are_never_mixed(browser: webdriver.Chrome, tmp_path: Path) -> None:
    slower = [one for one in results() if one.case.batch == 1 and one.case.implementation in ("sdpa", "linformer")]
    runs = [recorded(results(), label="server"), recorded(slower, label="laptop", id="f" * 16)]
    screen(browser, 1280)
    browser.get(written(html(runs), tmp_path))
    assert browser.find_element(By.TAG_NAME, "h1").text == "server and laptop"
    assert "keep sdpa: fastest" in browser.find_element(By.CSS_SELECTOR, ".runs").text
    settled(browser, "latency")
    browser.find_element(By.CSS_SELECTOR, "#choices [name=run] option[value='1']").click()
    assert "At n = 2048, batch 1: ship sdpa" in browser.find_element(By.ID, "decision").text
    assert texts(browser, "[data-legend]")[0].split("\n") == ["sdpa", "linformer r=8"]


def test_the_samples_of_another_length_are_drawn_when_they_are_opened(browser: webdriver.Chrome, page: str) -> None:
    screen(browser, 1280)
    browser.get(page)
    settled(browser, "latency")
    [summary] = [
        found
        for found in browser.find_elements(By.CSS_SELECTOR, "details > summary")
        if found.text == "n = 1024, batch 1"
    ]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", summary)
    assert not browser.find_elements(By.CSS_SELECTOR, "#strips-1024 svg")
    summary.click()
    settled(browser, "strips-1024")


def test_what_changed_since_a_baseline_is_drawn(
    browser: webdriver.Chrome, reported: RecordedRun, tmp_path: Path
) -> None:
    screen(browser, 390)
    outcome = compare_stored(recorded(results(), id="e" * 16), reported)
    browser.get(written(html([reported], compared=outcome), tmp_path))
    settled(browser, "regressions")
    assert browser.find_elements(By.CSS_SELECTOR, "#regressions .scatterlayer .trace")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert violations(browser) == []
    assert browser.get_log("browser") == []


def test_a_narrow_screen_has_a_card_for_each_method_and_the_recommended_one_first(
    browser: webdriver.Chrome, page: str
) -> None:
    screen(browser, 390)
    browser.get(page)
    settled(browser, "latency")
    cards = browser.find_elements(By.CSS_SELECTOR, "#decided tbody tr")
    assert len(cards) > 1
    first = min(cards, key=lambda card: card.rect["y"])
    assert first.get_attribute("class") == "here"
    assert browser.execute_script("const d = document.getElementById('decided'); return d.scrollWidth <= d.clientWidth")
    titles = browser.execute_script(
        "return Array.from(arguments[0].querySelectorAll('td'), (cell) => getComputedStyle(cell, '::before').content)",
        first,
    )
    heads = [head.get_attribute("textContent") for head in browser.find_elements(By.CSS_SELECTOR, "#decided thead th")]
    assert [title.strip('" ').split(" ")[0] for title in titles[:2]] == ["vs", "latency"]
    assert [title for title in heads if title != "late"][1:4] == ["vs sdpa", "latency", "memory"]
