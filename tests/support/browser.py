"""Headless Chromium, driven by a reader's actions, for tests and for measuring the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait


@contextmanager
def chromium(*arguments: str) -> Iterator[webdriver.Chrome]:
    """Start a browser that records console and network requests; skip the test if there is no browser."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield made
    finally:
        made.quit()


def screen(browser: webdriver.Chrome, width: int, scheme: str = "light") -> None:
    """Set the width of the screen in pixels and the preferred colour scheme."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def settled(browser: webdriver.Chrome, element: str) -> None:
    """Scroll to an element and wait until it is drawn.

    A chart is drawn when its drawing has a role, and it is busy while it must be drawn again.
    """
    browser.execute_script("document.getElementById(arguments[0]).scrollIntoView()", element)
    drawn = f"#{element}:not([aria-busy]) svg[role=img], [data-note={element}]:not([hidden]), #{element} tbody"
    WebDriverWait(browser, 30).until(lambda b: b.find_elements(By.CSS_SELECTOR, drawn))


def texts(browser: webdriver.Chrome, selector: str) -> list[str]:
    """Return the visible texts of all matches of a selector at one moment, since the page may redraw between calls."""
    read = """return [...document.querySelectorAll(arguments[0])].map(found =>
        found.checkVisibility() ? (found.innerText ?? found.textContent).trim() : "");"""
    found: list[str] = browser.execute_script(read, selector)
    return found
