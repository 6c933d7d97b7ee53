"""The floor of a DCT layer: its FLOPs and its bytes at the rates that are given."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest

from benchmarks import dct_speed
from dctbench.attention.dct_x import DctXAttention


def test_the_floor_is_all_flops_where_memory_is_free_and_all_bytes_where_products_are() -> None:
    layer = DctXAttention(seq_len=512, dim=64, heads=2, ratio=8)
    assert dct_speed.floor_seconds(layer, 3, gemm=1.0, copy=math.inf) == layer.flops(3)
    n, m, d = 512, 64, 64
    numbers = 2 * (n + m) * d + (4 + 4 + 2) * m * d + 4 * d**2  # two transforms; projections, attention, output
    assert dct_speed.floor_seconds(layer, 1, gemm=math.inf, copy=1.0) == 4 * numbers
    both = dct_speed.floor_seconds(layer, 1, gemm=1.0, copy=1.0)
    assert max(layer.flops(1), 4 * numbers) <= both <= layer.flops(1) + 4 * numbers


def test_each_row_states_its_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--seq", "256", "--ratio", "4", "--dim", "32", "--heads", "2", "--threads", "1"]
    dct_speed.main([*sizes, "--seconds", "0", "--tries", "1", "--json", str(tmp_path / "rows.json")])
    found = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    [machine] = found["machines"]
    [row] = machine["rows"]
    assert row["over_floor"] == pytest.approx(row["ours_ms"] / row["floor_ms"])
    assert row["difference"] <= dct_speed.AGREEMENT
    assert "time over floor, geometric mean" in capsys.readouterr().out
    assert f"| 256 | 4 | `{row['plan']}` | {row['ours_ms']:.2f} ms |" in dct_speed.table(found)[2]


def test_a_machine_replaces_what_it_measured_before_and_nothing_else() -> None:
    def measured(threads: int, cpu: str) -> dict[str, object]:
        return {"machine": {"cpu": cpu}, "threads": threads, "batch": 1, "rows": []}

    found: dict[str, object] = {"machines": [measured(1, "a"), measured(2, "a"), measured(1, "b")]}
    again = {**measured(1, "a"), "rows": ["new"]}
    assert dct_speed.with_machine(found, again)["machines"] == [measured(2, "a"), measured(1, "b"), again]


def test_every_cpu_is_at_least_as_much_faster_than_the_authors_order_as_the_specification_asks() -> None:
    machines = json.loads(dct_speed.RESULTS.read_text(encoding="utf-8"))["machines"]
    for machine in machines:
        for method in dct_speed.AUTHORS:
            rows = [row for row in machine["rows"] if row["method"] == method]
            assert len(rows) == 16
            assert statistics.geometric_mean(row["speed_up"] for row in rows) >= 3.2
            assert max(row["difference"] for row in rows) <= dct_speed.AGREEMENT
