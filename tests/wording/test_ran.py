"""What stands behind a row beside its figures."""

from __future__ import annotations

from dataclasses import replace

from dctbench.analysis import Summary, summarise
from dctbench.model import ResultDetails
from dctbench.wording.ran import last_words, ran_words, spread_words
from tests.support.made import result


def summary(details: ResultDetails = ResultDetails(), **made: object) -> Summary:  # noqa: B008 - it is immutable
    [found] = summarise([replace(result(**made), details=details)])  # type: ignore[arg-type]
    return found


def test_what_ran_is_told_as_far_as_it_is_known() -> None:
    assert ran_words(summary(ResultDetails(kernel="flash", plan="basis", threads=2))) == (
        "kernel flash; transform basis; 2 threads"
    )
    assert ran_words(summary(ResultDetails(compiler="freezing", threads=1))) == "compiled with freezing; 1 thread"
    assert ran_words(summary()) == ""


def test_quantiles_are_those_of_all_samples_and_few_samples_have_none() -> None:
    assert spread_words(summary(seconds=[1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3])) == (
        "p20 2.00 ms, p80 5.00 ms, interquartile range 2.50 ms"
    )
    assert spread_words(summary(seconds=[1e-3] * 4)) == ""


def test_quantiles_of_means_of_several_calls_say_so() -> None:
    assert spread_words(summary(ResultDetails(calls_per_sample=4), seconds=[1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3])) == (
        "p20 2.00 ms, p80 5.00 ms, interquartile range 2.50 ms of means of up to 4 calls"
    )


def test_the_end_of_what_a_failed_process_printed_is_told() -> None:
    failed = summary(ResultDetails(traceback="Traceback: broken"), seconds=None, status="error", message="broken")
    assert last_words(failed) == "Traceback: broken"
    crashed = summary(ResultDetails(output="x" * 2000 + "Fatal Python error"), seconds=None, status="error")
    told = last_words(crashed)
    assert told is not None
    assert told.startswith("[...]\nx")
    assert told.endswith("Fatal Python error")
    assert len(told) < 1510
    lines = summary(ResultDetails(output=f"{'y' * 900}\n{'z' * 900}"), seconds=None, status="error")
    assert last_words(lines) == f"[...]\n{'z' * 900}"
    assert last_words(summary(ResultDetails(output="noise"))) is None  # it did not fail
