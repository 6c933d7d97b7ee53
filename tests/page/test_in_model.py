"""The page of a run of a model: the decision follows its quality, and the section shows what each method does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dctbench.analysis import summarise
from dctbench.model import Result
from dctbench.page.data import page_data
from dctbench.page.facets import arrange
from dctbench.page.html import html
from dctbench.page.in_model import in_model_section
from dctbench.page.palette import looks
from dctbench.wording.labels import Labels
from tests.analysis.test_in_model import rounds
from tests.page.test_html import recorded, without_scripts
from tests.support.made import result

LABELS = Labels([])


def test_the_section_has_the_answer_a_row_per_method_and_a_chart() -> None:
    results = [*rounds("sdpa", 10e-3, 60, share=0.4), *rounds("dct-kv", 5e-3, 61, ratio=2, recovered=60)]
    summaries = summarise(results)
    section = in_model_section(summaries, looks([s.case for s in summaries], "sdpa"), LABELS)
    assert section is not None
    [part] = section.parts
    assert [row.name for row in part.rows] == ["sdpa (as it is)", "dct-kv r=2"]
    assert part.metrics == ("recall", "cosine of pooled outputs")
    assert part.rows[1].quality[0].startswith("0.610 (0.5")
    assert part.rows[1].recovered.startswith("0.600")
    assert part.chart in section.figures
    assert part.chart is not None
    limit = section.figures[part.chart]["layout"]["shapes"][0]["x0"]
    assert limit == pytest.approx(1 / 0.6)


def test_a_method_that_was_compared_after_training_only_is_in_the_chart() -> None:
    results = [*rounds("sdpa", 10e-3, 60), *rounds("linformer", 5e-3, None, ratio=2, recovered=58)]
    summaries = summarise(results)
    section = in_model_section(summaries, looks([s.case for s in summaries], "sdpa"), LABELS)
    assert section is not None
    [figure] = section.figures.values()
    [point] = [trace for trace in figure["data"] if trace["name"] == "linformer r=2"]
    assert list(point["y"]) == [pytest.approx(0.58)]
    assert "after training" in point["customdata"][0]


def test_the_original_is_not_in_the_chart_where_its_figure_is_unknown() -> None:
    bare = [replace(one, measurements=one.measurements[:1]) for one in rounds("sdpa", 10e-3, None)]
    summaries = summarise([*bare, *rounds("dct-kv", 5e-3, None, ratio=2)])
    section = in_model_section(summaries, looks([s.case for s in summaries], "sdpa"), LABELS)
    assert section is not None
    [figure] = section.figures.values()
    assert [trace["name"] for trace in figure["data"]] == ["dct-kv r=2"]


def test_the_note_says_that_the_claims_hold_together() -> None:
    text = without_scripts(html([recorded(results=[*rounds("sdpa", 10e-3, 60), *rounds("dct-kv", 5e-3, 61, ratio=2)])]))
    assert "What is kept or lost is claimed for all" in text


def first_sentence(*results: object) -> str:
    text = without_scripts(html([recorded(results=[one for each in results for one in each])]))  # type: ignore[attr-defined]
    return text.split('id="recommendation">')[1].split("</p>")[0]


def test_the_first_screen_does_not_recommend_what_the_model_loses_by() -> None:
    original, lossy = rounds("sdpa", 10e-3, 60, share=0.4), rounds("dct-kv", 5e-3, 30, ratio=2)
    said = first_sentence(original, lossy)
    assert said.startswith("At n = 128: ship sdpa")
    assert "dct-kv r=2 is faster" in said
    assert "but loses recall: -30.0 points" in said
    assert first_sentence(original, rounds("dct-kv", 5e-3, 61, ratio=2)).startswith("At n = 128: ship dct-kv r=2")


def test_a_model_without_an_evaluation_keeps_its_attention() -> None:
    said = first_sentence(rounds("sdpa", 10e-3, None), rounds("dct-kv", 5e-3, None, ratio=2))
    assert said.startswith("At n = 128: ship sdpa")
    assert "nothing evaluates the model with it" in said


def test_accuracy_in_a_model_is_not_told_to_be_unmeasured() -> None:
    text = without_scripts(html([recorded(results=[*rounds("sdpa", 10e-3, 60), *rounds("dct-kv", 5e-3, 61, ratio=2)])]))
    assert "Accuracy was not measured" not in text
    assert "What each method does to the model stands under <q>In your model</q>" in text


def at(n: int, found: list[Result], **changes: object) -> list[Result]:
    return [replace(one, case=replace(one.case, seq_len=n, **changes)) for one in found]  # type: ignore[arg-type]


def test_each_choice_of_layers_is_a_curve_of_its_own() -> None:
    original, method = rounds("sdpa", 10e-3, 60), rounds("dct-kv", 5e-3, 61, ratio=2)
    first, later = at(128, method, layers="0"), at(128, method, layers="1..")
    names = ["sdpa", "dct-kv r=2 layers=0", "dct-kv r=2 layers=1.."]
    apart = [[*original, *first], [*original, *later]]
    for runs, curves in (([[*original, *first, *later]], [0, 1, 2]), (apart, [0, 1, 0, 2])):
        data = page_data(arrange([recorded(results=found) for found in runs], "sdpa"), {})
        assert [curve["name"] for curve in data["curves"]] == names
        assert [curve["flags"].partition("--layers ")[2] for curve in data["curves"]] == ["", "0", "1.."]
        assert len({curve["color"] for curve in data["curves"]}) == 3
        assert data["rows"]["columns"]["curve"] == curves


def accuracies(*runs: list[Result]) -> dict[tuple[int, int, str], tuple[bool, str]]:
    """By run, length and curve: whether the script may recommend a row, and its accuracy."""
    data = page_data(arrange([recorded(results=found) for found in runs], "sdpa"), {})
    column = data["rows"]["columns"]
    return {
        (facet["run"], length, data["curves"][column["curve"][row]]["name"]): data["rows"]["worths"][
            column["worth"][row]
        ][:2]
        for facet in data["facets"]
        for length, first, count in facet["shapes"]
        for row in range(first, first + count)
    }


def test_each_length_of_each_run_has_its_own_quality() -> None:
    original = rounds("sdpa", 10e-3, 60)
    good, bad = rounds("dct-kv", 5e-3, 63, ratio=2), rounds("dct-kv", 5e-3, 30, ratio=2)
    found = accuracies(
        [*original, *bad, *at(512, original), *at(512, good)],
        [*original, *good],
        [result("sdpa", 128), result("dct-kv", 128, ratio=2)],
    )
    assert {key: value for key, value in found.items() if "dct-kv" in key[2]} == {
        (0, 128, "dct-kv r=2"): (False, "recall 0.300"),
        (0, 512, "dct-kv r=2"): (True, "recall 0.630"),
        (1, 128, "dct-kv r=2"): (True, "recall 0.630"),
        (2, 128, "dct-kv r=2"): (False, "not measured"),
    }


def test_a_name_of_an_evaluation_is_no_markup_in_the_chart() -> None:
    evil = "evaluate.<a href='https://example.com'>click</a>"
    results = []
    for one in [*rounds("sdpa", 10e-3, 60), *rounds("dct-kv", 5e-3, 61, ratio=2)]:
        named = [m._replace(metric=evil) if m.metric == "evaluate.recall" else m for m in one.measurements]
        results.append(replace(one, measurements=tuple(named)))
    summaries = summarise(results)
    section = in_model_section(summaries, looks([s.case for s in summaries], "sdpa"), LABELS)
    assert section is not None
    [figure] = section.figures.values()
    assert "<a" not in figure["layout"]["yaxis"]["title"]["text"]
