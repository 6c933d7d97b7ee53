"""The other forms of each method compute what its layer computes, and the table counts those that are beaten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import rivals
from benchmarks.dct_speed import with_machine
from benchmarks.rival_forms import FORMS, Form
from dctbench import catalog

METHODS = [(method, form) for method, forms in FORMS.items() for form in forms]


@pytest.mark.parametrize(("method", "form"), METHODS, ids=[f"{method}-{form.__name__}" for method, form in METHODS])
def test_a_form_equals_the_layer(method: str, form: Form) -> None:
    layer = rivals.layer_of(method, 512, 64, 4)
    x = torch.randn(2, 512, 64)
    with torch.inference_mode():
        assert rivals.difference(layer, form, x) <= rivals.AGREEMENT


def test_every_method_that_somebody_would_ship_has_a_rival() -> None:
    shipped = {
        name
        for name, entry in catalog.IMPLEMENTATIONS.items()
        if entry.kind is not catalog.Kind.CONTROL and not name.startswith("sdpa-") and "bidirectional" not in name
    }
    # The one is slower than sdpa by construction; DCT-Former's authors measured the other, in place of `linformer`.
    assert set(FORMS) == shipped - {"dct-ideal", "linformer-per-head"}


def test_the_table_names_the_fastest_form_and_counts_the_rows_within_the_goal(tmp_path: Path) -> None:
    options = ["--method", "window", "--seq", "256", "--dim", "16", "--heads", "2", "--seconds", "0"]
    rivals.main([*options, "--json", str(tmp_path / "rivals.json")])
    found = json.loads((tmp_path / "rivals.json").read_text(encoding="utf-8"))
    [machine] = found["machines"]
    [row] = machine["rows"]
    assert set(row["forms_ms"]) == {"window_band", "window_chunks", "window_short_blocks"}
    row |= {"ours_ms": 1.2, "forms_ms": {"window_band": 3.0, "window_chunks": 1.0}}
    _, _, line, _, summary = rivals.table(found)
    assert line.startswith("| `window` | 256 | - | 1.20 ms | Chunks of the window's width attend")
    assert line.endswith(" | 1.00 ms | 1.20 |")
    assert summary.startswith("0 of 1 rows are within 1.15")


def test_another_width_leaves_the_committed_rows_and_one_method_replaces_only_its_own() -> None:
    found = json.loads(rivals.RESULTS.read_text(encoding="utf-8"))
    committed = found["machines"][0]
    new = {**committed["rows"][0], "ours_ms": 0.001}
    machines = with_machine(found, {**committed, "dim": 256, "rows": [new]})["machines"]
    assert machines[:-1] == found["machines"]
    again = with_machine(found, {**committed, "rows": [new]})["machines"]
    assert again == [*found["machines"][1:], {**committed, "rows": [new, *committed["rows"][1:]]}]


def test_on_every_cpu_each_layer_is_within_the_goal_of_its_fastest_other_form() -> None:
    """README says that rivals are given their due; this is the evidence."""
    machines = json.loads(rivals.RESULTS.read_text(encoding="utf-8"))["machines"]
    for machine in machines:
        assert {row["method"] for row in machine["rows"]} == set(FORMS)
        for row in machine["rows"]:
            assert row["ours_ms"] <= rivals.GOAL * rivals.fastest(row)[1], (row["method"], row["seq_len"])
