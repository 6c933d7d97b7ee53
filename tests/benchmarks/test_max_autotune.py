"""What max-autotune does for compiled layers on a CPU, and whether the engine `compile` follows from it."""

from __future__ import annotations

import json

import pytest

from benchmarks import max_autotune
from dctbench.model import Case
from dctbench.worker.workload import compiler_options

FOUND = json.loads(max_autotune.RESULTS.read_text(encoding="utf-8"))


def test_the_engine_has_the_mode_only_where_it_was_measured_to_help() -> None:
    tuned = "max_autotune" in compiler_options(Case("sdpa", 512, engine="compile"))
    assert tuned is (max_autotune.gain(FOUND) <= max_autotune.HELPS)


def test_the_modes_differ_by_max_autotune_alone() -> None:
    plain, tuned = max_autotune.options_of(False, 1), max_autotune.options_of(True, 1)
    assert plain["freezing"] is tuned["freezing"] is True
    assert tuned["max_autotune"] is True
    assert "max_autotune" not in plain
    assert not tuned.get("triton.cudagraphs")


def test_the_options_are_those_of_the_threads_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(max_autotune, "compiler_options", lambda case: {"threads": case.threads})
    assert max_autotune.options_of(False, 3)["threads"] == max_autotune.options_of(True, 3)["threads"] == 3


def test_no_measured_layer_was_faster_as_the_document_says() -> None:
    assert all(row["max_autotune_ms"] >= row["compile_ms"] for row in FOUND["rows"])


def test_the_table_has_every_row_and_the_mean_and_says_on_what_it_rests() -> None:
    rows = [
        {"method": "sdpa", "seq_len": 512, "eager_ms": 5.0, "compile_ms": 4.0, "max_autotune_ms": 2.0},
        {"method": "linear", "seq_len": 512, "eager_ms": 5.0, "compile_ms": 2.0, "max_autotune_ms": 4.0},
    ]
    lines = max_autotune.table({**FOUND, "rows": rows})
    assert lines[2] == "| `sdpa` | 512 | 5.00 ms | 4.00 ms | 2.00 ms | 0.50 |"
    assert lines[-2] == (
        "1 of 2 rows are faster with max-autotune; geometric mean of the ratio: 1.00. This rests on 2 methods, "
        "1 length, 1 CPU and 1 thread."
    )
    assert {(row["method"], row["seq_len"]) for row in FOUND["rows"]} == {
        (method, seq_len) for method in max_autotune.METHODS for seq_len in max_autotune.LENGTHS
    }
