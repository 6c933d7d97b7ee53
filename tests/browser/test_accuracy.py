"""The section on accuracy in a real browser: drawn, within the screen, and accessible."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from dctbench.page.html import html
from tests.browser.conftest import recorded, written
from tests.browser.test_page import violations
from tests.page.test_accuracy import TIMED
from tests.support.browser import screen, settled
from tests.support.trained import whole_suite


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


def test_a_page_of_trainings_alone_opens_without_errors(browser: webdriver.Chrome, tmp_path: Path) -> None:
    screen(browser, 1280)
    browser.get(written(html([recorded(whole_suite())]), tmp_path))
    settled(browser, "task-0-0-acuity")
    assert browser.get_log("browser") == []
    assert not browser.find_element(By.ID, "problem").is_displayed()
