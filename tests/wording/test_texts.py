"""Documents, Markdown, CSV and sentences from results made by hand."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench import analysis
from dctbench.exporters.csv import csv_text, escape_formula
from dctbench.exporters.json_document import document, dumps
from dctbench.importers import parse
from dctbench.model import Case, Result, ResultDetails
from dctbench.runs.lookup import RecordedRun
from dctbench.wording import cells
from dctbench.wording import summary as words
from dctbench.wording.labels import Labels
from dctbench.wording.markdown import escape, markdown
from tests.support.made import ENVIRONMENT, RUN, in_two_rounds, result
from tests.support.trained import trained

RESULTS = [
    result("sdpa", 512, 2e-3, values={"memory.tensor": ("B", 1 << 20), "memory.state": ("B", 1 << 20),
                                      "error.smooth": ("1", 3e-7)}),
    result("dct-x", 512, 4e-3, ratio=8, values={"error.smooth": ("1", 4.3)}),
    result("linformer", 512, 1e-3, ratio=4),
    result("full", 512, None, status="oom", message="needs about 1.00 TiB of 131 GiB (estimate)"),
]  # fmt: skip
SUMMARIES = analysis.summarise(in_two_rounds(RESULTS))
LABELS = Labels(summary.case for summary in SUMMARIES)


def test_the_document_derives_statistics_and_keeps_every_sample() -> None:
    made = document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [*RESULTS, result("sdpa", 512, 3e-3, round=2)])
    assert json.loads(json.dumps(made)) == made
    first, *_, last = made["results"]
    assert [r["samples"] for r in first["rounds"]] == [20, 20]
    assert len(first["metrics"]["latency"]["samples"]) == 40
    assert first["metrics"]["latency"]["value"] == pytest.approx(math.sqrt(2e-3 * 3e-3))
    assert last["status"] == "oom"
    assert last["metrics"] == {}
    assert made["environments"] == {ENVIRONMENT.fingerprint: dict(ENVIRONMENT.facts)}


def test_a_document_read_back_gives_the_same_document() -> None:
    results = [result("sdpa", 512, 2e-3, values={"flops": ("FLOP", 1e9)}), result("sdpa", 512, [3e-3, 4e-3], round=2)]
    made = document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, [*results, *RESULTS[1:]])
    run, environments, read, _ = parse(dumps(made).encode(), "made.json")
    assert document(run, environments, read) == made


def test_a_row_says_faster_slower_or_nothing_and_shows_an_error_only_of_what_approximates() -> None:
    speedups = analysis.speedups(SUMMARIES, "sdpa")
    texts = [cells.row(summary, speedups.get(summary.case), LABELS) for summary in SUMMARIES]
    assert [row.speedup for row in texts] == ["1.00x", "▼ 0.50x", "▲ 2.00x", "-"]
    assert [row.error for row in texts] == ["3e-07", "other", "-", "-"]
    assert texts[0].memory == "2.00 MiB"
    assert texts[3].failure == "OOM (needs about 1.00 TiB of 131 GiB (estimate))"


def test_each_word_in_place_of_an_error_is_explained_once_and_names_what_works_among_frequencies() -> None:
    names = ("sdpa", "dct-x", "dct-kv", "dct-qkv", "linear", "linformer", "performer")
    found = [result(name, n, values={"error.smooth": ("1", 0.5)}) for name in names for n in (64, 128)]
    assert cells.error_notes(analysis.summarise(found)) == [
        "other (dct-x, dct-qkv, linear): another function than softmax attention (dct-x and dct-qkv: attention among "
        "frequencies, not positions), so the difference from that is no error; accuracy after training shows its worth",
        "untrained (linformer): with learned projections, so the error says nothing before training; accuracy after "
        "training shows its worth",
    ]
    assert cells.error_notes(analysis.summarise(found[:2] + found[4:6])) == []


def test_a_layer_of_ones_own_says_what_its_error_means_and_approximates_unless_it_does() -> None:
    values = {"error.smooth": ("1", 0.5), "error.noise": ("1", 0.7)}
    for details, shown in ({}, "0.500"), ({"error_means": "other"}, "other"), ({"error_means": "later"}, "0.500"):
        stated = replace(result("mine:Layer", 64, values=values), details=ResultDetails.from_json(details))
        [summary] = analysis.summarise([stated])
        assert cells.error_words(summary) == shown
        assert cells.error_words(summary, "error.noise") == ("0.700" if shown == "0.500" else shown)
    foreign = replace(result("nystromformer", 64, kept=64, values=values), details=ResultDetails(error_means="other"))
    [summary] = analysis.summarise([foreign])
    assert cells.error_words(summary) == "0.500"  # what a method of the catalog computes is known here


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ({64: 2.0}, "is faster than sdpa at n = 64, the only measured length (2.00x)"),
        ({64: 2.0, 128: 3.0}, "is faster than sdpa at every measured length, n = 64 to 128 (2.00x to 3.00x)"),
        (
            {64: 2.0, 128: 1.5, 256: 3.0},
            "is faster than sdpa at every measured length, n = 64 to 256 (1.50x to 3.00x)",
        ),
        ({64: 0.5, 128: 0.7}, "is slower than sdpa at every measured length, n = 64 to 128 (0.50x to 0.70x)"),
        ({64: 1.0, 128: 1.0}, "is not told apart from sdpa at any measured length, n = 64 to 128 (1.00x to 1.00x)"),
        ({64: 0.5, 128: 2.0}, "is faster than sdpa at n = 128, slower at n = 64; the latencies cross near 91 (91-91)"),
        (
            {64: 0.5, 128: 2.0, 256: 4.0},
            "is faster than sdpa from n = 128 to 256, slower at n = 64; the latencies cross near 91 (91-91)",
        ),
        (
            {64: 0.5, 128: 1.0, 256: 2.0},
            "is faster than sdpa at n = 256, slower at n = 64, not told apart at n = 128; "
            "the latencies cross near 128 (128-128)",
        ),
        ({64: 2.0, 128: 1.0}, "is faster than sdpa at n = 64, not told apart at n = 128"),
        ({64: 1.0, 128: 0.5}, "is slower than sdpa at n = 128, not told apart at n = 64"),
        ({64: 2.0, 128: 0.5, 256: 2.0}, "is faster than sdpa at n = 64, 256, slower at n = 128"),
    ],
)
def test_where_it_pays_is_said_of_measured_lengths(ratios: dict[int, float], said: str) -> None:
    found = [
        one
        for number in (1, 2)
        for n, x in ratios.items()
        for one in (result("sdpa", n, 1.0, round=number), result("dct-x", n, 1 / x, ratio=8, round=number))
    ]
    [payoff] = analysis.payoffs(analysis.summarise(found), "sdpa")
    assert words.payoff(payoff, "sdpa", Labels(r.case for r in found)) == f"dct-x r=8 {said}"


def test_a_case_that_failed_in_a_later_process_is_a_failure_that_says_what_it_took_before() -> None:
    found = [result("sdpa", 512, 4e-3), result("sdpa", 512, 4e-3, round=2), result("dct-x", 512, 2e-3, ratio=8),
             result("dct-x", 512, None, ratio=8, round=2, status="timeout", message="timeout after 9 s")]  # fmt: skip
    summaries = analysis.summarise(found)
    made = cells.row(summaries[1], None, LABELS)
    assert made.failure == "timeout (timeout after 9 s); 2.00 ms (2.00-2.00) in the one that ran"
    assert (made.latency, made.speedup) == ("-", "-")
    [payoff] = analysis.payoffs(summaries, "sdpa")
    assert words.payoff(payoff, "sdpa", LABELS).endswith("were not measured at a common length")
    assert (
        words.stability(summaries)
        == "latencies over 2 processes per case, half of them known to a factor of 1.01 or better"
    )


def test_one_case_of_a_single_process_does_not_speak_for_the_others() -> None:
    found = [result(name, 512, 1e-3, round=number) for name in ("sdpa", "full") for number in (1, 2, 3)]
    text = words.stability(analysis.summarise([*found, result("dct-x", 512, 1e-3, ratio=8)]))
    assert text.startswith("latencies over 3 processes per case, ")
    assert text.endswith("; 1 case ran in one process only, so its ratio is not marked")
    several = [result("dct-x", 512, 1e-3, ratio=ratio) for ratio in (4, 8)]
    text = words.stability(analysis.summarise([*found, *several]))
    assert text.endswith("; 2 cases ran in one process only, so their ratios are not marked")


def test_a_length_that_does_not_fit_is_told_apart_from_one_that_failed() -> None:
    def told(shorter: Result) -> str | None:
        found = [shorter, result("full", 1024, None, status="oom", message="out of memory")]
        [one] = analysis.feasible_lengths(analysis.summarise(found))
        return words.feasible(one, LABELS)

    assert told(result("full", 512)) == "full: fits up to n = 512, not n = 1024"
    assert told(result("full", 512, None, status="error")) == "full: does not fit at n = 1024"


def test_machines_are_not_compared_though_one_file_holds_both() -> None:
    here, there = result("sdpa", 64, 4e-3), replace(result("dct-x", 64, 1e-3, ratio=8), fingerprint="a" * 16)
    reference, method = analysis.summarise([here, there])
    assert analysis.compare(method, reference) is None


def test_the_fastest_is_told_with_its_margin_or_as_a_tie() -> None:
    def told(*results: Result, repeated: bool = True) -> str:
        [ranking] = analysis.rankings(analysis.summarise(in_two_rounds(results) if repeated else results), "sdpa")
        return words.fastest(ranking)

    slow, fast = result("sdpa", 64, 4e-3), result("dct-x", 64, 1e-3, ratio=8)
    assert told(slow, fast) == "dct-x r=8 is fastest, 1.00 ms, 4.00x (4.00-4.00) as fast as sdpa"
    assert told(result("sdpa", 64, 1e-3), result("dct-x", 64, 4e-3, ratio=8)) == (
        "keep sdpa: fastest, 1.00 ms; dct-x r=8 is next at 0.25x (0.25-0.25)"
    )
    close = [result("sdpa", 64, 1.0e-3), result("dct-x", 64, 1.1e-3, ratio=8), result("sdpa", 64, 1.1e-3, round=2)]
    assert told(*close, result("dct-x", 64, 1.05e-3, ratio=8, round=2), repeated=False).startswith(
        "no clear winner among"
    )
    assert told(slow, fast, repeated=False) == "dct-x r=8 took the least time, 1.00 ms; one round tells nothing apart"
    several = [replace(fast, round=number) for number in (1, 2, 3)]
    alone = "; 1 of 2 cases ran in one round only, which tells nothing apart"
    assert told(slow, *several, repeated=False) == f"dct-x r=8 took the least time, 1.00 ms{alone}"
    assert told(result("sdpa", 64, 5e-4), *several, repeated=False) == f"sdpa took the least time, 500 µs{alone}"
    assert told(slow) == "only sdpa has a latency to compare, 4.00 ms"


def test_a_case_too_noisy_to_rule_out_is_no_tie_with_one_far_faster() -> None:
    noisy = [4e-3, 40e-3, 0.5e-3]
    results = [
        one
        for number in (1, 2, 3)
        for one in (
            result("sdpa", 64, 9e-3, round=number),
            result("linformer", 64, 1e-3, ratio=4, round=number),
            result("dct-x", 64, noisy[number - 1], ratio=4, round=number),
        )
    ]
    [ranking] = analysis.rankings(analysis.summarise(results), "sdpa")
    assert words.fastest(ranking) == ("linformer r=4 took the least time, 1.00 ms; dct-x r=4 is too noisy to rule out")


def test_coverage_counts_what_failed_and_what_is_missing() -> None:
    assert words.coverage(SUMMARIES, 6) == "3 of 6 measured, 1 out of memory, 2 not run yet"


def test_markdown_shows_verdict_table_and_provenance() -> None:
    text = markdown(
        [
            RecordedRun(
                RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, in_two_rounds(RESULTS), [one.case for one in RESULTS]
            )
        ]
    )
    assert "- n = 512: linformer r=4 is fastest" in text
    assert "| dct-x r=8 | 512 | 4.00 ms (4.00-4.00) | ▼ 0.50x | - | other |" in text
    assert "Test CPU, 2 cores, torch 2.13.0" in text


def test_markdown_says_below_the_table_what_a_layer_had_in_training_that_is_not_measured() -> None:
    learned = trained("nystromformer", [0.8, 0.82], ratio=4, options={"convolution": 33})
    text = markdown([RecordedRun(RUN, {}, learned, [learned[0].case])])
    assert "\nnystromformer: trained with a convolution of 33 taps, which latency and error leave out\n" in text


def test_the_markdown_of_a_large_run_can_still_be_posted_and_says_what_it_leaves_out() -> None:
    many = [result("dct-x", n, 1e-3, ratio=8) for n in range(64, 64 * 1501, 64)]
    text = markdown([RecordedRun(RUN, {}, many, [one.case for one in many])])
    assert text.startswith("<!-- dctbench: results -->\n### dctbench")
    assert len(text) < 60_000
    assert "- and 1450 more places" in text
    assert "<details><summary>1490 more rows</summary>" in text
    assert "rows left out: the text would be too long for a comment." in text
    assert "1500 of 1500 measured" in text


def test_labels_say_what_differs_and_only_that() -> None:
    alike = Labels([Case("sdpa", 512), Case("dct-x", 1024, 8)])
    assert (alike.curve(Case("dct-x", 1024, 8)), alike.place(Case("sdpa", 512))) == ("dct-x r=8", "n = 512")
    mixed = Labels([Case("sdpa", 512), Case("sdpa", 512, mode="train", batch=4, threads=1)])
    assert mixed.curve(Case("sdpa", 512)) == "sdpa forward, batch 1, threads default"
    assert mixed.place(Case("sdpa", 512, mode="train", batch=4, threads=1)) == "n = 512, train, batch 4, threads 1"


@given(st.text(max_size=50))
def test_escaped_text_stays_in_its_cell(text: str) -> None:
    assert not re.search(r"(?<!\\)[|<`$\n]", escape(text).replace("\\\\", ""))


def test_csv_gives_a_failed_case_one_row_without_figures() -> None:
    records = list(csv.DictReader(io.StringIO(csv_text(RUN, SUMMARIES))))
    [failed] = [record for record in records if record["status"] == "oom"]
    assert (failed["metric"], failed["value"]) == ("", "")
    assert {record["metric"] for record in records if record["implementation"] == "sdpa"} == {
        "latency", "memory.tensor", "memory.state", "error.smooth",
    }  # fmt: skip


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_cell_runs_as_a_formula(cell: str) -> None:
    assert escape_formula(cell) == f"'{cell}"
    assert escape_formula(-1.5) == -1.5


def test_one_sample_has_no_interval() -> None:
    [one] = analysis.summarise([result("sdpa", 32768, [3.61])])
    assert cells.latency_words(one) == "3.61 s"
    assert words.stability([one]) == (
        "latencies of one sample per case, so nothing tells how precise they are; one round tells nothing of the "
        "differences between processes, so no ratio is marked"
    )


def test_latencies_that_are_hardly_known_are_not_called_known() -> None:
    far_apart = [
        result(name, 512, [seconds], round=n) for name in ("sdpa", "full") for n, seconds in ((1, 0.1), (2, 9.0))
    ]
    assert words.stability(analysis.summarise(far_apart)) == (
        "latencies over 2 processes per case, half of them not known to a factor of 10; 2 of 2 not to a factor of 1.1"
    )


def test_an_axis_that_a_case_has_nothing_of_is_left_out_of_its_name() -> None:
    timed, training = Case("sdpa", 64), Case("sdpa", 64, task="recall")
    labels = Labels([timed, training])
    assert (labels.place(timed), labels.place(training)) == ("n = 64", "n = 64, recall")
    threads = Labels([timed, Case("sdpa", 64, threads=2)])
    assert threads.place(timed) == "n = 64, threads default"
