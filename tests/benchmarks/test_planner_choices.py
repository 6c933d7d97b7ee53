"""The planner's choices beside the measured times of the plans, which the result file holds."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from benchmarks import planner_choices

FOUND = json.loads(planner_choices.RESULTS.read_text(encoding="utf-8"))
ROWS = [row for machine in FOUND["machines"] for row in machine["rows"]]


def test_the_grid_is_whole() -> None:
    expected = {
        (*shape, ratio)
        for shape in planner_choices.shapes(planner_choices.LENGTHS[-1])
        for ratio in planner_choices.RATIOS
    }
    for machine in FOUND["machines"]:
        assert {(row["seq_len"], row["columns"], row["batch"], row["ratio"]) for row in machine["rows"]} == expected


def test_the_chosen_plan_is_the_fastest_or_near_it() -> None:
    over = [planner_choices.slower_by(row) for row in ROWS]
    assert statistics.geometric_mean(over) <= 1.03
    assert sum(one <= planner_choices.GOAL for one in over) >= 0.95 * len(over)
    assert max(over) <= 1.5


def test_a_row_says_how_much_slower_the_chosen_plan_is_and_the_table_names_those_beyond_the_goal() -> None:
    row: dict[str, Any] = {"seq_len": 1024, "ratio": 8, "columns": 512, "batch": 1}
    plan = planner_choices.chosen(row)
    row["plans_ms"] = {plan: 3.0, "basis": 1.5, "rfft": 9.0}
    assert planner_choices.slower_by(row) == 2.0
    assert planner_choices.slower_by({**row, "plans_ms": {"basis": 1.5}}) == float("inf")
    machine = {"machine": {"cpu": "CPU", "cpu_id": "one"}, "threads": 1, "rows": [row]}
    lines = planner_choices.table({"machines": [machine]})
    assert lines[0] == "CPU (one), processor time of one thread:"
    assert lines[2] == (
        f"| columns | batch | shapes | best plan chosen | within {planner_choices.GOAL:g} | geometric mean | worst |"
    )
    assert lines[4] == "| 512 | 1 | 1 | 0 | 0 | 2.00 | 2.00 |"
    assert lines[-1] == f"| 1024 | 8 | 512 | 1 | `{plan}` | 3 | `basis` | 1.5 | 2.00 |"


def test_a_chosen_plan_that_was_not_timed_is_named_so() -> None:
    row: dict[str, Any] = {"seq_len": 1024, "ratio": 8, "columns": 512, "batch": 1, "plans_ms": {"none": 1.5}}
    timed = {**row, "plans_ms": {planner_choices.chosen(row): 1.0}}
    machine = {"machine": {"cpu": "CPU", "cpu_id": "one"}, "threads": 1, "rows": [row, timed]}
    lines = planner_choices.table({"machines": [machine]})
    assert lines[4] == "| 512 | 1 | 2 | 1 | 1 | not timed | not timed |"
    plan = planner_choices.chosen(row)
    assert lines[-1] == f"| 1024 | 8 | 512 | 1 | `{plan}` | not timed | `none` | 1.5 | not timed |"


@pytest.mark.parametrize("shape", [(1024, 512, 1), (4093, 64, 8)])
def test_every_contender_can_be_built_and_timed(shape: planner_choices.Shape) -> None:
    row = planner_choices.measure(shape, 8, 0.0, 1)
    assert planner_choices.chosen(row) in row["plans_ms"]
    assert all(taken > 0 for taken in row["plans_ms"].values())
    assert len(row["plans_ms"]) >= 3


def test_a_machine_is_measured_into_the_result_file(tmp_path: Path) -> None:
    path = tmp_path / "choices.json"
    another = {"cpu": "another", "cpu_id": "one"}
    path.write_text(json.dumps({"machines": [{"machine": another, "threads": 1, "rows": []}]}))
    planner_choices.main(["--longest", "256", "--ratio", "8", "--seconds", "0", "--json", str(path)])
    other, own = json.loads(path.read_text(encoding="utf-8"))["machines"]
    assert other["machine"] == another
    assert [(row["seq_len"], row["columns"], row["batch"]) for row in own["rows"]] == list(planner_choices.shapes(256))


def test_a_part_of_the_grid_replaces_its_own_rows_and_keeps_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "choices.json"

    def measure(milliseconds: float, *arguments: str) -> dict[tuple[int, ...], float]:
        """Measure a part, of which every call takes as long. Returns the times that the file then holds."""

        def row(shape: planner_choices.Shape, ratio: float, seconds: float, threads: int) -> dict[str, Any]:
            about = dict(zip(("seq_len", "columns", "batch"), shape, strict=True))
            return {**about, "ratio": ratio, "plans_ms": {"basis": milliseconds}}

        monkeypatch.setattr(planner_choices, "measure", row)
        planner_choices.main([*arguments, "--json", str(path)])
        [machine] = json.loads(path.read_text(encoding="utf-8"))["machines"]
        times = {(*(row[name] for name in ("seq_len", "columns", "batch", "ratio")),): row["plans_ms"]["basis"]
                 for row in machine["rows"]}  # fmt: skip
        assert len(times) == len(machine["rows"])
        return times

    grid = [(*shape, ratio) for shape in planner_choices.shapes(512) for ratio in (4, 8)]
    assert measure(1.0, "--longest", "512", "--ratio", "4", "8") == dict.fromkeys(grid, 1.0)
    assert measure(2.0, "--longest", "256", "--ratio", "8") == {
        (*shape, ratio): 2.0 if shape[0] == 256 and ratio == 8 else 1.0 for *shape, ratio in grid
    }
