"""The section on accuracy: its answers, its tables and its figures."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from dctbench.page.accuracy import AccuracySection, accuracy_section, latencies_of
from dctbench.page.data import page_data
from dctbench.page.facets import arrange
from dctbench.page.html import html
from dctbench.page.palette import looks
from dctbench.wording.markdown import markdown
from tests.page.test_html import recorded, without_scripts
from tests.support.figures import on_white
from tests.support.made import RUN, in_two_rounds, result
from tests.support.trained import SHAPE, learned, trained, whole_suite

WIDTH = {"batch": SHAPE["batch"], "heads": SHAPE["heads"], "head_dim": SHAPE["head_dim"]}
TIMED = in_two_rounds(
    [
        result("sdpa", 40, 1e-4, **WIDTH),
        result("dct-x", 40, 5e-5, ratio=4, **WIDTH),
        result("dct-x", 40, 4e-5, ratio=8, **WIDTH),
        result("pool", 40, 6e-5, ratio=4, **WIDTH),
        result("none", 40, 2e-5, **WIDTH),
    ]
)


def section(*more: list) -> AccuracySection:  # type: ignore[type-arg]
    summaries = learned(whole_suite(), *more)
    styles = looks((summary.case for summary in summaries), "sdpa")
    found = accuracy_section(summaries, [("", summaries)], styles, reference="sdpa")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def timed() -> AccuracySection:
    return section(TIMED)


def test_each_task_is_a_part_with_scrambled_beside_ordered(timed: AccuracySection) -> None:
    assert [(part.title, len(part.variants)) for part in timed.parts] == [
        ("acuity, n = 64", 1), ("mnist1d, n = 40", 2), ("masked-bytes, n = 256", 1),
    ]  # fmt: skip
    assert [variant.unsolvable for part in timed.parts for variant in part.variants] == [False, False, False, True]


def test_accuracy_stands_against_latency_where_it_was_measured_and_else_against_training(
    timed: AccuracySection,
) -> None:
    acuity, mnist1d, _ = timed.parts
    assert (acuity.cost_title, mnist1d.cost_title) == ("time of a training", "latency of one call")
    assert mnist1d.note is None
    assert acuity.note == (
        "Latency at this length was not measured. dctbench run --impl sdpa,dct-x,pool,none --ratio 4,8 --seq 64 "
        "--batch 50 --heads 4 --head-dim 16 measures it"
    )


def test_the_front_of_a_task_has_no_controls_and_no_beaten_method(timed: AccuracySection) -> None:
    chart = timed.figures["task-1-0"]
    front = next(trace for trace in chart["data"] if trace["name"] == "Pareto front")
    assert front["x"] == pytest.approx([4e-5, 5e-5])  # dct-x r=8, dct-x r=4; sdpa is slower and less accurate than r=4
    scrambled = next(trace for trace in timed.figures["task-1-1"]["data"] if trace["name"] == "Pareto front")
    assert scrambled["x"] == pytest.approx([4e-5, 5e-5, 1e-4])


def test_a_chart_shows_what_the_verdict_compares_and_no_front_has_a_layer_that_was_not_timed() -> None:
    beside = [
        *trained("sdpa", [0.8, 0.82]), *trained("none", [0.3, 0.32]),
        *trained("dct-x", [0.8, 0.84, 0.2], ratio=4),
        *trained("linear", [0.9, 0.92], options={"convolution": 33}),
    ]  # fmt: skip
    timed = [*TIMED, *in_two_rounds([result("linear", 40, 3e-5, **WIDTH)])]
    summaries = learned(beside, timed)
    styles = looks((summary.case for summary in summaries), "sdpa")
    found = accuracy_section(summaries, [("", summaries)], styles, reference="sdpa")
    assert found is not None
    traces = {t["name"]: t for t in found.figures["task-0-0"]["data"] if t.get("showlegend") is None}
    assert traces["dct-x r=4"]["y"] == [pytest.approx(0.82)]  # of the two seeds that sdpa has as well
    assert traces["dct-x r=4"]["customdata"][0].startswith("0.820")
    assert "trained with a convolution of 33 taps" in traces["linear"]["customdata"][0]
    assert traces["Pareto front"]["x"] == pytest.approx([5e-5])


def test_every_seed_is_a_dot_and_controls_are_hollow(timed: AccuracySection) -> None:
    traces = timed.figures["task-1-0"]["data"]
    seeds = [trace for trace in traces if trace.get("showlegend") is False]
    assert [len(trace["y"]) for trace in seeds] == [3] * 5
    symbols = {t["name"]: t["marker"]["symbol"] for t in traces if t.get("showlegend") is None and "marker" in t}
    assert symbols["pool r=4"].endswith("-open")
    assert symbols["none"].endswith("-open")
    assert not symbols["dct-x r=4"].endswith("-open")


def test_the_acuity_chart_has_a_line_and_a_resolution_per_method(timed: AccuracySection) -> None:
    chart = timed.figures["task-0-0-acuity"]
    lines = {trace["name"]: trace for trace in chart["data"] if trace["mode"] == "lines+markers"}
    assert set(lines) == {"sdpa", "dct-x r=4", "dct-x r=8", "pool r=4", "none"}
    assert lines["dct-x r=4"]["y"] == pytest.approx([0.46, 0.74, 0.97, 1.0, 1.0], abs=0.001)
    table = timed.parts[0].variants[0].acuity_table
    assert table is not None
    assert table.widths == (1, 2, 4, 8, 16)
    assert table.rows[0] == ("sdpa", ("1.00",) * 5, "finer than 1 token")


def test_the_kept_share_of_ordered_and_scrambled_stand_in_one_chart(timed: AccuracySection) -> None:
    lines = {trace["name"]: trace for trace in timed.figures["task-1-kept"]["data"]}
    assert set(lines) == {"dct-x", "pool", "linformer", "dct-x, scrambled", "pool, scrambled"}
    assert lines["dct-x"]["y"][0] > 1 > lines["dct-x, scrambled"]["y"][0]


def test_the_table_has_every_method_with_its_verdict(timed: AccuracySection) -> None:
    rows = {row.name: row for row in timed.parts[1].rows}
    assert list(rows) == ["sdpa", "dct-x r=4", "dct-x r=8", "linformer r=4", "pool r=4", "none"]
    ordered, scrambled = rows["dct-x r=4"].cells
    assert (ordered[1], scrambled[1]) == ("better", "worse")
    assert rows["pool r=4"].control
    assert rows["linformer r=4"].cells[1] == ("not measured", "-", "-", "-")
    assert any("1 of 3 trainings failed" in line for line in timed.parts[1].remarks)


def test_plotly_accepts_the_figures(timed: AccuracySection) -> None:
    for figure in timed.figures.values():
        on_white(figure)


def test_answers_and_tables_stand_in_the_page_without_scripts() -> None:
    text = without_scripts(html([recorded(RUN, [*TIMED, *whole_suite()])]))
    assert "On mnist1d, n = 40, dct-x r=4 and pool r=4 are as good as sdpa" in text
    assert "this task is solved without attention" in text
    assert "finer than 1 token" in text


def test_a_training_is_no_failure_in_the_table_of_all_results() -> None:
    results = [*trained("sdpa", [0.5, 0.625]), *trained("none", [0.25, None])]
    text = without_scripts(html([recorded(RUN, results)]))
    section = text.split('aria-labelledby="h-results"')[1].split("</section>")[0]
    [learned, failed] = re.findall(r"<tr.*?</tr>", section, flags=re.DOTALL)[1:]
    assert re.findall(r"<td[^>]*>(.*?)</td>", learned)[1] == "accuracy 0.562"
    assert re.findall(r"<td[^>]*>([^<]*) <small>", learned) == ["2"]  # seeds
    assert 'class="failed"' not in learned
    assert 'class="failed"' in failed
    assert "RuntimeError: broken at step 100" in failed


def test_the_script_gets_the_accuracy_of_a_training_and_why_another_failed() -> None:
    results = [*trained("sdpa", [0.5, 0.625]), *trained("none", [0.25, None])]
    data = page_data(arrange([recorded(RUN, results)], "sdpa"), {})
    found = data["rows"]["columns"]
    assert found["accuracy"] == [0.562, None]  # as the table without scripts rounds it
    assert found["failure"][0] is None
    assert found["failure"][1] is not None


def test_longer_trainings_alone_are_told_in_every_form() -> None:
    accuracies = {"sdpa": (0.8, 0.82, 0.81), "dct-x": (0.799, 0.82, 0.811), "none": (0.3, 0.31, 0.32)}
    run = recorded(RUN, [one for name, seeds in accuracies.items() for one in trained(name, seeds, task="mnist1d/4x")])
    assert "On mnist1d 4x, n = 40, dct-x is as good as sdpa" in without_scripts(html([run]))
    assert "3 of 3 measured" in markdown([run])


def test_the_table_has_the_mean_over_the_seeds_that_the_verdict_compares() -> None:
    results = [
        *trained("sdpa", [0.8, 0.82]), *trained("none", [0.3, 0.31]), *trained("dct-x", [0.8, 0.84, 0.2], ratio=4),
    ]  # fmt: skip
    summaries = learned(results)
    found = accuracy_section(summaries, [("", summaries)], looks((s.case for s in summaries), "sdpa"), reference="sdpa")
    assert found is not None
    [part] = found.parts
    told = {row.name: row.cells[0][0] for row in part.rows}
    assert told["dct-x r=4"].startswith("0.820 ±")  # and not the 0.613 of three seeds
    assert "; compared by 2 seeds of both: 0.820 against 0.810; " in part.remarks[0]


def test_failed_trainings_of_exact_attention_do_not_make_a_task_solved_without_it() -> None:
    results = [*trained("sdpa", [None] * 3), *trained("none", [0.3, 0.31, 0.32]), *trained("dct-x", [0.8, 0.81, 0.8])]
    text = without_scripts(html([recorded(RUN, results)]))
    assert "On mnist1d, n = 40, 3 of 3 trainings of sdpa failed, so no method can be judged" in text
    assert "solved without attention" not in text


def test_all_latencies_of_a_task_come_from_one_machine_and_the_section_says_which() -> None:
    learned_here = learned(whole_suite(), in_two_rounds([result("sdpa", 40, 1e-4, **WIDTH)]))
    gpu = WIDTH | {"device": "cuda:0", "dtype": "bfloat16", "batch": 8}
    times = {("sdpa", None): 1e-5, ("dct-x", 4): 6e-6, ("none", None): 2e-6}
    server = learned(in_two_rounds(result(name, 40, s, ratio=r, **gpu) for (name, r), s in times.items()))
    cases = [summary.case for summary in [*learned_here, *server]]
    found = accuracy_section(
        learned_here, [("", learned_here), ("the server", server)], looks(cases, "sdpa"), reference="sdpa"
    )
    assert found is not None
    mnist1d = found.parts[1]
    costs = {row.name: row.cost.split(" (")[0] for row in mnist1d.rows}
    assert costs == {
        "sdpa": "10.0 µs", "dct-x r=4": "6.00 µs", "dct-x r=8": "-",
        "pool r=4": "-", "linformer r=4": "-", "none": "2.00 µs",
    }  # fmt: skip
    assert mnist1d.note == "The latencies are those of a batch of 8 in bfloat16 on cuda:0, from the server"
    alone = accuracy_section(learned_here, [("", learned_here)], looks(cases, "sdpa"), reference="sdpa")
    assert alone is not None
    assert alone.parts[1].note is None


def test_latencies_of_ranks_and_schedules_are_not_those_of_a_layer_and_other_threads_are_named() -> None:
    others: list[dict[str, Any]] = [{"ranks": 2}, {"period": 0.02, "deadline": 0.01}]
    apart = [result("sdpa", 40, 1e-6, **WIDTH | other) for other in others]
    summaries = learned(whole_suite(), in_two_rounds(apart))
    cases = [summary.case for summary in summaries if summary.case.task == "mnist1d"]
    found, note = latencies_of(cases, [("", summaries)])
    assert not found
    assert note is not None
    assert note.startswith("Latency at this length was not measured.")

    summaries = learned(whole_suite(), in_two_rounds([*apart, result("sdpa", 40, 1e-4, **WIDTH, threads=4)]))
    found, note = latencies_of(cases, [("", summaries)])
    assert [cost.seconds for cost in found.values()] == [pytest.approx(1e-4)]
    assert note == "The latencies are those of a batch of 50 in float32 on cpu with 4 threads"


def test_latencies_are_those_of_the_device_and_batch_of_the_training_where_these_were_timed() -> None:
    others = [WIDTH | {"device": "cuda:0"}, WIDTH | {"dtype": "float16"}, WIDTH | {"batch": 1}]
    timed = [result("sdpa", 40, 1e-6 * number, **width) for number, width in enumerate(others, 1)]
    summaries = learned(whole_suite(), in_two_rounds([*timed, result("sdpa", 40, 1e-4, **WIDTH)]))
    found = accuracy_section(summaries, [("", summaries)], looks((s.case for s in summaries), "sdpa"), reference="sdpa")
    assert found is not None
    mnist1d = found.parts[1]
    assert next(row.cost for row in mnist1d.rows if row.name == "sdpa").startswith("100 µs")
    assert mnist1d.note is None


def test_a_page_of_two_runs_shows_the_accuracy_of_the_one_that_has_it_beside_the_other() -> None:
    timed, learned_too = recorded(RUN, TIMED), recorded(replace(RUN, label="the trainings"), whole_suite())
    text = without_scripts(html([timed, learned_too]))
    section = text.split('id="h-accuracy"')[1].split('id="h-pareto"')[0]
    assert re.findall(r'<div data-runs="([\d ]+)">', section) == ["0", "1 0"]
    assert "Accuracy was not measured in this run, but in the trainings." in section


def test_a_method_looks_the_same_in_the_figures_of_every_run_and_section() -> None:
    other = in_two_rounds([result(name, 256, 1e-3) for name in ("sdpa", "linear", "full")])
    contents = arrange([recorded(replace(RUN, label="other"), other), recorded(RUN, [*TIMED, *whole_suite()])], "sdpa")
    drawn = {curve["name"]: (curve["color"], curve["symbol"]) for curve in page_data(contents, {})["curves"]}
    for case, look in contents.looks.items():
        if case.implementation != "sdpa":  # the reference is neutral; in the page its script sees to that
            assert (look.color, look.symbol) == drawn[case.name]


def test_without_trainings_the_page_names_the_command_that_measures_accuracy() -> None:
    text = without_scripts(html([recorded(RUN, TIMED)]))
    assert "Accuracy was not measured. <code>dctbench run --suite accuracy</code>" in text
