"""The page as text: whole without scripts, harmless with any label, the same bytes every time."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from dctbench import analysis
from dctbench.model import Case
from dctbench.report import figures
from dctbench.report.html import embedded_json, html
from dctbench.report.labels import Labels
from dctbench.report.palette import looks
from dctbench.report.sources import plotly
from tests.made import ENVIRONMENT, RUN, result

RESULTS = [
    *(result("sdpa", n, n * 1e-6) for n in (512, 1024, 2048)),
    *(result("dct-x", n, n * 1e-6 / 3, ratio=8) for n in (512, 2048)),
    result("dct-x", 1024, None, ratio=8, status="error", message="SIGSEGV </script><img src=x onerror=alert(1)>"),
]
EVIL = "</script><img src=x onerror=alert(1)>"


def page(run: object = RUN) -> str:
    return html(run, {ENVIRONMENT.fingerprint: ENVIRONMENT}, RESULTS, 6)  # type: ignore[arg-type]


def without_scripts(text: str) -> str:
    return re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_the_same_results_give_the_same_bytes() -> None:
    assert page() == page()


def test_verdicts_table_and_provenance_stand_in_the_page_without_scripts() -> None:
    text = without_scripts(page())
    for words in ("At n = 2048, dct-x r=8 is fastest", "5 of 6 measured, 1 failed", "3.00x", "dctbench run --seq 512",
                  "Test CPU, 2 cores, torch 2.13.0", "attends among frequencies", RUN.id):  # fmt: skip
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
    text = embedded_json({"a": f"{EVIL}&\u2028"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": f"{EVIL}&\u2028"}


def test_plotly_accepts_the_figure_and_a_failed_case_breaks_its_line() -> None:
    summaries = analysis.summarise(RESULTS)
    figure = figures.latency(summaries, looks((s.case for s in summaries), "sdpa"), Labels([]))
    go.Figure(figure)
    by_name = {trace["name"]: trace for trace in figure["data"]}
    assert by_name["dct-x r=8"]["x"] == [512, 1024, 2048]
    assert by_name["dct-x r=8"]["y"][1] is None
    assert by_name["dct-x r=8"]["connectgaps"] is False
    assert by_name["sdpa"]["y"] == pytest.approx([n * 1e-6 for n in (512, 1024, 2048)])
    assert by_name["sdpa"]["line"]["width"] > by_name["dct-x r=8"]["line"]["width"]


def test_no_two_lines_look_alike() -> None:
    cases = [Case("sdpa", 8), *(Case(name, 8, r) for name in ("dct-x", "pool", "linformer") for r in (2, 4, 8, 16))]
    found = looks(cases, "sdpa")
    assert len({(look.color, look.dash, look.symbol) for look in found.values()}) == len(cases)
    assert len({found[Case(name, 8, 4)].symbol for name in ("dct-x", "pool", "linformer")}) == 3
