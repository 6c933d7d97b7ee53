"""Take the pictures that README and the documents show, from the results in reports/gallery.

    python -m benchmarks.pictures                those whose results have changed since they were taken
    python -m benchmarks.pictures acuity.png     this one in any case

Each is a part of the page that `dctbench report` makes of a result file, in headless Chromium. It holds the SHA-256 of
that file, so that a test notices a picture of other results.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from selenium import webdriver
from selenium.webdriver.common.by import By

from dctbench.page.html import html
from dctbench.runs.lookup import resolve
from tests.support.browser import chromium, screen, settled

GALLERY = Path(__file__).resolve().parents[1] / "reports" / "gallery"
WIDTH = 1280
MARGIN = 8
HASH = "results-sha256"
"""The key of the hash among a picture's texts."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A part of a page.

    Attributes:
        results: the file in the gallery that it shows.
        first: a selector of the element that it starts with; None for the top of the page.
        last: a selector of the element that it ends with.
        figures: selectors of the charts in it, which are waited for.
    """

    results: str
    first: str | None
    last: str
    figures: tuple[str, ...]


PICTURES: Mapping[str, Picture] = {
    "quick.png": Picture("quick.json", None, "[data-legend=latency]", ("#latency",)),
    "acuity.png": Picture("accuracy.json", "h4[id$=-acuity]", "[data-watch$=-acuity]", ("[data-figure$=-acuity]",)),
    "minilm.png": Picture(
        "minilm.json",
        "[aria-labelledby=h-in-model]",
        "[aria-labelledby=h-in-model] table",
        ("[aria-labelledby=h-in-model] [data-figure]",),
    ),
    "realtime.png": Picture("realtime.json", None, "section.deadline", ("#latency",)),
}


def hash_of(results: Path) -> str:
    """The SHA-256 of a result file."""
    return hashlib.sha256(results.read_bytes()).hexdigest()


def shown(picture: Path) -> str | None:
    """The hash of the results that a picture shows; None if it says none."""
    with Image.open(picture) as image:
        return image.info.get(HASH)


def take(browser: webdriver.Chrome, picture: Picture, into: Path) -> None:
    """Make the page of a picture's results, and write the part of it that the picture shows."""
    results = GALLERY / picture.results
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(html([resolve("", str(results))]), encoding="utf-8")
        screen(browser, WIDTH)
        browser.get(page.as_uri())
        for figure in picture.figures:
            settled(browser, browser.find_element(By.CSS_SELECTOR, figure).get_attribute("id") or "")
        browser.execute_script("scrollTo(0, 0)")
        edge = "const e = document.querySelector(arguments[0]).getBoundingClientRect(); return [e.top, e.bottom]"
        top = 0 if picture.first is None else browser.execute_script(edge, picture.first)[0] - MARGIN
        bottom = browser.execute_script(edge, picture.last)[1] + MARGIN
        clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top, "scale": 1}
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    about = PngInfo()
    about.add_text(HASH, hash_of(results))
    with Image.open(io.BytesIO(base64.b64decode(taken["data"]))) as image:
        image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(into, pnginfo=about, optimize=True)


def main() -> None:
    """Take the pictures that were asked for, or else those that show other results than there are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PICTURE", help=", ".join(PICTURES))
    asked = parser.parse_args().names
    if unknown := sorted({*asked} - PICTURES.keys()):
        parser.error(f"no such picture: {', '.join(unknown)}")
    with chromium() as browser:
        for name, picture in PICTURES.items():
            path, results = GALLERY / name, GALLERY / picture.results
            old = results.exists() and (not path.exists() or shown(path) != hash_of(results))
            if name in asked or (not asked and old):
                take(browser, picture, path)
                print(f"{name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
