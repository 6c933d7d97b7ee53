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
def test_the_shipped_rates_are_the_geometric_means_over_the_cpus_to_two_digits(dtype: str) -> None:
    shipped = asdict(default_cost_model("cpu", getattr(torch, dtype)))
    assert shipped.pop("alignment") == 1
    assert shipped.keys() == set(planner_rates.RATES)
    for name, rate in shipped.items():
        rows = [row["rates"][dtype][name] for row in FOUND["rows"]]
        mean = math.exp(math.fsum(map(math.log, rows)) / len(rows))
        assert rate == pytest.approx(mean, rel=0.05)  # two digits
        assert rate == planner_rates.shipped(FOUND, dtype)[name]


def test_the_rates_come_from_more_than_one_cpu_model() -> None:
    assert len({row["cpu_id"] for row in FOUND["rows"]}) >= 2
    assert all(row["source"] for row in FOUND["rows"])


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
