"""A metric of another package is measured under its own name and stored like ours; its failure harms nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from dctbench.catalog import Metric
from dctbench.errors import DctbenchError
from dctbench.model import Case
from dctbench.worker.metrics.added import measure
from tests.support.command import Cli
from tests.support.packages import install

THEIRS = """
import torch

class Largest:
    unit = "1"
    def measure(self, case, module, arguments):
        assert case.seq_len == arguments[0].shape[1]
        out = module(*arguments)
        for parameter in module.parameters():  # the case has been measured already, so this changes no result
            parameter.requires_grad or parameter.zero_()
        return out.abs().amax()

class Broken:
    unit = "1"
    def measure(self, case, module, arguments):
        raise RuntimeError("no such meter")
"""
POINTS = "largest = their_metrics:Largest\nbroken = their_metrics:Broken"


def test_it_is_listed_measured_stored_and_exported_beside_ours(cli: Cli, tmp_path: Path) -> None:
    install(tmp_path, "their-package", "their_metrics", THEIRS, metrics=POINTS)
    path = {"PYTHONPATH": str(tmp_path)}
    listed = cli("list", "metrics", "--format", "json", **path).json()
    assert {"name": "largest", "unit": None, "summary": "from their-package"} in listed
    shape = ("--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "2", "--impl", "sdpa")
    done = cli("run", *shape, "--format", "json", "--progress", "none", **path)
    assert done.code == 0, done.err
    [entry] = done.json()["results"]
    assert entry["metrics"]["largest"]["unit"] == "1"
    assert entry["metrics"]["largest"]["value"] > 0
    assert "broken" not in entry["metrics"]
    lacking = {"metric": "broken", "reason": "RuntimeError: no such meter"}
    expected = "broken: not measured (RuntimeError: no such meter)"
    assert {"code": "not_measured", "message": expected, "values": lacking} in entry["warnings"]
    assert {"latency", "flops", "error.smooth"} <= entry["metrics"].keys()
    (tmp_path / "exported.json").write_text(
        cli("export", "json").out
    )  # without the package only our metrics are stored
    [again] = cli("export", "json", "exported.json").json()["results"]
    assert again["metrics"]["largest"] == entry["metrics"]["largest"]


def test_a_name_of_two_metrics_stops_a_run_before_its_first_case(cli: Cli, tmp_path: Path) -> None:
    install(tmp_path, "their-package", "their_metrics", THEIRS, metrics="latency = their_metrics:Largest")
    done = cli("run", "--seq", "64", "--impl", "sdpa", PYTHONPATH=str(tmp_path))
    assert (done.code, done.out) == (2, "")
    assert "two metrics are called 'latency': dctbench's own and their_metrics:Largest of their-package" in done.err


class Stated:
    def __init__(self, unit: Any, value: Any) -> None:
        self.unit, self.value = unit, value

    def measure(self, case: Case, module: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [("", 1.0, "states no unit"), (None, 1.0, "states no unit"), ("s\n", 1.0, "states no unit"),
     ("s" * 21, 1.0, "states no unit"), ("s", float("nan"), "gave nan"), ("s", float("inf"), "gave inf"),
     ("s", -2e30, "gave -2e")],
)  # fmt: skip
def test_an_invalid_unit_or_value_is_refused(
    monkeypatch: pytest.MonkeyPatch, unit: Any, value: Any, expected: str
) -> None:
    monkeypatch.setattr(f"{__name__}.Theirs", lambda: Stated(unit, value), raising=False)
    with pytest.raises(DctbenchError, match=expected):
        measure(Metric("theirs", None, "", f"{__name__}:Theirs"), Case("sdpa", 64), torch.nn.Identity(), ())
