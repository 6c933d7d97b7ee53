"""The first look at a GPU, whole, on a device that is the CPU."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import first_gpu
from dctbench.machine import nvml
from tests.support.command import Cli
from tests.support.cuda_in_workers import ROOT, variables
from tests.support.cuda_on_cpu import cuda_on_cpu
from tests.support.nvml import FakeNvml, Recorded

Row = dict[str, Any]
SUITE = """
name = "tiny"
[axes]
impl = ["sdpa", "dct-x"]
seq = 64
ratio = 4
batch = 1
heads = 2
head_dim = 8
dtype = "bfloat16"
device = "cuda:0"
engine = ["eager", "cudagraph"]
[settings]
rounds = 1
isolation = "zygote"
energy = false
"""
SMALL = ("--shapes", "2x256", "--calls", "2", "--size", "64")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The tests run beside each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_it_runs_whole_and_its_folder_is_imported_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    suite, out = tmp_path / "tiny.toml", tmp_path / "out"
    suite.write_text(SUITE)
    (tmp_path / "site").mkdir()
    for name, value in {**variables(tmp_path / "site"), "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    with cuda_on_cpu(monkeypatch, FakeNvml(running={}, violations={0: 5})) as gpu:
        gpu.queued_ms = 0.01
        assert first_gpu.main(["--out", str(out), "--suite", str(suite), *SMALL]) == 0

    found = json.loads((out / "first_gpu.json").read_text())
    assert set(found["steps"].values()) == {"ok"}, found["steps"]
    assert len(found["layers"]) == len(first_gpu.METHODS)
    own = [row for row in found["layers"] if row["method"] == "dct-x block:128:gemm"]
    assert [(row["batch"], row["seq_len"]) for row in own] == [(2, 256)]
    for row in own:
        assert {"span_cold", "span_warm", "queued_cold", "queued_warm", "graph_cold", "host", "kernels"} <= row.keys()
    cudnn = [row for row in found["layers"] if row["method"] == "sdpa-cudnn"]
    assert all(row["error"].startswith("UnavailableError") for row in cudnn)  # the CPU has no such kernel
    assert list(found["projections"]) == ["1", "8", "128"]  # rows
    for ways in found["projections"].values():
        assert all(ways[way][kind] > 0 for way in ("three", "one") for kind in ("queued", "span"))
    alone = {row["transform"]: row for row in found["transforms"]}
    assert tuple(alone) == first_gpu.TRANSFORMS
    for name, row in alone.items():
        if name.startswith("triton"):
            assert row["absent"].startswith("the transform triton needs ")
        else:
            assert max(row["error"]) < 0.01
            assert {"ready", "forward_cold", "forward_warm", "inverse_cold", "inverse_warm"} <= row.keys()
    assert all(prediction["because"] for prediction in found["predictions"])
    assert None not in [prediction["held"] for prediction in found["predictions"]][:2]
    assert held(found, "the fused transform is right") is None  # it could not run

    replayed = nvml.Gauge(Recorded(json.loads((out / "nvml.json").read_text())), None)
    assert replayed.facts().name == "Made-up GPU"
    assert replayed.violations() == {"power cap": 5 * 1e-9}

    results = json.loads((out / "results.json").read_text())["results"]
    assert len(results) == 4
    assert {entry["status"] for entry in results} == {"ok"}, [entry["message"] for entry in results]
    assert {entry["details"]["isolation"] for entry in results} == {"zygote"}
    assert all(entry["metrics"].get("energy") is None for entry in results)

    imported = cli("import", str(out / "results.json"), "--store", "elsewhere.sqlite")
    assert imported.code == 0, imported.err
    reported = cli("report", "--store", str(out / "results.sqlite"), "--output", "report.html")
    assert reported.code == 0, reported.err


def test_the_suite_gets_fresh_processes_where_a_forked_one_cannot_use_the_gpu() -> None:
    """Here no process can, forked or not."""
    assert first_gpu.isolation() == ["--isolation", "fresh"]


def held(found: Mapping[str, Any], prediction: str) -> bool | None:
    """Whether a prediction held for some figures."""
    [answer] = [one["held"] for one in first_gpu.predictions(found) if one["prediction"] == prediction]
    assert answer is None or isinstance(answer, bool)
    return answer


def transform_row(name: str, shape: tuple[int, int] = (1, 1024), seconds: float = 1.0, error: float = 0.0) -> Row:
    batch, seq_len = shape
    row = {"transform": name, "batch": batch, "seq_len": seq_len}
    return {**row, "error": [0.0, error], "forward_cold": seconds}


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({}, True),
        ({"error": [0.0, math.nan]}, False),
        ({"error": [math.nan, 0.0]}, False),
        ({"error": [0.0, 0.02]}, False),
        ({"failed": "RuntimeError: no kernel image"}, False),
        ({"absent": "no such kernel for this shape"}, True),
    ],
)
@pytest.mark.parametrize("name", ["triton", "triton:64", "triton:192"])
def test_the_fused_transform_is_right_only_if_every_form_of_it_is_at_every_shape(
    name: str, wrong: Mapping[str, Any], expected: bool
) -> None:
    rows = [transform_row(other, (batch, 1024)) for other in first_gpu.TRANSFORMS for batch in (1, 16)]
    assert held({"transforms": rows}, "the fused transform is right") is True
    at = [row["transform"] for row in rows].index(name)  # with batch 1; a later row has the same length
    rows[at] |= wrong
    assert held({"transforms": rows}, "the fused transform is right") is expected


def test_no_judgement_of_the_fused_transform_without_a_figure_of_it() -> None:
    rows = [transform_row("basis", error=math.nan), {**transform_row("triton"), "absent": "no GPU"}]
    assert held({"transforms": rows}, "the fused transform is right") is None


def test_transforms_are_compared_at_one_shape_batch_included() -> None:
    def rows(fused: Mapping[tuple[int, int], float]) -> dict[str, list[Row]]:
        others = [transform_row(f"block:128:{way}", shape, 2.0) for shape in fused for way in ("gemm", "slots")]
        return {"transforms": [*others, *(transform_row("triton", *one) for one in fused.items())]}

    smallest = "the fused transform is faster than two products at the smallest shape"
    assert held(rows({(1, 1024): 1.0, (16, 1024): 3.0}), smallest) is True
    assert held(rows({(16, 1024): 1.0, (1, 1024): 3.0}), smallest) is False
    assert held(rows({(16, 1024): 3.0, (1, 2048): 1.0}), smallest) is True  # in all, 1 x 2048 is less
    longest = "the transform in slots is faster than the fused one at the longest length"
    assert held(rows({(4, 32768): 3.0, (16, 8192): 1.0}), longest) is True


def test_steps_that_have_no_time_left_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_gpu, "measure_suite", lambda out, suite: 0)
    with cuda_on_cpu(monkeypatch, FakeNvml(running={})):
        assert first_gpu.main(["--out", str(tmp_path), "--seconds", "0", *SMALL]) == 0
    found = json.loads((tmp_path / "first_gpu.json").read_text())
    assert set(found["steps"].values()) == {"no time left"}
    assert {prediction["held"] for prediction in found["predictions"]} == {None}


def test_a_step_that_fails_midway_keeps_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"method": "sdpa-flash", "batch": 2, "seq_len": 256}, {"method": "dct-x basis", "batch": 2, "seq_len": 256}]

    def fails(*about: object) -> None:
        raise RuntimeError("the device is lost")

    def fails_midway(*about: object) -> Iterator[Row]:
        yield from rows
        fails()

    for name in ("facts", "ceilings", "padding", "flushing", "projections"):
        monkeypatch.setattr(first_gpu, name, fails)
    monkeypatch.setattr(first_gpu, "transforms", lambda *about: iter(()))
    monkeypatch.setattr(first_gpu, "layers", fails_midway)
    first_gpu.explore(tmp_path, Namespace(shapes="2x256", calls=2, size=64, seconds=60.0))
    stored = json.loads((tmp_path / "first_gpu.json").read_text())
    assert stored["layers"] == rows
    assert stored["transforms"] == []
    assert stored["steps"]["layers"] == "RuntimeError: the device is lost"


@pytest.mark.parametrize(("measure", "named"), [("transforms", "failed"), ("layers", "error")])
def test_an_error_that_stays_on_the_device_is_named_in_every_row(
    measure: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an illegal access, every later call of the process raises, that which empties the cache included."""

    def raises() -> None:
        raise RuntimeError("an illegal memory access")

    with cuda_on_cpu(monkeypatch, FakeNvml(running={})):
        monkeypatch.setattr(torch.cuda, "empty_cache", raises)
        rows = list(getattr(first_gpu, measure)([(2, 256)], 2, lambda: False))
    assert len(rows) == len(first_gpu.TRANSFORMS if measure == "transforms" else first_gpu.METHODS)
    assert {row[named] for row in rows} == {"RuntimeError: an illegal memory access"}


def test_without_a_gpu_it_says_so_in_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_gpu", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 6
    assert done.stderr.startswith("first_gpu: cuda:0: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_gpu, "NEEDED", ("torch", "no_such_package"))
    said = str(first_gpu.missing())
    assert said.startswith("this interpreter lacks no_such_package; ")
    assert "pip download --no-deps -d wheels no_such_package" in said


def test_measuring_needs_only_the_packages_that_it_names(tmp_path: Path) -> None:
    """A machine with a GPU need not have what reports need."""
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name in ('pandas', 'plotly', 'jinja2', 'scipy', 'pyarrow', 'sklearn', 'onnx'):\n"
        "            raise ImportError(f'{name} is not installed here')\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from dctbench.__main__ import main\n"
        "sys.argv = ['dctbench', 'run', '--impl', 'none', '--seq', '64', '--rounds', '1', '--progress', 'none',"
        " '--format', 'json']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["status"] == "ok"
