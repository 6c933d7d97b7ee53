"""The section "Will it be in time?": its sentences without scripts, and its charts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.analysis import summarise
from dctbench.page.html import html
from dctbench.page.palette import looks
from dctbench.page.timeliness import timely_section
from dctbench.wording.labels import Labels
from tests.analysis.test_timeliness import ROUNDS, on_schedule
from tests.page.test_html import page, recorded, without_scripts
from tests.support.made import RUN, result


def test_the_verdict_stands_in_the_page_without_scripts() -> None:
    text = without_scripts(html([recorded(RUN, ROUNDS)]))
    assert "The one case was late in some calls" in text
    assert "4 of 300 calls late" in text
    assert "other programs had the cores (1)" in text
    assert "No call was released on a schedule" in without_scripts(page())


def test_charts_mark_the_deadline_and_name_the_cause_of_each_late_call() -> None:
    summaries = summarise(ROUNDS)
    section = timely_section(summaries, looks([s.case for s in summaries], None), Labels([]))
    assert section is not None
    [curve] = section.figures["responses"]["data"]
    assert curve["x"][0] == 0.004
    assert curve["y"][0] == 1.0
    assert section.figures["responses"]["layout"]["shapes"][0]["x0"] == 0.01
    [calls] = section.figures["responses-in-order"]["data"]
    late = {x: words for x, words in zip(calls["x"], calls["customdata"], strict=True) if words != "in time"}
    assert late == {
        97: "late: other programs had the cores",
        98: "late: the call before it was still running",
        99: "late: the call before it was still running",
        100: "late: unknown",
    }


def test_the_line_has_the_true_share_of_calls_at_the_deadline_however_many_there_are() -> None:
    responses = [0.004 + 1e-6 * i for i in range(2999)] + [0.02]
    summaries = summarise([on_schedule(responses)])
    section = timely_section(summaries, looks([s.case for s in summaries], None), Labels([]))
    assert section is not None
    [curve] = section.figures["responses"]["data"]
    assert curve["line"]["shape"] == "vh"  # up to a point the line is at the height of that point
    assert len(curve["x"]) <= 2000
    least_at_deadline = next(y for x, y in zip(curve["x"], curve["y"], strict=True) if x >= 0.01)
    assert least_at_deadline == pytest.approx(1 / 3000, rel=1e-3)


def test_the_line_counts_the_calls_that_a_process_left_out() -> None:
    summaries = summarise([on_schedule([0.004] * 300), on_schedule([0.03] * 20, round=2, late=True)])
    section = timely_section(summaries, looks([s.case for s in summaries], None), Labels([]))
    assert section is not None
    [curve] = section.figures["responses"]["data"]
    at_deadline = next(y for x, y in zip(curve["x"], curve["y"], strict=True) if x >= 0.01)
    assert at_deadline == pytest.approx(0.5)
    assert curve["y"][-1] == pytest.approx(281 / 600, rel=1e-3)


def test_calls_in_time_need_no_chart_of_misses_and_other_runs_no_section() -> None:
    good = summarise([on_schedule([0.004] * 299)])
    section = timely_section(good, looks([s.case for s in good], None), Labels([]))
    assert section is not None
    assert section.in_order is None
    assert timely_section(summarise([result()]), {}, Labels([])) is None


def test_no_two_cases_look_alike_where_engines_differ() -> None:
    results = [
        replace(on_schedule([0.004] * 299), case=replace(on_schedule([0.004]).case, seq_len=n, engine=engine))
        for n in (512, 1024, 2048)
        for engine in ("eager", "onnxruntime")
    ]
    summaries = summarise(results)
    section = timely_section(summaries, looks([s.case for s in summaries], None), Labels(s.case for s in summaries))
    assert section is not None
    traces = section.figures["responses"]["data"]
    assert len({(trace["line"]["color"], trace["line"]["dash"]) for trace in traces}) == len(traces) == 5
    assert section.undrawn == 1
