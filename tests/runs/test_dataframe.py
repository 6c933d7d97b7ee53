"""`dctbench.load_results`: every result as a row of a typed table."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import dctbench
from dctbench import analysis
from dctbench.errors import DctbenchError
from dctbench.exporters.json_document import document, dumps
from dctbench.exporters.registry import FORMATS
from dctbench.model import Measurement
from dctbench.runs import table
from dctbench.runs.lookup import resolve
from dctbench.store import open_store
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.trained import trained

RESULTS = [
    result("sdpa", 512, [2e-3, 3e-3, 4e-3], values={"memory.tensor": ("B", 1e6)}),
    result("sdpa", 512, [3e-3], round=2),
    result("dct-x", 512, [1e-3] * 300, ratio=2.5),
    result("full", 512, None, status="oom", message="needs 1 TiB"),
]


@pytest.fixture
def store(tmp_path: Path) -> str:
    path = str(tmp_path / "s.sqlite")
    with open_store(path, create=True) as opened:
        for number, label in enumerate((None, "second")):
            run = replace(
                RUN, id=f"{number}" * 16, label=label, started_at=f"2026-01-0{number + 1}T00:00:00.000000+00:00"
            )
            opened.add_run(run, list(dict.fromkeys(r.case for r in RESULTS)), rounds=2)
            opened.add_environment(run.id, ENVIRONMENT)
            for one in RESULTS:
                opened.add_result(run.id, one)
    return path


def test_every_case_and_metric_of_every_run_is_a_row(store: str) -> None:
    frame = dctbench.load_results(store)
    assert list(frame.columns) == list(table.COLUMNS)
    assert len(frame) == 2 * 4
    assert list(frame["run_id"].unique()) == ["0" * 16, "1" * 16]
    one = frame[(frame.run_id == "1" * 16) & (frame.implementation == "sdpa") & (frame.metric == "latency")].iloc[0]
    summary = analysis.summarise(RESULTS)[0]
    assert summary.latency is not None
    assert (one.value, one.low, one.high) == (summary.latency.value, summary.latency.low, summary.latency.high)
    assert (one.unit, one["count"], one.rounds, one.label, one.host) == ("s", 4, 2, "second", "bench-1")
    tail = frame[frame.p99.notna()]
    assert list(tail.ratio) == [2.5, 2.5]
    failed = frame[frame.status == "oom"].iloc[0]
    assert pd.isna(failed.metric)
    assert pd.isna(failed.value)
    assert failed.message == "needs 1 TiB"


def test_the_count_of_a_metric_is_of_what_its_value_is_made_of(tmp_path: Path) -> None:
    """Seeds of trainings of which one failed, the inputs of an evaluation, and one figure of the memory."""
    more = result("sdpa", 512, [2e-3], values={"memory.tensor": ("B", 1e6)}, round=1)
    shares = Measurement("evaluate.recall", "1", (1.0, 0.0, 1.0, 1.0))
    more = replace(more, case=replace(more.case, scope="model", model="minilm"),
                   measurements=(*more.measurements, shares))  # fmt: skip
    results = [more, *trained("dct-x", [0.7, None, 0.9], ratio=4)]
    path = tmp_path / "run.json"
    path.write_text(dumps(document(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, results)), encoding="utf-8")
    frame = dctbench.load_results(path)
    found = {row.metric: (row.value, row.count_) for row in frame.rename(columns={"count": "count_"}).itertuples()}
    assert found["accuracy"] == (pytest.approx(0.8), 2)
    assert found["train.seconds"] == (7.0, 2)
    assert found["evaluate.recall"] == (0.75, 4)
    assert found["memory.tensor"] == (1e6, 1)


def test_the_types_are_those_of_the_documentation(store: str) -> None:
    frame = dctbench.load_results(store)
    kinds = {
        "text": "string",
        "word": "category",
        "instant": "datetime64[us, UTC]",
        "integer": "Int64",
        "number": "float64",
    }
    assert {name: str(frame[name].dtype) for name in frame} == {n: kinds[k] for n, k in table.COLUMNS.items()}
    documentation = str(dctbench.load_results.__doc__)
    assert [name for name in table.COLUMNS if name not in documentation] == []


def test_a_file_gives_what_its_run_gives(store: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(str(FORMATS["json"].write(resolve(store))), encoding="utf-8")
    whole = dctbench.load_results(store)
    expected = whole[whole.run_id == "1" * 16].reset_index(drop=True)
    pd.testing.assert_frame_equal(dctbench.load_results(path), expected, check_categorical=False)


def test_an_empty_store_gives_an_empty_table_and_wrong_paths_their_error(tmp_path: Path) -> None:
    open_store(str(tmp_path / "empty.sqlite"), create=True)
    frame = dctbench.load_results(tmp_path / "empty.sqlite")
    assert (len(frame), list(frame.columns)) == (0, list(table.COLUMNS))
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    for name in ("absent.sqlite", "bad.json", "."):
        with pytest.raises(DctbenchError):
            dctbench.load_results(tmp_path / name)


def test_importing_dctbench_alone_imports_nothing_heavy() -> None:
    code = (
        "import sys, dctbench; assert 'load_results' in dir(dctbench); "
        "print({'pandas', 'numpy', 'sqlalchemy', 'torch', 'msgspec'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dctbench.nothing  # noqa: B018
