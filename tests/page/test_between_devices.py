"""The section "Bytes between devices": its sentences without scripts, its table and its charts."""

from __future__ import annotations

from dctbench.analysis import summarise
from dctbench.model import Result
from dctbench.page.between_devices import between_section
from dctbench.page.html import html
from dctbench.page.palette import looks
from tests.page.test_html import page, recorded, without_scripts
from tests.support.made import RUN, result

SENT = {("sdpa", 1): 0.0, ("sdpa", 2): 2.0**23, ("dct-x", 1): 0.0, ("dct-x", 2): 2.0**20}


def measured() -> list[Result]:
    return [
        result(name, 4096, 0.01 / ranks, ratio=8 if name == "dct-x" else None, ranks=ranks,
               values={"bytes.communicated": ("B", sent)})
        for (name, ranks), sent in SENT.items()
    ]  # fmt: skip


def test_the_answer_stands_in_the_page_without_scripts() -> None:
    text = without_scripts(html([recorded(RUN, measured())]))
    assert "Bytes between devices" in text
    assert "dct-x r=8 at n = 4096 on 2 ranks: each rank sends 1.00 MiB per call, 0.12x as much as sdpa" in text
    assert "latency 5.00 ms, against 10.0 ms on one rank" in text
    assert "Bytes between devices" not in without_scripts(page())


def test_a_number_of_ranks_on_which_a_round_failed_is_not_drawn() -> None:
    failed = result("sdpa", 4096, None, ranks=2, round=2, status="error")
    summaries = summarise([*measured(), failed])
    section = between_section(summaries, looks([s.case for s in summaries], "sdpa"), "sdpa")
    assert section is not None
    assert {curve["name"]: curve["x"] for curve in section.figures["between-latency"]["data"]} == {
        "sdpa": [1], "dct-x r=8": [1, 2],
    }  # fmt: skip


def test_charts_have_a_point_for_each_number_of_ranks() -> None:
    summaries = summarise(measured())
    section = between_section(summaries, looks([s.case for s in summaries], "sdpa"), "sdpa")
    assert section is not None
    curves = {curve["name"]: curve for curve in section.figures["between-bytes"]["data"]}
    assert (curves["dct-x r=8"]["x"], curves["dct-x r=8"]["y"]) == ([1, 2], [0.0, 1.0])
    assert [curve["y"] for curve in section.figures["between-latency"]["data"]] == [[0.01, 0.005]] * 2
    assert section.ranks == [1, 2]
    assert between_section(summarise([result()]), {}, "sdpa") is None
