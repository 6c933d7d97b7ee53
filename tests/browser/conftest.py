"""One browser and one report for all tests of the page, because making either takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium import webdriver

from dctbench.model import CaseWarning, Result, ResultDetails, WarningCode
from dctbench.page.html import html
from dctbench.runs.lookup import RecordedRun
from tests.support.browser import chromium
from tests.support.made import ENVIRONMENT, RUN, result

EVIL = "</script><img src=x onerror=alert(1)>"
MIB = 2.0**20
LENGTHS = (512, 1024, 2048)
SPLIT = {"shares": {"projections": 0.5, "attention": 0.2, "transform": 0.3, "other": 0.0}}
ROOF = {"bound": "compute", "rate": 1.5e11, "share": 0.72, "intensity": 63.4, "ridge": 5.1, "throughput": 2e9}


def timed(
    name: str, n: int, seconds: float, ratio: float | None = None, *, count: int = 10, batch: int = 1
) -> list[Result]:
    """Three rounds of a case, which differ a little."""
    size = 16 * MIB * n / 512 / (ratio or 1)
    exact = name in ("sdpa", "full")
    values = {"memory.tensor": ("B", size), "memory.state": ("B", 4.0), "memory.process": ("B", size + 4096),
              "flops": ("FLOP", 1e6 * n), "error.smooth": ("1", 3e-7 if exact else 0.1 / (ratio or 1)),
              "error.noise": ("1", 4e-7 if exact else 0.9)}  # fmt: skip
    found = []
    for number in (1, 2, 3):
        drift = 0.01 * number if ratio != 8 else -0.01 * number  # so that r=8 is tied with others
        samples = [seconds * (1 + drift + 0.001 * (i % 7)) for i in range(count)]
        one = result(name, n, samples, ratio=ratio, round=number, values=values, batch=batch)
        warnings = (CaseWarning(WarningCode.SPREAD, {"spread": 0.12}),) if name == "dct-x" and n == 512 else ()
        details = {"stop_reason": "precise", "split": SPLIT, "roofline": ROOF}
        found.append(replace(one, details=ResultDetails.from_json(details), warnings=warnings))
    return found


def recorded(results: list[Result], **changes: object) -> RecordedRun:
    """A run of these results."""
    run = replace(RUN, **changes)  # type: ignore[arg-type]
    plan = list(dict.fromkeys(one.case for one in results))
    return RecordedRun(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results, plan)


def results() -> list[Result]:
    """Two facets with failures of every kind; only the second has a p99."""
    found = []
    for n in LENGTHS:
        found += timed("sdpa", n, n * 1e-6)
        found += timed("dct-x", n, n * 1e-6 / 3, 4) + timed("dct-x", n, n * 1e-6 / 3, 8)
        found += timed("linformer", n, n * 1.2e-6, 8)
    found += timed("full", 512, 2e-3)
    oom = result("full", 2048, None, status="oom", message="needs about 1.00 TiB of 131 GiB (estimate)")
    found.append(replace(oom, details=ResultDetails(estimated_bytes=2.0**40)))
    found.append(result("full", 1024, None, status="error", message=f"SIGSEGV {EVIL}"))
    found.append(result("fnet", 512, None, status="unsupported", message="no bfloat16 on this device"))
    for n in LENGTHS[:2]:
        found += timed("sdpa", n, n * 3e-6, batch=4, count=110) + timed("dct-x", n, n * 4e-6, 8, batch=4, count=110)
    return found


@pytest.fixture(scope="session")
def reported() -> RecordedRun:
    """The run of the report in most tests."""
    return recorded(results(), label=f"bench {EVIL}")


@pytest.fixture(scope="session")
def page(reported: RecordedRun, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the report, a file."""
    return written(html([reported]), tmp_path_factory.mktemp("page"))


def written(text: str, folder: Path) -> str:
    """Write a page into a folder and return its address."""
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="session")
def one_browser() -> Iterator[webdriver.Chrome]:
    """The browser of all tests."""
    with chromium() as made:
        yield made


@pytest.fixture
def browser(one_browser: webdriver.Chrome) -> webdriver.Chrome:
    """The browser, with an empty page and empty logs."""
    one_browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    one_browser.get("about:blank")
    one_browser.get_log("browser")
    one_browser.get_log("performance")
    return one_browser
