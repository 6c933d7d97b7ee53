"""The lines of the results table in a terminal."""

from __future__ import annotations

from dctbench.analysis import summarise
from dctbench.cli.tables.output import table_lines
from dctbench.cli.terminal.layout import Layout
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
