"""The page's section on regressions: the forest plot, and the partial with every text that it needs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dctbench.compare import ComparisonOutcome, Difference
from dctbench.model import Case, Reason, ReasonCode, Verdict, VerdictKind
from dctbench.page.charts.axes import Figure
from dctbench.page.charts.regressions import regressions_chart
from dctbench.page.regressions import section
from tests.support.figures import on_white
from tests.support.outcomes import BASE, FAILING, FASTER, HEAD, MIXED, OPEN, PASSED, SLOWER, WORSE, X, outcome

REPORTS = Path(__file__).parents[2] / "reports"
ELSEWHERE = Verdict(replace(X, ratio=4), "latency", VerdictKind.INCOMPARABLE, 1e-3, 2e-3, raw=2.0, tolerance=0.25)


def rendered(made: ComparisonOutcome | None) -> str:
    templates = Environment(
        loader=FileSystemLoader(REPORTS), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    template = templates.get_template("sections/regressions.html.j2")
    return template.render(regressions=section(made) if made else None)


def drawn(*verdicts: Verdict) -> Figure:
    figure = regressions_chart(outcome(*verdicts))
    assert figure is not None
    on_white(figure)
    return figure


def test_changes_are_sorted_by_size_and_drawn_with_intervals_and_the_tolerance() -> None:
    figure = drawn(*MIXED, ELSEWHERE)
    assert figure["layout"]["yaxis"]["categoryarray"] == [  # from below
        "dct-x r=16 at n = 1024", "pool r=4 at n = 512", "linformer r=4 at n = 512", "dct-x r=8 at n = 1024",
        "dct-x r=4 at n = 1024",
    ]  # fmt: skip
    by_name = {trace["name"]: trace for trace in figure["data"]}
    slower = by_name["slower"]
    assert (slower["x"], slower["y"]) == ([1.42], ["dct-x r=8 at n = 1024"])
    assert slower["error_x"]["array"] == [pytest.approx(0.06)]
    assert slower["error_x"]["arrayminus"] == [pytest.approx(0.05)]
    assert slower["customdata"] == ["SLOWER 1.42x (1.37-1.48), 2.31 ms -&gt; 3.28 ms"]
    assert by_name["raw change"]["x"] == [0.51, 1.0, 1.3, 2.0]  # where it is another than what is judged
    assert set(by_name) == {"raw change", "slower", "faster", "inconclusive", "within the tolerance"}
    band, line = figure["layout"]["shapes"]
    assert (band["x0"], band["x1"], line["x0"], line["x1"]) == (0.8, 1.25, 1, 1)


def test_two_kinds_of_devices_have_a_band_each_and_are_named() -> None:
    gpu = replace(SLOWER, case=replace(X, device="cuda:0"), tolerance=0.07)
    outer, inner = drawn(SLOWER, gpu)["layout"]["shapes"][1::-1]
    assert (outer["x1"], inner["x1"]) == (1.25, 1.07)
    assert "0.93x to 1.07x (cuda), 0.80x to 1.25x (cpu)" in rendered(outcome(SLOWER, gpu))


def test_pairs_that_took_turns_have_no_raw_change_beside_theirs() -> None:
    assert [trace["name"] for trace in drawn(SLOWER)["data"]] == ["slower"]
    assert "faint open mark" not in rendered(outcome(SLOWER))
    assert "faint open mark" in rendered(outcome(replace(SLOWER, raw=1.5)))


def test_sixty_rows_are_drawn_changes_first_and_the_others_are_counted() -> None:
    small = [
        replace(PASSED, case=Case("pool", n, 4), effect=1 + n / 1e4, low=1.0, high=1.1, raw=1.0) for n in range(1, 80)
    ]
    figure = drawn(*small, replace(SLOWER, effect=1.001))
    names = figure["layout"]["yaxis"]["categoryarray"]
    assert len(names) == 60
    assert "dct-x r=8 at n = 1024" in names
    assert "pool r=4 at n = 79" in names
    assert "pool r=4 at n = 20" not in names
    assert section(outcome(*small, SLOWER)).undrawn == "20 cases with smaller changes are not drawn"
    assert section(outcome(SLOWER)).undrawn is None


@pytest.mark.parametrize("end", [1.1, 1e6])
def test_a_wide_interval_does_not_compress_the_others_and_every_mark_is_visible(end: float) -> None:
    wild = replace(OPEN, low=1 / end, high=end)
    axis = drawn(wild, SLOWER, FASTER)["layout"]["xaxis"]
    low, high = (10**one for one in axis["range"])
    assert low < 0.5
    assert high > 1.42
    assert high / low < 4 * 1.2 * 1.42 / 0.5
    assert all(low <= tick <= high for tick in axis["tickvals"])
    assert "1x" in axis["ticktext"]
    assert len(axis["tickvals"]) >= 3


def test_without_a_latency_on_both_sides_there_is_no_figure() -> None:
    assert regressions_chart(outcome(WORSE, FAILING)) is None
    assert "No latency was measured on both sides." in rendered(outcome(WORSE, FAILING))


def test_the_section_is_complete_without_scripts() -> None:
    text = rendered(outcome(*MIXED, differences=[Difference("torch", "2.12.0", "2.13.0")]))
    plain = " ".join(re.sub("<[^>]+>", " ", text).split())
    for words in (
        "3 regressions, 1 improvement, 1 unchanged, 1 inconclusive, runner drift 1.00x.",
        "The machine was stable: runner drift 1.00x, within 10%.",
        "dct-x r=8 at n = 1024 takes 1.42x (1.37-1.48) the time of base (2.31 ms -&gt; 3.28 ms).",
        "The grey band is the tolerance, 0.80x to 1.25x.",
        "linformer r=4 512 INCONCLUSIVE latency 1.00 ms 1.40 ms 1.40x (0.90-2.10) 1.30x 25%",
        "full 4096 NEWLY_FAILING ran in base, head ended: error: SIGSEGV",
        "Not listed: 1 case without a change.",
        "base: main, run bbbbbbbb",
        "torch 2.12.0 -&gt; 2.13.0",
    ):
        assert words in plain
    assert text.count('id="regressions"') == text.count('data-figure="regressions"') == 1


def test_a_change_of_the_machine_is_reported_first() -> None:
    assert section(outcome(replace(SLOWER, raw=1.5), drift={"sdpa": 1.21})).drift == (
        "The machine changed: runner drift 1.21x. The changes below are relative to the references, which cancels out "
        "what affected all cases alike. The raw changes still include it."
    )
    stored = section(outcome(SLOWER, drift={"sdpa": 1.21}, informs=True)).drift
    assert stored.startswith("The machine changed: runner drift 1.21x.")
    settings = replace(HEAD.settings, check={"side": "head", "base": BASE.id, "base_impl": None})
    in_turn = outcome(SLOWER, drift={"sdpa": 1.21}, head=replace(HEAD, settings=settings))
    assert section(in_turn).drift == (
        "The references changed: runner drift 1.21x. Base and head took turns, so a change of the machine affected "
        "both. A case counts as slower only if it is also slower relative to the references."
    )
    assert section(outcome(SLOWER, drift={})).drift == (
        "No reference ran on both sides, so the drift of the machine is not known."
    )


def test_without_a_baseline_the_section_says_how_to_name_one_and_without_a_change_a_sentence() -> None:
    assert "No baseline was given" in rendered(None)
    assert "Nothing changed beyond its tolerance: 1 case, 1 figure." in rendered(outcome(PASSED, exit_code=0))


def test_nothing_from_a_message_or_a_name_is_markup() -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    text = rendered(
        outcome(
            replace(FAILING, reason=Reason(ReasonCode.HEAD_FAILED, {"head": evil})),
            differences=[Difference("cpu", evil, "b")],
        )
    )
    assert "<img" not in text
    named = drawn(replace(SLOWER, case=replace(X, implementation=evil)))
    assert "<" not in named["layout"]["yaxis"]["categoryarray"][0]
