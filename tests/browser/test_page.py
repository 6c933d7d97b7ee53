"""The report in a real browser, opened from disk: drawn, silent on the network and the console, wide and narrow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from dctbench.report.html import html
from tests.made import ENVIRONMENT, RUN, result

VALUES = {"memory.tensor": ("B", 2.0**22), "memory.state": ("B", 0.0), "error.smooth": ("1", 0.1)}
DETAILS = {
    "stop_reason": "precise",
    "split": {"shares": {"projections": 0.5, "attention": 0.3, "other": 0.2}},
    "roofline": {
        "bound": "compute", "rate": 1.5e11, "share": 0.7, "intensity": 60.0, "ridge": 5.0, "throughput": 2e9,
    },
}  # fmt: skip
RESULTS = [
    *(replace(result("sdpa", n, n * 1e-6, values=VALUES), details=DETAILS) for n in (512, 1024, 2048)),
    *(result("dct-x", n, n * 1e-6 / 3, ratio=r, values=VALUES) for n in (512, 1024, 2048) for r in (4, 8)),
    result("full", 2048, None, status="oom", message="needs about 1.00 TiB of 131 GiB (estimate)"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, RESULTS, len(RESULTS)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *getattr(request, "param", ())):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield made
    made.quit()


def drawn(browser: webdriver.Chrome) -> bool:
    return bool(browser.find_elements(By.CSS_SELECTOR, "#latency svg .scatterlayer .trace"))


@pytest.mark.parametrize("width", [390, 1280])
def test_the_chart_is_drawn_and_nothing_overflows(browser: webdriver.Chrome, page: str, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get(page)
    browser.execute_script("document.getElementById('latency').scrollIntoView()")
    WebDriverWait(browser, 30).until(drawn)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#latency .scatterlayer .trace")) == 4
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []
    requested = [
        entry["message"] for entry in browser.get_log("performance") if "requestWillBeSent" in entry["message"]
    ]
    assert not [message for message in requested if '"url":"http' in message]


@pytest.mark.parametrize("figure", ["speedup", "memory", "pareto", "split", "roofline", "strips-2048", "order-2048"])
def test_each_figure_is_drawn_when_it_comes_into_sight_and_is_named(
    browser: webdriver.Chrome, page: str, figure: str
) -> None:
    browser.get(page)
    browser.execute_script("document.getElementById(arguments[0]).scrollIntoView()", figure)
    WebDriverWait(browser, 30).until(lambda b: b.find_elements(By.CSS_SELECTOR, f"#{figure} svg[role=img]"))
    [drawing] = browser.find_elements(By.CSS_SELECTOR, f"#{figure} svg[role=img]")
    assert drawing.get_attribute("aria-label") == browser.find_element(By.ID, f"h-{figure}").text
    marks = (".scatterlayer .trace", ".heatmaplayer image", ".barlayer .trace")
    assert browser.find_elements(By.CSS_SELECTOR, ", ".join(f"#{figure} {mark}" for mark in marks))
    assert browser.get_log("browser") == []


def test_the_samples_of_another_length_are_drawn_when_they_are_opened(browser: webdriver.Chrome, page: str) -> None:
    browser.get(page)
    [summary] = [one for one in browser.find_elements(By.CSS_SELECTOR, "details > summary") if one.text == "n = 512"]
    browser.execute_script("arguments[0].scrollIntoView()", summary)
    assert not browser.find_elements(By.CSS_SELECTOR, "#strips-512 svg")
    summary.click()
    WebDriverWait(browser, 30).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#strips-512 .scatterlayer .trace"))


@pytest.mark.parametrize("browser", [("--blink-settings=scriptEnabled=false",)], indirect=True)
def test_without_scripts_the_verdict_and_the_table_are_there(browser: webdriver.Chrome, page: str) -> None:
    browser.get(page)
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "At n = 2048, no clear winner among dct-x r=4, dct-x r=8" in text
    assert "OOM (needs about 1.00 TiB of 131 GiB (estimate))" in text
    assert "The other charts need JavaScript" in text
    [drawing] = browser.find_elements(By.CSS_SELECTOR, ".drawing svg")
    assert drawing.size["width"] > 300
    assert {"sdpa", "dct-x r=4", "dct-x r=8", "2048"} <= set(drawing.text.split("\n"))
    assert not [figure for figure in browser.find_elements(By.CSS_SELECTOR, ".figure") if figure.is_displayed()]


def test_the_policy_of_the_page_stops_foreign_scripts(browser: webdriver.Chrome, page: str, tmp_path: Path) -> None:
    browser.get(page)
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.intruder = 1'; document.body.append(s)"
    )
    assert browser.execute_script("return window.intruder === undefined")
