"""The files of the page: its template, and the scripts and styles, which are joined into one of each.

Scripts share one closure and only declare. `main.js` comes last and starts the page. Styles are independent of each
other, except that `base.css` comes first. So a new section is a new file, and no list of files has to be kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

MARK = re.compile(rb"(?s)\A<!doctype html>.*\xc2\xb7 dctbench</title>\n<style>")
"""Found in the head of every page, of a report and of an atlas."""


@cache
def source(name: str) -> str:
    """The text of a file, by its path below `reports`."""
    return files("dctbench.reports").joinpath(*name.split("/")).read_text(encoding="utf-8")


@cache
def script() -> str:
    """All scripts of the page in one closure, so that they define no global names."""
    names = sorted(_names("scripts", ".js"), key=lambda name: (name == "main.js", name))
    return _together('(function () {\n"use strict";', [f"scripts/{name}" for name in names], "})();\n")


@cache
def style() -> str:
    """All styles of the page."""
    names = sorted(_names("styles", ".css"), key=lambda name: (name != "base.css", name))
    return _together("", [f"styles/{name}" for name in names], "")


@cache
def plotly() -> str:
    """plotly.js from the installed plotly package."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


@cache
def template(name: str = "page.html.j2") -> Any:
    """The template of a page. That of the report includes a file for each section."""
    templates = Environment(
        loader=FunctionLoader(source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(name)


def source_hash(text: str) -> str:
    """The hash with which the content security policy allows exactly this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _names(folder: str, ending: str) -> list[str]:
    return [found.name for found in (files("dctbench.reports") / folder).iterdir() if found.name.endswith(ending)]


def _together(begin: str, names: list[str], end: str) -> str:
    return "\n".join([begin, *(source(name) for name in names), end])
