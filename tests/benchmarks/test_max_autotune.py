"""What max-autotune does for compiled layers on a CPU, and whether the engine `compile` follows from it."""

from __future__ import annotations

import json

from benchmarks import max_autotune
from dctbench.model import Case
from dctbench.worker.workload import compiler_options

FOUND = json.loads(max_autotune.RESULTS.read_text(encoding="utf-8"))


def test_the_engine_has_the_mode_only_where_it_was_measured_to_help() -> None:
    tuned = "max_autotune" in compiler_options(Case("sdpa", 512, engine="compile"))
    assert tuned is (max_autotune.gain(FOUND) <= max_autotune.HELPS)


def test_the_modes_differ_by_max_autotune_alone() -> None:
    plain, tuned = max_autotune.options_of(False), max_autotune.options_of(True)
    assert plain["freezing"] is tuned["freezing"] is True
    assert tuned["max_autotune"] is True
    assert "max_autotune" not in plain
    assert not tuned.get("triton.cudagraphs")


def test_the_table_has_every_row_and_the_mean() -> None:
    rows = [
        {"method": "sdpa", "seq_len": 512, "eager_ms": 5.0, "compile_ms": 4.0, "max_autotune_ms": 2.0, "compile_s": 3,
         "max_autotune_s": 30},
        {"method": "linear", "seq_len": 512, "eager_ms": 5.0, "compile_ms": 2.0, "max_autotune_ms": 4.0, "compile_s": 3,
         "max_autotune_s": 30},
    ]  # fmt: skip
    lines = max_autotune.table({**FOUND, "rows": rows})
    assert lines[2] == "| `sdpa` | 512 | 5.00 ms | 4.00 ms | 2.00 ms | 0.50 | 3 s | 30 s |"
    assert lines[-1].startswith("Geometric mean of the ratio: 1.00. ")
    assert {(row["method"], row["seq_len"]) for row in FOUND["rows"]} == {
        (method, seq_len) for method in max_autotune.METHODS for seq_len in max_autotune.LENGTHS
    }
