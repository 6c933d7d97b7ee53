"""Every export format, read by what its readers use where that is here."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.cli import cli
from dctbench.errors import UnavailableError
from dctbench.exporters.csv import escape_formula
from dctbench.exporters.json_document import dumps
from dctbench.exporters.latex import escape
from dctbench.exporters.registry import FORMATS
from dctbench.model import Environment, Run
from dctbench.runs import table as longtable
from dctbench.runs.lookup import RecordedRun
from dctbench.text.format import format_seconds
from dctbench.wording.paper_table import BOLD
from tests.support.made import ENVIRONMENT, FACTS, RUN, result
from tests.support.trained import trained

RESULTS = [
    result("sdpa", 512, 2e-3, values={"memory.tensor": ("B", 2.0**20)}),
    result("sdpa", 1024, [4e-3 + i * 1e-6 for i in range(300)]),
    result("dct-x", 512, 1e-3, ratio=8),
    result("dct-x", 1024, 5e-3, ratio=8),
    result("full", 512, None, status="oom", message="=1+1"),
]


def recorded(run: Run = RUN, environment: Environment = ENVIRONMENT, results: object = RESULTS) -> RecordedRun:
    return RecordedRun(run, {environment.fingerprint: environment}, results, [])  # type: ignore[arg-type]


def text(name: str, run: RecordedRun | None = None) -> str:
    written = FORMATS[name].write(run or recorded())
    assert isinstance(written, str)
    return written


def test_every_format_is_in_the_help_and_writes_something_even_of_an_empty_run() -> None:
    told = cli.get_command(None, "export").help  # type: ignore[arg-type, union-attr]
    assert [name for name in FORMATS if name not in told] == []  # type: ignore[operator]
    for form in FORMATS.values():
        assert form.write(recorded(results=[]))
        assert form.write(recorded()) == form.write(recorded())


def test_numbers_stand_on_one_line_and_everything_else_on_its_own() -> None:
    value = {"a": [1, 2.5, None], "b": ["x", "µ"], "c": [], "d": {}, "e": [{"f": [1e-9]}]}
    assert dumps(value) == (
        '{\n  "a": [1, 2.5, null],\n  "b": [\n    "x",\n    "µ"\n  ],\n  "c": [],\n  "d": {},\n'
        '  "e": [\n    {\n      "f": [1e-09]\n    }\n  ]\n}\n'
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_what_is_dumped_is_json_of_the_same_value(value: object) -> None:
    assert json.loads(dumps(value)) == value


def test_csv_and_parquet_hold_the_same_table() -> None:
    import pyarrow.parquet

    written = FORMATS["parquet"].write(recorded())
    assert isinstance(written, bytes)
    table = pyarrow.parquet.read_table(io.BytesIO(written))
    assert table.column_names == list(longtable.COLUMNS)
    assert str(table.schema.field("seq_len").type) == "int64"
    assert str(table.schema.field("started_at").type) == "timestamp[us, tz=UTC]"
    rows = list(csv.DictReader(io.StringIO(text("csv"))))
    assert len(rows) == table.num_rows == 6
    for row, other in zip(rows, table.to_pylist(), strict=True):
        assert (row["implementation"], int(row["seq_len"])) == (other["implementation"], other["seq_len"])
        assert (float(row["value"]) if row["value"] else None) == other["value"]
        assert (float(row["p99"]) if row["p99"] else None) == other["p99"]
    assert rows[-1]["message"] == "'=1+1"
    assert "\r" not in text("csv")  # lines end as those of every other text that is printed
    assert table.to_pylist()[-1]["message"] == "=1+1"


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers(first: str) -> None:
    assert escape_formula(f"{first}1+1") == f"'{first}1+1"
    assert escape_formula(f"1{first}1") == f"1{first}1"
    assert escape_formula(-1.5) == -1.5


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UnavailableError) as refused:
        FORMATS["parquet"].write(recorded())
    assert "dctbench[parquet]" in str(refused.value.hint)
    assert refused.value.exit_code == 6


def test_the_papers_table_has_methods_as_rows_and_lengths_as_columns() -> None:
    second = [replace(one, round=2) for one in RESULTS]
    second[3] = result("dct-x", 1024, 3.5e-3, ratio=8, round=2)  # slower once and faster once: not told apart
    several = recorded(results=[*RESULTS, *second])
    lines = text("markdown", several).splitlines()
    assert lines[2:9] == [
        "| method | n = 512 | n = 1024 |",
        "|---|--:|--:|",
        "| sdpa | 2.00 ms | **4.15 ms** |",
        "| full | OOM | - |",
        f"| dct-x r=8 | **1.00 ms** | **{format_seconds(math.sqrt(5e-3 * 3.5e-3))}** |",
        "",
        BOLD,
    ]
    assert BOLD in text("latex", several)
    latex = text("latex", several).splitlines()
    assert r"method & $n = 512$ & $n = 1024$ \\" in latex
    assert r"sdpa & 2.00 ms & \textbf{4.15 ms} \\" in latex
    assert r"full & OOM & - \\" in latex


def test_after_one_round_the_papers_table_marks_nothing_as_the_fastest() -> None:
    assert BOLD not in text("markdown") + text("latex")
    assert "**" not in text("markdown")
    assert r"\textbf" not in text("latex")


def test_trainings_have_no_latency_for_the_papers_table_and_a_run_without_a_latency_has_no_such_table() -> None:
    both = recorded(results=[*RESULTS, *trained("dct-x", [0.8, 0.9], ratio=4)])
    alone = recorded(results=trained("dct-x", [0.8, 0.9], ratio=4))
    for name in ("markdown", "latex"):
        assert text(name, both) == text(name)
        assert "Latency by sequence length" not in text(name, alone)
        assert FORMATS[name].mark.search(text(name, alone).encode())  # so that it may be replaced
    assert text("markdown", alone).startswith("### dctbench run: 01234567\n\nTest CPU, ")


def test_each_shape_has_a_table_of_its_own() -> None:
    two = recorded(results=[result("sdpa", 512, 1e-3), result("sdpa", 512, 2e-3, mode="train")])
    assert text("latex", two).count(r"\begin{table}") == 2
    assert "(train, Test CPU" in text("latex", two)
    assert "\ntrain\n" in text("markdown", two)


def test_nothing_from_a_label_or_machine_is_read_as_latex() -> None:
    environment = Environment({**FACTS, "cpu": r"\input{x} 100% $a_1^2$ #&~ µ" + "\n%"}, "f" * 16)
    latex = text("latex", recorded(environment=environment))
    assert r"\textbackslash{}input\{x\} 100\% \$a\_1\textasciicircum{}2\$ \#\&\textasciitilde{} \textmu{} \%" in latex


@given(st.text(max_size=40))
def test_escaped_latex_has_no_bare_special_character(given_text: str) -> None:
    left = re.sub(r"\\[a-z]+\{\}|\\[{}$&#%_]|\{[\[\]]\}", "", escape(given_text))
    assert not re.search(r'[\\{}$&#%_^~<>|"\[\]\n]', left)


def test_bencher_has_measures_with_bounds_under_names_that_stay() -> None:
    found = json.loads(text("bencher"))
    name = "dct-x r=8 n=512 layer forward float32 cpu eager b1 h8x64"
    assert found[name] == {"latency": {"value": 1e6, "lower_value": 1e6, "upper_value": 1e6}}
    assert found[name.replace("dct-x r=8", "sdpa")]["memory-tensor"] == {"value": 2.0**20}
    assert len(found) == 4
    for measures in found.values():
        for figure in measures.values():
            assert figure.get("lower_value", 0) <= figure["value"] <= figure.get("upper_value", float("inf"))


def test_github_action_benchmark_gets_what_should_shrink_and_apart_what_should_grow() -> None:
    smaller = json.loads(text("github-action-benchmark"))
    assert all(set(entry) <= {"name", "unit", "value", "range", "extra"} for entry in smaller)
    assert {entry["unit"] for entry in smaller} == {"s", "B"}
    assert smaller[0] == {
        "name": "sdpa n=512 layer forward float32 cpu eager b1 h8x64 / latency", "unit": "s", "value": 2e-3,
        "range": "0.002 to 0.002", "extra": "20 samples of 1 process",
    }  # fmt: skip
    assert len({entry["name"] for entry in smaller}) == len(smaller) == 5
    second = FORMATS["github-action-benchmark"].second
    assert second is not None
    bigger = json.loads(str(second(recorded())))
    assert [(entry["unit"], entry["value"]) for entry in bigger] == [("x", 2.0), ("x", pytest.approx(0.83, abs=0.01))]
    assert second(recorded(results=RESULTS[2:4])) is None


def test_github_action_benchmark_is_told_that_accuracy_should_grow() -> None:
    learned = trained("dct-x", (0.5, 0.6), ratio=8)
    smaller = json.loads(text("github-action-benchmark", recorded(results=learned)))
    second = FORMATS["github-action-benchmark"].second
    assert second is not None
    bigger = json.loads(str(second(recorded(results=learned))))
    assert not [entry for entry in smaller if "accuracy" in entry["name"]]
    assert [(entry["value"], entry["unit"]) for entry in bigger if entry["name"].endswith("/ accuracy")] == [
        (pytest.approx(0.55), "1")
    ]


def test_pytest_benchmark_has_every_figure_that_its_compare_reads() -> None:
    found = json.loads(text("pytest-benchmark"))
    assert set(found) == {"machine_info", "commit_info", "datetime", "version", "benchmarks"}
    assert len(found["benchmarks"]) == 4
    for one in found["benchmarks"]:
        stats = one["stats"]
        assert stats["min"] <= stats["ld15iqr"] <= stats["median"] <= stats["hd15iqr"] <= stats["max"]
        assert stats["min"] <= stats["q1"] <= stats["q3"] <= stats["max"]
        assert stats["rounds"] == len(stats["data"])
        assert {"mean", "stddev", "iqr", "outliers", "ops", "total", "iterations"} <= set(stats)
        assert {"group", "name", "fullname", "params", "param", "extra_info", "options"} <= set(one)


def test_one_sample_is_exported_without_an_interval() -> None:
    run = recorded(results=[result("sdpa", 512, [3.61]), result("sdpa", 1024, [3.6, 3.7])])
    latencies = {one["case"]["seq_len"]: one["metrics"]["latency"] for one in json.loads(text("json", run))["results"]}
    assert (latencies[512]["value"], latencies[512]["low"], latencies[512]["high"]) == (3.61, None, None)
    assert (latencies[1024]["low"], latencies[1024]["high"]) == (3.6, 3.7)
    rows = {row["seq_len"]: row for row in csv.DictReader(io.StringIO(text("csv", run))) if row["metric"] == "latency"}
    assert [rows[n]["low"] for n in ("512", "1024")] == ["", "3.6"]
    smaller = [one for one in json.loads(text("github-action-benchmark", run)) if one["name"].endswith("latency")]
    assert ["range" in one for one in smaller] == [False, True]
