"""The lines of the results table in a terminal."""

from __future__ import annotations

from dctbench.analysis import summarise
from dctbench.cli.tables.output import summary_lines, table_lines
from dctbench.cli.terminal.layout import Layout
from dctbench.runs.lookup import RecordedRun
from dctbench.wording.labels import Labels
from dctbench.wording.markdown import markdown
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.trained import trained


def test_trainings_say_below_their_rows_what_a_layer_had_that_is_not_measured() -> None:
    results = [
        *trained("sdpa", [0.8, 0.82]),
        *trained("nystromformer", [0.8, 0.82], ratio=2, options={"convolution": 33}),
        *trained("nystromformer", [0.7, 0.72], ratio=4, options={"convolution": 33}),
    ]
    summaries = summarise(results)
    layout = Layout([summary.case for summary in summaries], "sdpa")
    lines = [str(line) for line in table_lines(summaries, layout, 3, rows_shown=False)]
    assert [line for line in lines if "trained" in line] == [
        "nystromformer: trained with a convolution of 33 taps, which latency and error leave out"
    ]


def test_processes_of_two_speeds_are_named_in_the_summary_and_in_markdown() -> None:
    results = [result(seconds=seconds, round=number) for number, seconds in enumerate((1e-3, 2e-3, 1e-3, 2e-3), 1)]
    summaries = summarise(results)
    [case] = [summary.case for summary in summaries]
    said = "sdpa n=512: two speeds: 2 processes near 1.00 ms and 2 near 2.00 ms, and the mean lies between them"
    assert said in map(str, summary_lines(summaries, "sdpa", 1, Labels([case]), "results.sqlite"))
    recorded = RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results, [case])
    assert said in markdown([recorded])
