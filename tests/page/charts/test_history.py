"""The history on the page: a figure that plotly takes, and a section that says the same as the terminal."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment, StrictUndefined

from dctbench.compare.history import change_points, history
from dctbench.page.charts.history import history_chart
from dctbench.store import Store, open_store
from dctbench.wording.history import sentences
from tests.compare.test_history import METHOD, add, pair, sixteen_runs, store
from tests.support.figures import on_white
from tests.support.made import result

__all__ = ["sixteen_runs", "store"]  # the fixtures


def test_the_levels_are_drawn_over_their_runs_and_the_change_between_two(store: Store) -> None:
    found = history(store, METHOD)
    changes = change_points(found)
    figure = history_chart(found, changes)
    on_white(figure)
    levels, points = figure["data"]
    assert points["y"] == [point.latency.value for point in found.points]
    assert levels["x"] == [-0.5, 7.5, None, 7.5, 15.5, None]
    assert levels["y"] == [changes[0].before] * 2 + [None] + [changes[0].after] * 2 + [None]
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [7.5]
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["1.51x"]
    assert points["customdata"][8].startswith("00000008, 2026-01-09 03:04<br>")


def test_without_a_change_only_the_runs_are_drawn(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as opened:
        run = add(opened, 0, pair(2.0, 1.0))
        opened.add_run(replace(run, id="b" * 16, started_at="2026-03-01T00:00:00"), [METHOD], rounds=1)
        opened.add_results("b" * 16, pair(2.0, None))
        figure = history_chart(history(opened, METHOD), [])
    on_white(figure)
    [points] = figure["data"]
    assert points["customdata"][1].startswith("bbbbbbbb, 2026-03-01 00:00<br>")
    assert figure["layout"]["shapes"] == []


def test_a_run_of_one_sample_shows_no_interval(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as opened:
        add(opened, 0, [result("dct-x", 64, [3.61], ratio=8)])
        add(opened, 1, [result("dct-x", 64, [3.61, 3.65], ratio=8)])
        [points] = history_chart(history(opened, METHOD), [])["data"]
    assert points["customdata"][0] == "00000000, 2026-01-01 03:04<br>3.61 s"
    assert points["customdata"][1] == "00000001, 2026-01-02 03:04<br>3.63 s (3.61-3.65)"


@pytest.mark.parametrize("title", ["dct-x r=8, n = 64", "</script><img onerror>"])
def test_the_section_says_what_the_terminal_says(store: Store, title: str) -> None:
    found = history(store, METHOD)
    told = sentences(found, change_points(found))
    source = (files("dctbench.reports") / "sections" / "history.html.j2").read_text(encoding="utf-8")
    page = Environment(loader=DictLoader({"it": source}), autoescape=True, undefined=StrictUndefined).get_template("it")
    shown = page.render(history={"title": title, "sentences": told, "points": len(found.points)})
    assert "since run 00000008" in shown
    assert 'data-figure="history"' in shown
    assert "<img" not in shown
    assert "dctbench compare --history CASE" in page.render(history=None)
