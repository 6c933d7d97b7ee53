"""The answer's words: what is not known is neither kept nor broken, and a p99 is promised only where it will be."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Any

import pytest

from dctbench import analysis, catalog
from dctbench.analysis import Budgets
from dctbench.cli.commands import run
from dctbench.cli.options import axes
from dctbench.model import Case, CaseWarning, WarningCode
from dctbench.page.assets import source
from dctbench.scheduler import pace
from dctbench.spec import grid, suites
from dctbench.stats import robust
from dctbench.wording import decision
from dctbench.wording import recommendation as words
from dctbench.wording.labels import Labels
from tests.support.made import in_two_rounds, result

MIB = 2.0**20


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        ([64, 64], "none is shown to stay within these limits"),
        ([64, None], "1 breaks them; for 1, a figure that they need is missing"),
        ([64, 64, None], "2 break them; for 1, a figure that they need is missing"),
        ([None, None], "no method has every figure that these limits need"),
    ],
)
def test_that_no_method_is_named_says_no_more_than_is_known(sizes: list[float | None], why: str) -> None:
    results = [
        result("dct-x", 512, ratio=2**i,
               values=None if size is None else {"memory.tensor": ("B", size * MIB), "memory.state": ("B", 0.0)})
        for i, size in enumerate(sizes)
    ]  # fmt: skip
    [ranking] = analysis.rankings(analysis.summarise(results), None)
    budgets = Budgets(memory=32 * MIB)
    said = words.verdict(ranking, analysis.choose(ranking, budgets), budgets, Labels([]))
    assert said == f"At n = 512 within memory 32.0 MiB, no method can be recommended: {why}."


@pytest.mark.parametrize(
    ("name", "engine", "values", "said"),
    [
        ("sdpa", "eager", {"error.smooth": 3e-7}, "exact"),
        ("sdpa", "onnxruntime", {"error.engine": 2e-6}, "exact"),
        (
            "sdpa",
            "onnxruntime-int8",
            {"error.smooth": 0.02, "error.engine": 0.03},
            "exact but for int8, relative error 0.020",
        ),
        ("sdpa", "onnxruntime-int8", {"error.engine": 0.03}, "exact but for int8, relative error 0.030"),
        ("sdpa", "onnxruntime-int8", {}, "exact but for int8"),
        ("nystromformer", "onnxruntime-int8", {"error.smooth": 0.25, "error.engine": 0.03}, "relative error 0.250"),
        ("nystromformer", "onnxruntime-int8", {"error.engine": 0.03}, "error not measured"),
    ],
)
def test_a_bundle_has_no_error_but_that_of_its_engine(
    name: str, engine: str, values: dict[str, float], said: str
) -> None:
    measured = {metric: ("1", value) for metric, value in values.items()}
    ratio = None if name == "sdpa" else 4
    [summary] = analysis.summarise([result(name, 512, ratio=ratio, engine=engine, values=measured)])
    assert words.error_costs(summary) == said


@pytest.mark.parametrize(
    ("budget", "value", "limit", "said"),
    [
        ("memory", 80 * MIB, 64 * MIB, "memory 80.0 MiB > 64.0 MiB"),
        ("memory", 64 * MIB + 8, 64 * MIB, "memory 67,108,872 B > 67,108,864 B"),
        ("latency_p99", 0.01001, 0.01, "p99 latency 0.01001 s > 0.01 s"),
        ("error_smooth", 0.00149, 0.001, "error on the smooth input 0.0015 > 0.0010"),
        ("error_smooth", 0.05049, 0.05, "error on the smooth input 0.05049 > 0.05"),
        ("miss_rate", 0.0102, 0.01, "miss rate up to 1.1% > 1.0%"),
        ("miss_rate", 0.0126, 0.0124, "miss rate up to 1.26% > 1.24%"),
    ],
)
def test_what_breaks_a_limit_is_written_as_more_than_the_limit(
    budget: str, value: float, limit: float, said: str
) -> None:
    assert words.broken(analysis.Breach(budget, value, limit)) == said


@pytest.mark.parametrize(
    ("length", "named"),
    [(600, "lengths are 512 and 1024"), (2000, "lengths are 1024 and 4096"), (64, "(the nearest is 256)"),
     (9999, "(the nearest is 4096)")],
)  # fmt: skip
def test_a_length_that_was_not_measured_lies_between_the_nearest_ones(length: int, named: str) -> None:
    assert named in words.around(length, [256, 512, 1024, 4096])


def test_the_samples_of_a_p99_are_the_fewest_that_bound_it_and_the_command_takes_them() -> None:
    assert robust.quantile_upper_bound(range(robust.P99_SAMPLES - 1), 0.99) is None
    assert robust.quantile_upper_bound(range(robust.P99_SAMPLES), 0.99) is not None
    settings = replace(suites.load(words.P99_SUITE).settings, samples=robust.P99_SAMPLES)
    assert f"--samples {robust.P99_SAMPLES} " in words.p99_takes([Case("sdpa", 64)])
    taken = pace.pace_of(settings)
    assert sum(taken.samples(number) for number in range(1, settings.rounds + 1)) >= robust.P99_SAMPLES
    assert f"--suite {words.P99_SUITE} " in words.p99_takes([Case("sdpa", 64)])


@pytest.mark.parametrize(
    "shape",
    [
        {"device": "cuda:0", "dtype": "bfloat16", "scope": "attention", "mode": "train", "heads": 4, "threads": 2},
        {"engine": "onnxruntime", "period": 0.02, "deadline": 0.0125},
    ],
)
def test_the_command_for_a_p99_measures_the_methods_and_the_shape_that_lack_it(shape: dict[str, Any]) -> None:
    methods = (("sdpa", None), ("dct-x", 8.0), ("dct-x", 2.5), ("pool", 8.0), ("pool", 2.5))
    cases = [Case(name, 64, ratio, **shape) for name, ratio in methods]
    command = re.search(r"dctbench (run .*)$", words.p99_takes(cases))
    assert command
    flags = run.command.make_context("run", shlex.split(command[1])[1:]).params
    asked = suites.override(axes.chosen_suite(flags), axes.axis_values(flags))
    assert asked.name == words.P99_SUITE
    assert set(grid.expand_cases(asked.axes, catalog.IMPLEMENTATIONS)) == set(cases)
    in_a_model = [Case("sdpa", 64, model="mine:model"), Case("dct-kv", 64, 2.0, model="mine:model", layers="2..")]
    assert " --layers 2.. " in words.p99_takes(in_a_model)
    trained = [Case("sdpa", 64, model="mine:model"), Case("dct-kv", 64, 2.0, model="mine:model", recover=200)]
    assert " --ratio 2 --recover 200 " in words.p99_takes(trained)
    assert words.p99_takes([Case("sdpa", 64)]).endswith(
        f"dctbench run --suite {words.P99_SUITE} --samples 299 --rounds 30 --impl sdpa --seq 64"
    )


def test_a_method_that_its_error_does_not_judge_is_named_with_the_reason_and_not_to_ship() -> None:
    error = {"error.smooth": ("1", 0.9), "memory.tensor": ("B", 0.0), "memory.state": ("B", 2.0**20)}
    found = [
        result("sdpa", 64, 4e-3, values={"error.smooth": ("1", 1e-7)}),
        result("dct-x", 64, 1e-3, ratio=8, values=error),
        result("linformer", 64, 3e-3, kept=16, values=error), result("performer", 64, 2e-3, kept=16, values=error),
    ]  # fmt: skip
    budgets = Budgets(error_smooth=0.05)
    [ranking] = analysis.rankings(analysis.summarise(in_two_rounds(found)), "sdpa")
    choice = analysis.choose(ranking, budgets)
    said = words.verdict(ranking, choice, budgets, Labels(r.case for r in found))
    assert said.startswith("At n = 64 within error on the smooth input 0.050: the fastest is dct-x r=8 (1.00 ms")
    assert said.endswith(
        "1.00 MiB, another function than softmax attention); the error of dct-x r=8 is not judged, and of those "
        "shown to keep the limit, sdpa took the least time."
    )
    worth = "accuracy after training shows its worth"
    assert [line for line in words.remarks(ranking, choice, budgets) if line.startswith("not judged")] == [
        f"not judged by its error: dct-x r=8 (another function than softmax attention); {worth}",
        f"not judged by its error: linformer kept=16 (error unknown before training); {worth}",
    ]
    assert not any("with a meaningful error" in line for line in words.remarks(ranking, choice, budgets))
    loose = Budgets(error_smooth=1.0)
    admitted = words.remarks(ranking, analysis.choose(ranking, loose), loose)
    assert any(
        line.startswith("fastest method with a meaningful error: performer kept=16 (2.00 ms") for line in admitted
    )
    assert "over budget: performer kept=16, error on the smooth input 0.900 > 0.050" in words.remarks(
        ranking, choice, budgets
    )


@pytest.mark.parametrize(
    ("rounds", "why"),
    [
        ({"sdpa": 1, "full": 1}, "one round tells nothing apart"),
        ({"sdpa": 3, "full": 1}, "1 of 2 cases ran in one round only, which tells nothing apart"),
        ({"sdpa": 1, "full": 3}, "1 of 2 cases ran in one round only, which tells nothing apart"),
    ],
)
def test_after_one_round_the_answer_is_what_took_the_least_time_and_how_to_learn_more(
    rounds: dict[str, int], why: str
) -> None:
    found = [
        result(name, 512, seconds, round=number)
        for name, seconds in (("sdpa", 1e-3), ("full", 4e-3))
        for number in range(1, rounds[name] + 1)
    ]
    [ranking] = analysis.rankings(analysis.summarise(found), "sdpa")
    choice = analysis.choose(ranking, Budgets())
    assert words.verdict(ranking, choice, Budgets(), Labels([])) == (
        "At n = 512: sdpa (1.00 ms (1.00-1.00), memory not measured, exact) took the least time; "
        f"{why}: measure with dctbench run --rounds 3."
    )
    only = analysis.rankings(analysis.summarise(found[: rounds["sdpa"]]), "sdpa")[0]
    said = words.verdict(only, analysis.choose(only, Budgets()), Budgets(), Labels([]))
    assert said.startswith("At n = 512: ship sdpa")  # there is nothing to tell it apart from


@pytest.mark.parametrize(
    ("rounds", "exact", "judged"),
    [
        (
            1,
            "exact method that took the least time: full (",
            "method with a meaningful error that took the least time",
        ),
        (2, "fastest exact method: full (", "fastest method with a meaningful error: nystromformer kept=16 ("),
    ],
)
def test_the_remarks_call_a_method_the_fastest_only_after_several_rounds(rounds: int, exact: str, judged: str) -> None:
    times = {"dct-x": 1e-3, "nystromformer": 2e-3, "full": 4e-3, "sdpa": 6e-3}
    kept: dict[str, dict[str, float]] = {"dct-x": {"ratio": 8}, "nystromformer": {"kept": 16}}
    error = {"error.smooth": ("1", 0.01)}
    found = [
        result(name, 64, seconds, round=number, values=error, **kept.get(name, {}))  # type: ignore[arg-type]
        for name, seconds in times.items()
        for number in range(1, rounds + 1)
    ]
    [ranking] = analysis.rankings(analysis.summarise(found), None)
    budgets = Budgets(error_smooth=0.05)
    said = words.remarks(ranking, analysis.choose(ranking, budgets), budgets)
    for start in (exact, judged):
        assert [line for line in said if line.startswith(start)], said


def test_of_methods_that_are_not_told_apart_none_is_called_the_fastest() -> None:
    apart = {"dct-x": (1e-3,) * 3, "sdpa": (4.0e-3, 4.2e-3, 3.8e-3), "full": (4.2e-3, 4.0e-3, 4.1e-3)}
    found = [
        result(name, 64, seconds, round=number, ratio=8 if name == "dct-x" else None)
        for name, times in apart.items()
        for number, seconds in enumerate(times, 1)
    ]
    [ranking] = analysis.rankings(analysis.summarise(found), None)
    choice = analysis.choose(ranking, Budgets())
    assert [summary.case.implementation for summary in choice.leaders] == ["dct-x"]
    said = words.remarks(ranking, choice, Budgets())
    assert not [line for line in said if "fastest" in line]
    assert [line for line in said if line.startswith("exact method that took the least time: sdpa (")]


@pytest.mark.parametrize(("samples", "known"), [(20, False), (300, True)])
def test_without_enough_samples_the_answer_says_that_there_is_no_p99_and_what_measures_one(
    samples: int, known: bool
) -> None:
    [ranking] = analysis.rankings(analysis.summarise([result("sdpa", 64, (1e-3,) * samples)]), "sdpa")
    said = words.remarks(ranking, analysis.choose(ranking, Budgets()), Budgets())
    assert (f"p99 not measured: {words.p99_takes([Case('sdpa', 64)])}" in said) is not known


def test_a_launch_bound_latency_is_a_time_of_the_host_and_the_answer_says_so() -> None:
    waits = CaseWarning(WarningCode.LAUNCH_BOUND, {"share": 0.6})
    results = [replace(result("dct-x", 512, 1e-3, ratio=8), warnings=(waits,)), result("sdpa", 512, 2e-3)]
    [ranking] = analysis.rankings(analysis.summarise(results), None)
    said = "\n".join(words.remarks(ranking, analysis.choose(ranking, Budgets()), Budgets()))
    assert "launch-bound, a time of the host: dct-x r=8; --engine cudagraph" in said


def test_the_script_fills_in_no_sentence_that_does_not_exist() -> None:
    known = words.TEMPLATES.keys() | decision.TEMPLATES.keys()
    for name in ("recommendation", "decision"):
        script = re.sub(r'valueAt\("\w+"', "valueAt(", source(f"scripts/{name}.js"))
        calls = re.findall(r"phrase\(((?:[^(){}]|\([^(){}]*\))*)", script)
        named = {text for call in calls for text in re.findall(r'"(\w+)"', call)}
        assert named
        assert named <= known
