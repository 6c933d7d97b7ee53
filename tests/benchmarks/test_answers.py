"""What README says of the results in the gallery, counted again from the files alone."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks import answers
from dctbench.catalog.tasks import TASKS


def entries(name: str) -> Iterator[tuple[dict[str, Any], list[dict[str, list[float]]]]]:
    """Each case of a file with the metrics of its processes."""
    document = json.loads((answers.GALLERY / name).read_text(encoding="utf-8"))
    for entry in document["results"]:
        yield entry["case"], [one.get("metrics", {}) for one in entry["rounds"]]


def test_late_calls_are_those_of_the_response_times() -> None:
    said = "\n".join(answers.in_time(answers.GALLERY / "realtime.json"))
    counted = {}
    for case, rounds in entries("realtime.json"):
        calls = [seconds for one in rounds for seconds in one["response"]]
        late = sum(seconds > case["deadline"] for seconds in calls)
        counted[case["implementation"], case["engine"], case["seq_len"]] = f"{late} of {len(calls)} late"
    lines = {int(n): line for n, line in re.findall(r"^- n = (\d+): (.+)$", said, re.MULTILINE)}
    assert list(lines) == sorted({n for _, _, n in counted}, reverse=True)
    for length, line in lines.items():
        told = re.findall(r"(\S+) r=8 on (\w+) \([^(]+\([^)]+\), (\d+ of \d+ late)", line)
        assert told
        assert [words for _, _, words in told] == [counted[method, engine, length] for method, engine, _ in told]
    row = next(line for line in said.splitlines() if line.startswith("| sdpa |"))
    assert counted["sdpa", "onnxruntime", 512] in row


def test_the_quality_of_a_model_is_the_mean_of_its_evaluation() -> None:
    lines = answers.model(answers.GALLERY / "minilm.json")
    means = {}
    for case, rounds in entries("minilm.json"):
        if case["seq_len"] == 512:
            ratio = "" if case["ratio"] is None else f" r={case['ratio']:g}"
            figures = next(one["evaluate.recall"] for one in rounds if "evaluate.recall" in one)
            means[f"{case['implementation']}{ratio}"] = statistics.fmean(figures)
    table = [line.split(" | ") for line in lines if line.startswith("| ") and "recall" not in line]
    assert len(table) == len(means)
    for name, _, _, recall, _ in table:
        assert recall.startswith(f"{means[name.removeprefix('| ').removesuffix(' (as it is)')]:.3f}")


def tasks_of(lines: list[str]) -> list[str]:
    """The tasks of a table, by name."""
    header = next(line for line in lines if line.startswith("| method"))
    heads = [cell.strip() for cell in header.split("|")[2:-1]]
    return [head.replace(" ", "/") for head in heads if head != "resolution"]


@pytest.mark.parametrize("name", ["accuracy.json", "accuracy-long.json", "recall-long.json"])
def test_a_task_that_has_other_steps_now_is_left_out_and_named(name: str) -> None:
    lines = answers.tasks(answers.GALLERY / name)
    document = json.loads((answers.GALLERY / name).read_text(encoding="utf-8"))
    steps = {
        entry["case"]["task"]: entry["details"]["training"]["steps"]
        for entry in document["results"]
        if entry["case"]["task"] and "x" not in entry["case"]["task"].rpartition("/")[2]
    }
    now = {task: TASKS[task.partition("/")[0]].facts for task in steps}
    same = {task for task, facts in now.items() if facts is not None and facts.steps == steps[task]}
    assert {*tasks_of(lines)} == same
    outdated = [line for line in lines if "so it is left out" in line]
    assert len(outdated) == len(steps.keys() - same)
    for task in steps.keys() - same:
        assert any(line.startswith(f"- On {task}, ") and f" {steps[task]:,} steps" in line for line in outdated)


def test_the_accuracy_of_a_method_is_the_mean_over_its_seeds() -> None:
    lines = answers.tasks(answers.GALLERY / "accuracy.json")
    tasks = tasks_of(lines)
    means = {}
    for case, rounds in entries("accuracy.json"):
        if case["task"] in tasks:
            ratio = "" if case["ratio"] is None else f" r={case['ratio']:g}"
            seeds = [one["accuracy"][0] for one in rounds]
            means[f"{case['implementation']}{ratio}", case["task"]] = (len(seeds), statistics.fmean(seeds))
    assert {count for count, _ in means.values()} == {3}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if re.match(r"\| (?!method)\w", line)]
    told = {(name, task): cell for name, *cells, _ in rows for task, cell in zip(tasks, cells, strict=True)}
    assert told.keys() == means.keys()
    for key, cell in told.items():
        assert cell.startswith(f"{means[key][1]:.3f}")


def test_the_speed_ups_of_the_readme_are_the_geometric_means_of_ratios_of_the_same_round() -> None:
    """Each of the medians of two processes of one round; latencies are geometric means of the medians."""
    medians = {}
    for entry in json.loads((answers.GALLERY / "quick.json").read_text(encoding="utf-8"))["results"]:
        ends = np.cumsum([one["samples"] for one in entry["rounds"]])
        each = np.split(np.array(entry["metrics"]["latency"]["samples"]), ends[:-1])
        case = entry["case"]
        medians[case["implementation"], case["ratio"], case["seq_len"]] = np.array([np.median(one) for one in each])
    readme = (answers.GALLERY.parents[1] / "README.md").read_text(encoding="utf-8")
    told = re.findall(
        r"^n = (\d+): dct-x r=16 is fastest, ([\d.]+) (µs|ms), ([\d.]+)x \(([\d.]+)-([\d.]+)\)", readme, re.M
    )
    assert [int(n) for n, *_ in told] == [512, 1024, 2048, 4096, 8192]
    for n, shown, unit, *figures in told:
        exact, method = medians["sdpa", None, int(n)], medians["dct-x", 16, int(n)]
        rounds = min(len(exact), len(method))
        ratio = np.exp(np.mean(np.log(exact[:rounds] / method[:rounds])))
        value, low, high = map(float, figures)
        assert value == pytest.approx(ratio, rel=0.005)
        assert low < ratio < high
        assert math.log(high / ratio) == pytest.approx(math.log(ratio / low), abs=0.02)
        seconds = np.exp(np.mean(np.log(method)))
        assert float(shown) * {"µs": 1e-6, "ms": 1e-3}[unit] == pytest.approx(seconds, rel=0.006)
