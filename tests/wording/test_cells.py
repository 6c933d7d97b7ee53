"""The row of a training in a table: its accuracy in place of a latency, a failure in words; and notes below a table."""

from __future__ import annotations

from dataclasses import replace

from dctbench.analysis import summarise
from dctbench.model import Result, ResultDetails
from dctbench.wording import cells
from dctbench.wording.cells import row
from dctbench.wording.labels import Labels
from tests.support.made import result
from tests.support.trained import trained


def test_a_training_shows_the_mean_accuracy_of_its_seeds() -> None:
    [summary] = summarise(trained("sdpa", [0.5, 0.75]))
    shown = row(summary, None, Labels([summary.case]))
    assert (shown.latency, shown.failure) == ("accuracy 0.625", None)


def test_a_training_that_failed_with_a_seed_shows_why() -> None:
    [summary] = summarise(trained("sdpa", [0.5, None]))
    shown = row(summary, None, Labels([summary.case]))
    assert shown.failure is not None
    assert "RuntimeError: broken at step 100" in shown.failure


def test_a_result_with_neither_latency_nor_accuracy_has_not_failed() -> None:
    [summary] = summarise([result("sdpa", 512, None, values={"memory.tensor": ("B", 8.0), "memory.state": ("B", 0.0)})])
    shown = row(summary, None, Labels([summary.case]))
    assert (shown.latency, shown.memory, shown.failure) == ("-", "8 B", None)


def test_what_int8_leaves_in_float_is_said_by_engine_and_method() -> None:
    def quantised(name: str, n: int, share: float, engine: str = "onnxruntime-int8") -> Result:
        ratio = None if name == "sdpa" else 4
        return replace(result(name, n, ratio=ratio, engine=engine), details=ResultDetails(int8_share=share))

    found = [quantised("sdpa", 512, 0.75), quantised("sdpa", 1024, 0.6), quantised("dct-x", 512, 0.71)]
    whole = quantised("sdpa", 512, 1.0, "onnxruntime-int8-static")
    assert cells.error_notes(summarise([*found, whole]))[-1] == (
        "onnxruntime-int8 computes part of the multiply-adds of matrix products in int8 (60-75% for sdpa, 71% for "
        "dct-x); the rest stays in float32"
    )
    assert cells.error_notes(summarise([whole])) == []
    note = cells.error_notes(summarise([quantised("sdpa", 512, 0.996), quantised("dct-x", 512, 0.994)]))[-1]
    assert "(99% for sdpa, 99% for dct-x); the rest stays in float32" in note


def test_each_case_of_two_speeds_has_a_sentence_and_no_other_has() -> None:
    def timed(name: str, *seconds: float) -> list[Result]:
        return [result(name, seconds=one, round=number) for number, one in enumerate(seconds, 1)]

    summaries = summarise([
        *timed("full", 1e-3, 3e-3, 1e-3, 3e-3, 3e-3),
        *timed("sdpa", *[1e-3] * 5),
        *timed("linear", 2e-6, 2e-6, 5e-6, 5e-6),
    ])  # fmt: skip
    assert cells.mode_notes(summaries, Labels(summary.case for summary in summaries)) == [
        "full n=512: two speeds: 2 processes near 1.00 ms and 3 near 3.00 ms, and the mean lies between them",
        "linear n=512: two speeds: 2 processes near 2.00 µs and 2 near 5.00 µs, and the mean lies between them",
    ]
