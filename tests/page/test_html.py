"""The page as text: complete without scripts, safe with any label, and reproducible."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from dctbench.model import Case, Result, Run
from dctbench.page.assets import plotly
from dctbench.page.data import embedded
from dctbench.page.html import LIST_LINES, TABLE_ROWS, html
from dctbench.page.palette import looks
from dctbench.runs.lookup import RecordedRun
from tests.support.made import ENVIRONMENT, RUN, in_two_rounds, result

RESULTS = in_two_rounds([
    *(result("sdpa", n, n * 1e-6) for n in (512, 1024, 2048)),
    *(result("dct-x", n, n * 1e-6 / 3, ratio=8) for n in (512, 2048)),
    result("dct-x", 1024, None, ratio=8, status="error", message="SIGSEGV </script><img src=x onerror=alert(1)>"),
])  # fmt: skip
EVIL = "</script><img src=x onerror=alert(1)>"


def recorded(run: Run = RUN, results: Sequence[Result] = RESULTS) -> RecordedRun:
    plan = list(dict.fromkeys(one.case for one in results))
    return RecordedRun(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results, plan)


def page(run: Run = RUN) -> str:
    return html([recorded(run)])


def without_scripts(text: str) -> str:
    return re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_the_same_results_give_the_same_bytes() -> None:
    assert page() == page()


def test_verdicts_table_and_provenance_stand_in_the_page_without_scripts() -> None:
    text = without_scripts(page())
    for words in ("At n = 2048, dct-x r=8 is fastest", "5 of 6 measured, 1 failed", "3.00x", "dctbench run --seq 512",
                  "Test CPU, 2 cores, torch 2.13.0", "attention among frequencies", RUN.id):  # fmt: skip
        assert words in text


def test_a_label_with_markup_stays_text() -> None:
    text = page(replace(RUN, label=EVIL, argv=("run", "--label", EVIL)))
    assert "<img" not in text
    assert text.count("</script>") == 3 == text.count("<script")


def test_nothing_in_the_page_names_another_host() -> None:
    text = page().replace(plotly(), "")
    assert not re.search(r"<[a-z][^>]*\s(src|href)\s*=|https?://", text)
    assert "connect-src 'none'" in text


def test_data_cannot_end_its_element() -> None:
    text = embedded({"a": f"{EVIL}&\u2028"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": f"{EVIL}&\u2028"}


def test_no_two_lines_look_alike() -> None:
    cases = [Case("sdpa", 8), *(Case(name, 8, r) for name in ("dct-x", "pool", "linformer") for r in (2, 4, 8, 16))]
    found = looks(cases, "sdpa")
    assert len({(look.color, look.dash, look.symbol) for look in found.values()}) == len(cases)
    assert len({found[Case(name, 8, 4)].symbol for name in ("dct-x", "pool", "linformer")}) == 3


def test_without_scripts_the_first_results_are_shown_and_all_are_counted() -> None:
    many = [result("dct-x", 64 * n, 1e-4, ratio=r) for n in range(1, 51) for r in (2, 4, 8)]
    text = without_scripts(html([recorded(results=many)]))
    assert text.split('id="h-results"')[1].count('<th scope="row">dct-x') == TABLE_ROWS == 100
    assert "The first 100 of 150 results" in text
    assert "And " not in text  # three curves: no list is too long


def test_long_lists_are_cut_and_counted() -> None:
    many = [result("dct-x", n, 1e-9 * n * n, ratio=r) for n in (512, 1024, 2048, 4096, 8192) for r in range(2, 32)]
    text = without_scripts(html([recorded(results=[*many, *(result("sdpa", n) for n in (512, 1024))])]))
    assert text.count("time grows as") + text.count("no fit,") == LIST_LINES
    assert "And 18 more." in text  # payoffs
    assert "And 19 more." in text  # scalings, the reference's too


def test_two_runs_share_a_page_but_no_figure() -> None:
    slow = in_two_rounds([result("sdpa", 512, 5e-3), result("full", 512, 2e-3)])
    text = without_scripts(html([recorded(), recorded(replace(RUN, label="other"), slow)]))
    assert "At n = 2048, dct-x r=8 is fastest" in text
    assert "At n = 512, full is fastest, 2.00 ms, 2.50x (2.50-2.50) as fast as sdpa" in text
    assert "<h1>run 01234567 and other</h1>" in text


def test_where_memory_was_not_measured_nothing_is_told_to_fit() -> None:
    text = without_scripts(html([recorded(results=in_two_rounds([result("sdpa", 512), result("full", 512)]))]))
    assert "memory was not measured" in text
    assert "No measured length ran out of memory." in text
    assert "Every measured length fits" not in text
