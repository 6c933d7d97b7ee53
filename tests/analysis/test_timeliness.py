"""Misses, their bounds and their causes, from response times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from scipy import stats

from dctbench.analysis import Budgets, summarise
from dctbench.analysis.budgets import breaches
from dctbench.exporters.json_document import document, dumps
from dctbench.importers.json_document import parse
from dctbench.model import Measurement, Result, ResultDetails, Schedule
from dctbench.runs import table
from dctbench.wording import timeliness as words
from dctbench.wording.labels import Labels
from tests.support.made import ENVIRONMENT, RUN, result


def on_schedule(
    responses: Sequence[float], causes: Mapping[int, str] | None = None, *, round: int = 1, late: bool = False
) -> Result:
    """Return a result with a call every 20 ms that is due in 10 ms."""
    made = result("dct-x", 512, 1e-3, ratio=4, round=round, period=0.02, deadline=0.01)
    schedule = Schedule(50.0, late, causes or {})
    measured = (*made.measurements, Measurement("response", "s", tuple(responses)))
    return replace(made, measurements=measured, details=ResultDetails(stop_reason="precise", schedule=schedule))


ROUNDS = [
    on_schedule([0.004] * 97 + [0.011] * 3, {97: "waited", 98: "queued", 99: "queued"}),
    on_schedule([0.012] + [0.004] * 199, {0: "unknown"}, round=2),
]


def test_misses_are_counted_over_processes_and_rows_of_them_within_one() -> None:
    [summary] = summarise(ROUNDS)
    kept = summary.timeliness
    assert kept is not None
    assert (kept.calls, kept.misses, kept.longest_run) == (300, 4, 3)
    assert kept.causes == {"queued": 2, "waited": 1, "unknown": 1}
    for confidence in (0.95, 0.99):
        rate = kept.miss_rate(confidence)
        assert rate.value == 4 / 300
        assert rate.high == pytest.approx(stats.beta.ppf(confidence, 5, 296))
        assert rate.low == pytest.approx(stats.beta.ppf(1 - confidence, 4, 297))
    assert summary.values["miss_rate"] == 4 / 300
    assert summary.values["misses.longest"] == 3
    assert summary.values["response"] == 0.004


def test_percentiles_are_given_only_where_there_are_enough_calls() -> None:
    def known(count: int) -> list[float]:
        [summary] = summarise([on_schedule([0.004] * count)])
        assert summary.timeliness is not None
        return list(summary.timeliness.quantiles)

    assert known(20) == [0.5]
    assert known(100) == [0.5, 0.9, 0.95]
    assert known(299) == [0.5, 0.9, 0.95, 0.99]
    assert known(2995) == [0.5, 0.9, 0.95, 0.99, 0.999]


def test_the_verdict_states_its_bound_and_likely_causes() -> None:
    def verdict(*rounds: Result) -> str:
        [summary] = summarise(rounds)
        return words.verdict(summary, Labels([]))

    assert verdict(on_schedule([0.004] * 299)) == (
        "dct-x r=4 at n = 512, every 20.0 ms, due in 10.0 ms: in time in all 299 calls; at most 1.0% are late (95%; "
        "1.6% at 99%)"
    )
    assert verdict(*ROUNDS).endswith(
        "4 of 300 calls late, 1.3%, and at most 3.1% are late (95%; 3.9% at 99%); up to 3 in a row; likely causes: the "
        "call before it was still running (2), other programs had the cores (1), unknown (1)"
    )
    nearly = verdict(on_schedule([0.02] * 299 + [0.004]))
    assert "299 of 300 calls late, more than 99%, and at most" in nearly
    late = on_schedule([0.04] * 30, dict.fromkeys(range(30), "compute"), late=True)
    assert "every call was late, so the case was stopped after 30 calls; 50.0 calls/s were completed" in verdict(late)
    mixed = verdict(late, on_schedule([0.004] * 100, round=2))
    assert "100 of 200 calls late, 50%," in mixed
    assert (
        "; in at least one process every call was late, so that process gave up, and 70 calls that it left out count "
        "as late; likely causes: "
    ) in mixed


def test_the_calls_that_a_process_left_out_since_all_were_late_count_as_late() -> None:
    late = on_schedule([2.5] * 5, late=True)
    [summary] = summarise([late, on_schedule([0.004] * 100, round=2), on_schedule([0.004] * 98, round=3)])
    kept = summary.timeliness
    assert kept is not None
    assert (kept.calls, kept.misses, len(kept.responses)) == (298, 100, 203)
    assert kept.miss_rate().high == pytest.approx(stats.beta.ppf(0.95, 101, 198))
    assert list(kept.quantiles) == [0.5]
    counts = {row[0]: row[-1] for row in table.metric_rows(summary)}
    assert (counts["miss_rate"], counts["response"]) == (298, 298)
    assert "; up to 5 or more in a row; " in words.verdict(summary, Labels([]))
    [all_late] = summarise([late, on_schedule([0.04] * 30, round=2, late=True)])
    assert all_late.timeliness is not None
    assert (all_late.timeliness.calls, all_late.timeliness.misses) == (35, 35)


def test_a_quantile_counts_the_calls_left_out_as_the_slowest_and_is_absent_where_it_falls_among_them() -> None:
    in_time = [0.001 * (1 + i % 5) for i in range(300)]
    late = on_schedule([0.03] * 20, late=True)
    [summary] = summarise([on_schedule(in_time), replace(late, round=2)])
    kept = summary.timeliness
    assert kept is not None
    assert (kept.calls, kept.misses) == (600, 300)
    # The 300th and the 301st of 600 sorted calls are the last in time and the first late one; p90 is the 540th.
    assert kept.quantiles == {0.5: pytest.approx((0.005 + 0.03) / 2)}
    assert summary.values["response"] == pytest.approx((0.005 + 0.03) / 2)
    assert words.quantiles(kept) == "p50 17.5 ms, longest of the calls that were made 30.0 ms"

    two_late = [on_schedule(in_time), replace(late, round=2), replace(late, round=3)]
    [mostly_late] = summarise(two_late)  # 340 of 900 calls were made
    assert mostly_late.timeliness is not None
    assert mostly_late.timeliness.quantiles == {}
    assert "response" not in mostly_late.values
    assert words.quantiles(mostly_late.timeliness) == "longest of the calls that were made 30.0 ms"
    text = dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, two_late))
    assert [one.measurement("response") for one in parse(text.encode())[2]] == [
        one.measurement("response") for one in two_late
    ]


def test_a_budget_of_misses_is_held_against_the_upper_bound() -> None:
    [summary] = summarise([on_schedule([0.004] * 299)])
    assert not breaches(summary, Budgets(miss_rate=0.01))
    [breach] = breaches(summary, Budgets(miss_rate=0.005))
    assert breach.value == pytest.approx(stats.beta.ppf(0.95, 1, 299))
    [unscheduled] = summarise([result("dct-x", 512, ratio=4)])
    assert [one.value for one in breaches(unscheduled, Budgets(miss_rate=0.01))] == [None]


def test_a_document_holds_every_response_and_reads_back_the_same() -> None:
    text = dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, ROUNDS))
    entry = json.loads(text)["results"][0]
    assert entry["case"]["deadline"] == 0.01
    assert entry["metrics"]["miss_rate"]["high"] == pytest.approx(stats.beta.ppf(0.95, 5, 296))
    assert entry["metrics"]["miss_rate"]["high_99"] == pytest.approx(stats.beta.ppf(0.99, 5, 296))
    run, environments, results = parse(text.encode())
    assert [one.measurement("response") for one in results] == [one.measurement("response") for one in ROUNDS]
    assert [one.details.schedule for one in results] == [one.details.schedule for one in ROUNDS]
    assert dumps(document(run, environments, results)) == text


def test_tables_have_the_bounds_and_the_number_of_calls() -> None:
    rows = {row[0]: row for row in table.metric_rows(summarise(ROUNDS)[0])}
    assert rows["miss_rate"][2] == 4 / 300
    assert rows["miss_rate"][4] == pytest.approx(stats.beta.ppf(0.95, 5, 296))
    assert rows["miss_rate"][-1] == 300
