"""What the page is made of: its template, and many small scripts and styles that become one of each.

A script only declares, but for `main.js`, which comes last and starts the page; all of them share one closure. A style
stands on its own, but for `base.css`, which comes first. So a new section is a new file, and no list names them.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined


@cache
def source(name: str) -> str:
    """A file of the page by its path below `reports`."""
    return files("dctbench.reports").joinpath(*name.split("/")).read_text(encoding="utf-8")


@cache
def script() -> str:
    """Every script of the page in one closure, so that nothing of it can be reached from outside."""
    names = sorted(_names("scripts", ".js"), key=lambda name: (name == "main.js", name))
    return _together('(function () {\n"use strict";', [f"scripts/{name}" for name in names], "})();\n")


@cache
def style() -> str:
    """Every style of the page."""
    names = sorted(_names("styles", ".css"), key=lambda name: (name != "base.css", name))
    return _together("", [f"styles/{name}" for name in names], "")


@cache
def plotly() -> str:
    """plotly.js as the installed plotly package ships it."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


@cache
def template() -> Any:
    """The page's template; its sections are included from files of their own."""
    templates = Environment(
        loader=FunctionLoader(source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("page.html.j2")


def source_hash(text: str) -> str:
    """What the content security policy allows: this very script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _names(folder: str, ending: str) -> list[str]:
    return [found.name for found in (files("dctbench.reports") / folder).iterdir() if found.name.endswith(ending)]


def _together(begin: str, names: list[str], end: str) -> str:
    return "\n".join([begin, *(source(name) for name in names), end])
