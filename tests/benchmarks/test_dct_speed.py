"""The floor of a DCT layer: its FLOPs and its bytes at the rates that are given."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

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
    assert {name: machine[name] for name in SETTINGS if name != "machine"} == {
        "dim": 32, "heads": 2, "batch": 1, "threads": 1, "transform": "auto"
    }  # fmt: skip
    assert row["over_floor"] == pytest.approx(row["ours_ms"] / row["floor_ms"])
    assert row["difference"] <= dct_speed.AGREEMENT
    assert "time over floor, geometric mean" in capsys.readouterr().out
    assert f"| 256 | 4 | `{row['plan']}` | {row['ours_ms']:.2f} ms |" in dct_speed.table(found)[2]


SETTINGS: dict[str, Any] = {
    "machine": {"cpu": "a"}, "dim": 512, "heads": 8, "batch": 1, "threads": 1, "transform": "auto"
}  # fmt: skip


def row_of(method: str, seq_len: int, ratio: float, plan: str = "basis", **others: float) -> dict[str, Any]:
    figures = {"ours_ms": 1.0, "over_floor": 2.0, "speed_up": 3.0, "others": 0.0}
    return {"method": method, "seq_len": seq_len, "ratio": ratio, "plan": plan, **figures, **others}


@pytest.mark.parametrize(
    "other",
    [{"machine": {"cpu": "b"}}, {"dim": 256}, {"heads": 4}, {"batch": 2}, {"threads": 2}, {"transform": "basis"}],
    ids=lambda other: next(iter(other)),
)
def test_a_machine_with_other_settings_keeps_its_rows(other: dict[str, Any]) -> None:
    earlier = {**SETTINGS, **other, "rows": [row_of("dct-x", 1024, 4)]}
    measured = {**SETTINGS, "rows": [row_of("dct-x", 1024, 4, ours_ms=9.0)]}
    assert dct_speed.with_machine({"machines": [earlier]}, measured)["machines"] == [earlier, measured]


def test_with_equal_settings_a_row_replaces_that_of_its_method_length_and_ratio_only() -> None:
    names = [("dct-x", 1024, 4), ("dct-qkv", 1024, 4), ("dct-x", 2048, 4), ("dct-x", 1024, 8)]
    kept = {"rows_keeping_freed_memory": [row_of(*names[1])]}
    earlier = {**SETTINGS, "rows": [row_of(*name) for name in names], **kept}
    new = [row_of(*names[0], "rfft", ours_ms=9.0), row_of("dct-x", 4096, 4)]
    found = dct_speed.with_machine({"machines": [earlier]}, {**SETTINGS, "rows": new})
    rows = [new[0], *(row_of(*name) for name in names[1:]), new[1]]
    assert found["machines"] == [{**SETTINGS, "rows": rows, **kept}]


def test_a_figure_stands_under_its_method_where_plans_differ_and_the_table_says_what_was_disturbed() -> None:
    rows = [row_of("dct-x", 1024, 4, "basis", others=0.12), row_of("dct-qkv", 1024, 4, "rfft", ours_ms=5.0, others=0.7)]
    machine = {**SETTINGS, "machine": {"cpu": "CPU", "cpu_id": "one", "torch": "2"}, "rows": rows}
    lines = dct_speed.table({"machines": [machine]})
    assert lines[2:4] == [
        "| 1024 | 4 | `basis` | 1.00 ms | 2.00 | 3.00x | - | - | - |",
        "| 1024 | 4 | `rfft` | - | - | - | 5.00 ms | 2.00 | 3.00x |",
    ]
    assert "d = 512, 8 heads, batch 1, transform auto, processor time of one thread" in lines[-2]
    assert lines[-1] == "Other processes used 12% to 70% of the machine meanwhile."


def test_with_both_allocators_each_line_names_its_method(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row_of(method, 256, 4) for method in dct_speed.AUTHORS]
    monkeypatch.setattr(dct_speed, "run", lambda options: rows)
    monkeypatch.setattr(dct_speed, "run_again_keeping_freed_memory", lambda arguments: rows)
    dct_speed.main(["--both-allocators"])
    lines = capsys.readouterr().out.splitlines()[-len(rows) :]
    assert [line.split()[0] for line in lines] == list(dct_speed.AUTHORS)


def test_every_cpu_is_at_least_as_much_faster_than_the_authors_order_as_the_specification_asks() -> None:
    machines = json.loads(dct_speed.RESULTS.read_text(encoding="utf-8"))["machines"]
    for machine in machines:
        for method in dct_speed.AUTHORS:
            rows = [row for row in machine["rows"] if row["method"] == method]
            assert len(rows) == 16
            assert statistics.geometric_mean(row["speed_up"] for row in rows) >= 3.2
            assert max(row["difference"] for row in rows) <= dct_speed.AGREEMENT
