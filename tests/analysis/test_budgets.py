"""Within budgets: what was not measured never passes, what breaks a budget is never named the fastest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench import analysis
from dctbench.analysis import Budgets, Summary, budgets
from dctbench.analysis.capacity import device_memory, host_memory
from dctbench.model import Environment, Result, ResultDetails, Status
from tests.support.made import result

MIB = 2.0**20


def case(name: str, seconds: float, memory: float | None, error: float | None, ratio: float | None = None) -> Result:
    values = {}
    if memory is not None:
        values = {"memory.tensor": ("B", memory - MIB), "memory.state": ("B", MIB)}
    if error is not None:
        values["error.smooth"] = ("1", error)
    return result(name, 512, (seconds,) * 20, ratio=ratio, values=values)


def ranking(*results: Result) -> analysis.Ranking:
    [found] = analysis.rankings(analysis.summarise(results), "sdpa")
    return found


MEASURED = (
    case("sdpa", 8e-3, 64 * MIB, 1e-7),
    case("dct-x", 1e-3, 8 * MIB, 0.9, ratio=8),
    case("linformer", 4e-3, None, 0.5, ratio=8),
)


def names(summaries: Iterable[Summary]) -> list[str]:
    return [s.case.name for s in summaries]


def test_the_error_of_a_bundle_in_int8_is_its_difference_from_torch() -> None:
    values = {"error.engine": ("1", 0.07)}
    [int8] = ranking(result("sdpa", 512, 1e-3, engine="onnxruntime-int8", values=values)).ranked
    [float32] = ranking(result("sdpa", 512, 1e-3, engine="onnxruntime", values=values)).ranked
    assert [breach.value for breach in budgets.breaches(int8, Budgets(error_smooth=0.05))] == [0.07]
    assert [breach.value for breach in budgets.breaches(float32, Budgets(error_smooth=0.05))] == [None]


def test_without_budgets_everything_is_within_and_the_fastest_leads() -> None:
    choice = analysis.choose(ranking(*MEASURED), Budgets())
    assert names(choice.within) == ["dct-x r=8", "linformer r=8", "sdpa"]
    assert names(choice.leaders) == ["dct-x r=8"]
    assert (choice.over, choice.unmeasured) == ((), ())


def test_a_budget_excludes_with_the_figure_and_what_was_not_measured_is_no_pass() -> None:
    choice = analysis.choose(ranking(*MEASURED), Budgets(memory=32 * MIB))
    assert names(choice.within) == ["dct-x r=8"]
    [(over, [breach])] = choice.over
    assert (over.case.name, breach.budget, breach.value, breach.limit) == ("sdpa", "memory", 64 * MIB, 32 * MIB)
    [(unmeasured, [unknown])] = choice.unmeasured
    assert (unmeasured.case.name, unknown.value) == ("linformer r=8", None)


def test_a_budget_of_error_judges_only_what_approximates_and_excludes_nothing_else() -> None:
    performer = case("performer", 2e-3, 8 * MIB, 0.4, ratio=8)
    choice = analysis.choose(ranking(*MEASURED, performer), Budgets(error_smooth=0.05))
    assert names(choice.within) == ["dct-x r=8", "linformer r=8", "sdpa"]
    assert names(s for s, _ in choice.over) == ["performer r=8"]
    choice = analysis.choose(ranking(*MEASURED), Budgets(error_noise=0.05, memory=8 * MIB))  # noise: of none measured
    assert names(choice.within) == ["dct-x r=8"]
    assert {breach.budget for _, found in choice.unmeasured for breach in found} == {"memory"}


def test_a_limit_that_is_met_exactly_is_kept() -> None:
    assert names(analysis.choose(ranking(*MEASURED), Budgets(memory=64 * MIB)).within) == ["dct-x r=8", "sdpa"]


def test_each_budget_limits_a_figure_of_its_own() -> None:
    values = {
        "memory.tensor": ("B", 5.0), "memory.state": ("B", 3.0), "memory.process": ("B", 90.0),
        "error.smooth": ("1", 0.1), "error.noise": ("1", 0.2), "error.input": ("1", 0.3),
    }  # fmt: skip
    [one] = analysis.summarise([result("dct-x", 512, 1e-3, ratio=8, values=values)])
    assert budgets.budgeted(one) == {
        "latency_p99": None, "memory": 8.0, "memory_process": 90.0, "error_smooth": 0.1, "error_noise": 0.2,
        "error_input": 0.3, "miss_rate": None,
    }  # fmt: skip
    for name, value in budgets.budgeted(one).items():
        if value is not None:
            assert budgets.breaches(one, Budgets(**{name: value})) == []
            assert budgets.breaches(one, Budgets(**{name: value / 2})) == [budgets.Breach(name, value, value / 2)]


def test_a_p99_budget_is_held_against_the_bound_and_needs_299_samples() -> None:
    slow_tail = result("sdpa", 512, (1e-3,) * 298 + (9e-3,))
    few = case("dct-x", 1e-3, None, None, ratio=8)
    choice = analysis.choose(ranking(slow_tail, few), Budgets(latency_p99=5e-3))
    assert names(s for s, _ in choice.over) == ["sdpa"]
    assert names(s for s, _ in choice.unmeasured) == ["dct-x r=8"]
    assert names(analysis.choose(ranking(slow_tail, few), Budgets(latency_p99=9e-3)).within) == ["sdpa"]


@given(st.floats(1 * MIB, 100 * MIB), st.floats(0, 2))
def test_tighter_budgets_never_admit_more(memory: float, error: float) -> None:
    loose = analysis.choose(ranking(*MEASURED), Budgets(memory=memory))
    tight = analysis.choose(ranking(*MEASURED), Budgets(memory=memory, error_smooth=error))
    assert set(names(tight.within)) <= set(names(loose.within))
    assert len(tight.within) + len(tight.over) + len(tight.unmeasured) == len(MEASURED)


@pytest.mark.parametrize(
    ("statuses", "longest", "first_over"),
    [
        (["ok", "ok", "oom"], 1024, 2048),
        (["ok", "error", "oom"], 512, 2048),
        (["ok", "oom", "ok"], 512, 1024),
        (["oom", "skipped", "skipped"], None, 512),
        (["ok", "ok", "ok"], 2048, None),
    ],
)
def test_the_longest_length_that_fits_is_one_that_was_measured(
    statuses: list[Status], longest: int | None, first_over: int | None
) -> None:
    results = [
        replace(
            result("full", n, 1e-3 if status == "ok" else None, status=status),
            details=ResultDetails(estimated_bytes=60e6),
        )
        for n, status in zip((512, 1024, 2048), statuses, strict=True)
    ]
    [found] = analysis.feasible_lengths(analysis.summarise(results))
    assert (found.longest, found.first_over) == (longest, first_over)
    assert found.needed == (None if first_over is None else 60e6)
    assert (found.case.implementation, found.case.seq_len) == ("full", 512)


def test_the_memory_of_a_device_is_known_where_all_machines_have_the_same() -> None:
    def machine(memory: float | None, gpu: object = None) -> Environment:
        return Environment({"memory_bytes": memory, "gpu": gpu}, "f" * 16)

    assert host_memory([machine(16e9), machine(16e9)]) == 16e9
    assert host_memory(iter([machine(16e9)])) == 16e9  # an iterator is read once
    assert host_memory([machine(16e9), machine(32e9)]) is None
    gpus = [machine(16e9, [{"memory_bytes": 150e9}, {"memory_bytes": 80e9}])]
    assert host_memory(gpus) == device_memory(gpus, "cpu") == 16e9
    assert [device_memory(gpus, device) for device in ("cuda:0", "cuda:1")] == [150e9, 80e9]
    assert [device_memory(gpus, device) for device in ("cuda:2", "mps")] == [None, None]
    assert device_memory([*gpus, machine(16e9)], "cuda:0") is None
    assert host_memory([machine(None)]) is None
    for wrong in ([16], "16", -1, 10**400):  # of an imported file
        assert host_memory([machine(wrong)]) is None  # type: ignore[arg-type]
        assert device_memory([machine(16e9, [{"memory_bytes": wrong}])], "cuda:0") is None
    assert device_memory(gpus, "cuda:x") is None
    assert host_memory([]) is None


@pytest.mark.parametrize(("count", "known"), [(298, ()), (299, (0.95,)), (458, (0.95,)), (459, (0.95, 0.99))])
def test_a_p99_with_more_confidence_takes_more_samples(count: int, known: tuple[float, ...]) -> None:
    """The largest of n samples is above the 99th percentile with a probability of 1 - 0.99^n."""
    [one] = analysis.summarise([result("sdpa", 64, [1.0 + i / count for i in range(count)])])
    for confidence in (0.95, 0.99):
        [breach] = budgets.breaches(one, Budgets(latency_p99=1.5, confidence=confidence))
        assert breach.value == (max(one.samples) if confidence in known else None)


def test_a_mean_of_several_calls_has_no_p99() -> None:
    several = replace(result("sdpa", 64, [1.0] * 400), details=ResultDetails(calls_per_sample=4))
    assert analysis.summarise([several])[0].p99 is None
    assert analysis.summarise([replace(several, details=ResultDetails(calls_per_sample=1))])[0].p99 is not None


@pytest.mark.parametrize("processes", [29, 30])
def test_from_thirty_processes_on_the_upper_end_of_a_p99_holds_for_others_too(processes: int) -> None:
    taken = [result("sdpa", 64, 1 + n / 100, round=n) for n in range(1, processes + 1)]
    [one] = analysis.summarise(taken)
    assert one.p99 is not None
    assert one.tail_is_bound is (processes == 30)
    assert (one.p99.high > max(one.samples)) is (processes == 30)
