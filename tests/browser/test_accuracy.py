"""The section on accuracy in a real browser: drawn, within the screen, and accessible."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from dctbench.page.html import html
from tests.analysis.test_in_model import rounds
from tests.browser.conftest import recorded, written
from tests.browser.test_page import violations
from tests.page.test_accuracy import TIMED
from tests.support.browser import screen, settled, texts
from tests.support.made import in_two_rounds, result
from tests.support.trained import trained, whole_suite


@pytest.fixture(scope="module")
def learned_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(html([recorded([*TIMED, *whole_suite()])]), tmp_path_factory.mktemp("learned"))


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_accuracy_is_drawn_within_the_screen_for_everyone(
    browser: webdriver.Chrome, learned_page: str, width: int, scheme: str
) -> None:
    screen(browser, width, scheme)
    browser.get(learned_page)
    for figure in ("task-0-0-acuity", "task-1-0", "task-1-1", "task-1-kept"):
        settled(browser, figure)
        [drawing] = browser.find_elements(By.CSS_SELECTOR, f"#{figure} svg[role=img]")
        assert drawing.get_attribute("aria-label") == browser.find_element(By.ID, f"h-{figure}").text
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert violations(browser) == []
    assert browser.get_log("browser") == []


def test_a_model_is_drawn_under_its_name_and_another_run_has_its_own_answers(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    model = recorded([*rounds("sdpa", 10e-3, 60, share=0.4), *rounds("dct-kv", 5e-3, 61, ratio=2)], label="a model")
    layers = recorded(in_two_rounds([result("sdpa", 256, 2e-3), result("full", 256, 4e-3)]), label="layers")
    screen(browser, 1280)
    browser.get(written(html([model, layers]), tmp_path))
    settled(browser, "in-model-0")
    [drawing] = browser.find_elements(By.CSS_SELECTOR, "#in-model-0 svg[role=img]")
    assert drawing.get_attribute("aria-label") == "minilm at n = 128"
    answers = browser.find_element(By.CSS_SELECTOR, "#decision .answers")
    assert "minilm" in answers.text
    browser.find_element(By.CSS_SELECTOR, "#choices [name=run] option[value='1']").click()
    assert not answers.is_displayed()
    assert browser.find_element(By.ID, "recommendation").text.startswith("At n = 256, layer: ship sdpa")
    assert violations(browser) == []
    assert browser.get_log("browser") == []


def test_a_page_of_trainings_alone_opens_without_errors(browser: webdriver.Chrome, tmp_path: Path) -> None:
    screen(browser, 1280)
    browser.get(written(html([recorded(whole_suite())]), tmp_path))
    settled(browser, "task-0-0-acuity")
    rows = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "#window tbody tr:not(.spacer)")]
    assert any("accuracy 0.8" in row for row in rows)
    assert not any(row.endswith("ok") for row in rows)
    assert browser.get_log("browser") == []
    assert not browser.find_element(By.ID, "problem").is_displayed()


def test_nothing_is_shipped_in_int8_for_its_accuracy_in_floating_point(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    timed = [
        result(name, 256, seconds * share, ratio=ratio, engine=engine)
        for name, ratio, seconds in (("sdpa", None, 4e-3), ("dct-x", 4, 2e-3))
        for engine, share in (("onnxruntime-int8", 0.5), ("onnxruntime", 1.0))
    ]
    accuracies = {("sdpa", None): [0.8, 0.81, 0.82], ("dct-x", 4): [0.8, 0.811, 0.82], ("none", None): [0.3, 0.31, 0.3]}
    learned = [one for (name, ratio), values in accuracies.items() for one in trained(name, values, ratio=ratio)]
    found = recorded([*in_two_rounds(timed), *learned])
    screen(browser, 1280)
    browser.get(written(html([found]), tmp_path))
    settled(browser, "latency")
    answers, cells = {}, {}
    for engine in ("onnxruntime-int8", "onnxruntime"):
        browser.find_element(By.CSS_SELECTOR, f"#choices [name=engine] option[value='{engine}']").click()
        answers[engine] = browser.find_element(By.ID, "recommendation").text
        cells[engine] = [
            cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "#decided tbody td:nth-last-child(3)")
        ]
    assert answers["onnxruntime-int8"].endswith(
        "no method can be recommended: none of them is shown to be as good as exact attention."
    )
    assert ": ship dct-x r=4 (2.00 ms" in answers["onnxruntime"]
    assert cells["onnxruntime-int8"] == ["not measured", "not measured"]
    assert cells["onnxruntime"] == ["mnist1d 0.810, as good", "mnist1d 0.810"]


def test_a_shorter_length_shows_and_recommends_by_its_own_quality(browser: webdriver.Chrome, tmp_path: Path) -> None:
    original, good = rounds("sdpa", 10e-3, 60), rounds("dct-kv", 5e-3, 63, ratio=2)
    longer = [replace(one, case=replace(one.case, seq_len=512)) for one in [*original, *good]]
    found = [*original, *rounds("dct-kv", 5e-3, 30, ratio=2), *longer]
    screen(browser, 1280)
    browser.get(written(html([recorded(found)]), tmp_path))
    settled(browser, "latency")
    shown = {}
    for n in ("512", "128"):
        browser.find_element(By.CSS_SELECTOR, f"#choices [name=n] option[value='{n}']").click()
        sentence = browser.find_element(By.ID, "recommendation").text
        shown[n] = [sentence.partition(" (")[0], *texts(browser, "#decided tbody td:nth-last-child(3)")]
    assert shown == {
        "512": ["At n = 512: ship dct-kv r=2", "recall 0.630", "recall 0.600"],
        "128": ["At n = 128: ship sdpa", "recall 0.300", "recall 0.600"],
    }


def test_a_share_of_late_calls_is_no_budget_where_nothing_has_a_deadline(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    made = [result("sdpa", 256, 2e-3), result("reformer", 256, 1e-3)]
    page = written(html([recorded(in_two_rounds(made))]), tmp_path)
    screen(browser, 1280)
    shown = {}
    for typed in ("late=1%25", "latency=1s"):
        browser.get("about:blank")
        browser.get(f"{page}#{typed}")
        settled(browser, "latency")
        shown[typed] = browser.find_element(By.ID, "remarks").is_displayed()
    assert shown == {"late=1%25": False, "latency=1s": True}
