"""The planner ships what its rates' result file says, and that file has more than one CPU."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from benchmarks import planner_rates
from dctbench.transforms import default_cost_model
from dctbench.worker.metrics import ceilings

FOUND = json.loads(planner_rates.RESULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("dtype", planner_rates.DTYPES)
def test_the_shipped_rates_are_the_geometric_means_over_the_cpus_that_have_them_to_two_digits(dtype: str) -> None:
    shipped = asdict(default_cost_model("cpu", getattr(torch, dtype)))
    assert shipped.pop("alignment") == 1
    assert shipped.keys() == set(planner_rates.RATES)
    for name, rate in shipped.items():
        rows = [row["rates"][dtype][name] for row in FOUND["rows"] if name in row["rates"][dtype]]
        mean = math.exp(math.fsum(map(math.log, rows)) / len(rows))
        assert rate == pytest.approx(mean, rel=0.05)  # two digits
        assert rate == planner_rates.shipped(FOUND, dtype)[name]


def test_the_rates_come_from_more_than_one_cpu_model() -> None:
    assert len({row["cpu_id"] for row in FOUND["rows"]}) >= 2
    assert all(row["source"] for row in FOUND["rows"])


def test_the_cpus_were_measured_as_the_document_says() -> None:
    """docs/block-dct.md: one CPU by this program with one thread, and one by hand with two threads."""
    sources = {(row["source"].split(",")[0], row["threads"]) for row in FOUND["rows"]}
    assert sources == {("by this program", 1), ("by hand", 2)}
    assert len(FOUND["rows"]) == 2


def test_a_rate_that_a_row_lacks_is_left_out_of_the_mean_and_shown_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner_rates, "DTYPES", ("float64",))
    whole = dict.fromkeys(planner_rates.RATES, 4e9)
    row = {"cpu": "CPU", "cpu_id": "one", "cores": 2, "threads": 1, "source": "here", "others": 0.5}
    rows = [
        {**row, "rates": {"float64": whole}},
        {**row, "threads": 2, "others": None, "rates": {"float64": {"gemm": 1e9}}},
    ]
    shipped = planner_rates.shipped({"rows": rows}, "float64")
    assert shipped == {**whole, "gemm": 2e9}
    _, _, _, second, _, *rest = planner_rates.table({"rows": rows})
    assert second == "| float64 | CPU (one), threads 2 | - | 1 | - | - | - |"
    assert rest[-2:] == [
        "CPU (one), threads 1: here; other processes used 0.50 of 2 cores meanwhile.",
        "CPU (one), threads 2: here; what other processes used meanwhile was not recorded.",
    ]


def test_another_cpu_another_model_and_another_number_of_threads_keep_their_rows() -> None:
    row = {"cpu": "CPU", "cpu_id": None, "threads": 1, "source": "earlier"}
    others = [{**row, "cpu": "other"}, {**row, "cpu_id": "other"}, {**row, "threads": 2}]
    new = {**row, "source": "new"}
    assert planner_rates.with_row({"rows": [row, *others]}, new)["rows"] == [*others, new]


def test_a_machine_replaces_its_own_row_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "LEAST_SAMPLE", 1e-5)
    monkeypatch.setattr(ceilings, "RATE_SECONDS", 1e-4)
    monkeypatch.setattr(planner_rates, "DTYPES", ("float32",))
    path = tmp_path / "rates.json"
    path.write_text(json.dumps({"rows": [{**FOUND["rows"][0], "cpu_id": "another"}]}))
    for _ in range(2):
        planner_rates.main(["--rounds", "1", "--json", str(path)])
    other, own = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert other["cpu_id"] == "another"
    assert own["rates"]["float32"].keys() == set(planner_rates.RATES)
    assert all(math.isfinite(rate) and rate > 0 for rate in own["rates"]["float32"].values())
    assert own["threads"] == torch.get_num_threads()
