"""A bundle, made by the real command and run by a Python that has numpy and onnxruntime and nothing else of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest

from dctbench.app.bundle import PROGRAMS
from dctbench.catalog.engines import ENGINES
from dctbench.machine import processor
from tests.support import ROOT
from tests.support.command import Cli, cli_in, plain_environment

pytestmark = pytest.mark.skipif(ENGINES["onnxruntime"].missing() is not None, reason="no onnxruntime")
AXES = ("--impl", "sdpa,reformer", "--seq", "32", "--heads", "2", "--head-dim", "8", "--period", "20ms", "--deadline",
        "10ms", "--engine", "onnxruntime", "--samples", "35", "--rounds", "1", "--label", "kiosk")  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A folder with a bundle, the command in it, and a Python without torch and dctbench."""

    folder: Path
    cli: Cli
    packages: Path

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        plain = os.path.realpath(sys.executable)  # not that of the virtual environment
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.packages), "PYTHONNOUSERSITE": "1"}
        return subprocess.run(
            [plain, *words], cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )

    def results(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "made" / "results.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    folder, packages = tmp_path_factory.mktemp("target"), tmp_path_factory.mktemp("packages")
    for found in Path(numpy.__file__).parents[1].iterdir():
        if found.name.partition("-")[0].partition(".")[0] in ("numpy", "onnxruntime", "packaging", "flatbuffers"):
            (packages / found.name).symlink_to(found)
    run = cli_in(folder, plain_environment())
    done = run("bundle", *AXES, "-o", "made")
    assert done.code == 0, done.err
    assert "reformer at n = 32 is left out: torch cannot export it to ONNX: prims.copy_to" in done.err
    assert "made holds 1 case" in done.out
    return Target(folder, run, packages)


def test_results_of_a_target_without_torch_are_imported_and_later_rounds_join_them(target: Target) -> None:
    for absent in ("torch", "dctbench"):
        assert "ModuleNotFoundError" in target.python("-c", f"import {absent}").stderr
    done = target.python("made/run.py")
    assert done.returncode == 0, done.stderr
    [environment] = target.results()["environments"].values()
    assert environment["source"] == "bundle"
    assert environment["torch"] is None
    assert (environment["cpu"], environment["cpu_id"]) == (processor.cpu_model(), processor.cpu_id())
    imported = target.cli("import", "made/results.json")
    assert imported.code == 0, imported.err
    assert "2 results" in imported.out  # sdpa, and reformer, which is unsupported

    assert target.python("made/run.py", "--rounds", "2").returncode == 0
    imported = target.cli("import", "made/results.json")
    assert "4 results, 2 of them new" in imported.out
    document = target.cli("export", "json").json()
    entries = {entry["case"]["implementation"]: entry for entry in document["results"]}
    assert [one["round"] for one in entries["sdpa"]["rounds"]] == [1, 2, 3]
    assert entries["sdpa"]["metrics"]["error.engine"]["value"] <= 1e-4
    assert entries["sdpa"]["metrics"]["memory.resident"]["value"] > 1 << 20
    assert len(entries["sdpa"]["rounds"][1]["metrics"]["response"]) >= 30
    assert entries["sdpa"]["details"]["schedule"]["rate"] > 0
    assert entries["reformer"]["status"] == "unsupported"
    assert document["run"]["label"] == "kiosk"
    page = target.cli("report", "-o", "page.html")
    assert page.code == 0, page.err
    assert "every 20.0 ms, due in 10.0 ms" in (target.folder / "page.html").read_text(encoding="utf-8")


def test_a_model_that_computes_something_else_is_an_error(target: Target) -> None:
    [entry] = json.loads((target.folder / "made" / "bundle.json").read_text(encoding="utf-8"))["cases"]
    expected = target.folder / "made" / entry["expected"]
    held = expected.read_bytes()
    numpy.save(expected, 2 * numpy.load(expected), allow_pickle=False)
    try:
        done = target.python("made/run.py", "-o", "wrong.json")
    finally:
        expected.write_bytes(held)
    assert done.returncode == 4
    assert "differs from the one that torch computed by 0.5" in done.stdout


def test_an_output_that_is_not_a_number_is_an_error_in_any_precision(target: Target) -> None:
    described = target.folder / "made" / "bundle.json"
    before = described.read_text(encoding="utf-8")
    bundle = json.loads(before)
    [entry] = bundle["cases"]
    entry["precision"] = "int8"
    expected = target.folder / "made" / entry["expected"]
    held = expected.read_bytes()
    described.write_text(json.dumps(bundle), encoding="utf-8")
    numpy.save(expected, numpy.nan * numpy.load(expected), allow_pickle=False)
    try:
        done = target.python("made/run.py", "-o", "nan.json")
    finally:
        described.write_text(before, encoding="utf-8")
        expected.write_bytes(held)
    assert done.returncode == 4
    assert "differs from the one that torch computed by nan" in done.stdout
    assert target.cli("import", "nan.json", "--store", "nan.sqlite").code == 0


def test_rounds_with_and_without_priority_are_not_mixed(target: Target) -> None:
    """Nor are they added to a file that no JSON reader would read."""
    assert target.python("made/run.py", "-o", "usual.json", "--no-energy").returncode == 0
    path = target.folder / "usual.json"
    held = path.read_text(encoding="utf-8")
    done = target.python("made/run.py", "-o", "usual.json", "--priority")
    assert (done.returncode, done.stderr) == (
        2, "error: usual.json was measured without --priority; name another file with -o\n",
    )  # fmt: skip
    path.write_text(held.replace('"value": ', '"value": NaN, "was": ', 1), encoding="utf-8")
    done = target.python("made/run.py", "-o", "usual.json")
    assert (done.returncode, done.stderr) == (
        2, "error: usual.json cannot be extended: NaN is not a number; name another file with -o\n",
    )  # fmt: skip
    assert "NaN" in path.read_text(encoding="utf-8")


def test_results_of_another_bundle_are_not_extended(target: Target) -> None:
    other = '{"run": {"id": "0123", "started_at": "2026-01-01T00:00:00+00:00"}}'
    (target.folder / "other.json").write_text(other, encoding="utf-8")
    done = target.python("made/run.py", "-o", "other.json")
    assert done.returncode == 2
    assert "holds results of another bundle or machine" in done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((*AXES, "-o", "made"), "made exists already"),
        ((*AXES, "-o", "new", "--engine", "eager"), "--engine eager: a bundle is run by ONNX Runtime"),
        ((*AXES[2:], "-o", "new", "--impl", "reformer"), "nothing could be exported"),
    ],
)
def test_what_makes_no_bundle_is_said_and_leaves_nothing(target: Target, flags: tuple[str, ...], words: str) -> None:
    done = target.cli("bundle", *flags)
    assert done.code in (2, 3)
    assert words in done.err
    assert not (target.folder / "new").exists()
    assert not list(target.folder.glob(".dctbench-bundle-*"))


@pytest.mark.parametrize("flags", [("--mode", "train"), ("--mode", "backward"), ("--dtype", "bf16")])
def test_what_no_exported_model_computes_is_refused_and_not_exported_as_something_else(
    target: Target, flags: tuple[str, ...]
) -> None:
    shape = ("--impl", "sdpa", "--seq", "32", "--heads", "2", "--head-dim", "8", "--engine", "onnxruntime")
    done = target.cli("bundle", *shape, *flags, "-o", "other")
    assert done.code == 3, done.err
    assert "runs a forward pass in float32 on the CPU, nothing else" in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert not (target.folder / "other").exists()


def test_a_bundle_measures_no_error_on_inputs(cli: Cli, tmp_path: Path) -> None:
    done = cli("bundle", *AXES, "--input", "photo,ecg", "-o", "made")
    assert done.code == 2
    assert "--input: a bundle measures no error on inputs leave out --input" in " ".join(done.err.split())
    assert not (tmp_path / "made").exists()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program of a bundle without cases, and what lies beside it."""
    for name, room, source in PROGRAMS:
        shutil.copy(ROOT / "dctbench" / room / source, tmp_path / name)
    (tmp_path / "bundle.json").write_text('{"rounds": 1, "energy": true, "cases": []}', encoding="utf-8")
    return tmp_path / "run.py"


@pytest.mark.parametrize(("output", "why"), [("none/results.json", "there is no folder none"), (".", "it is a folder")])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_measured(
    program: Path, output: str, why: str
) -> None:
    done = subprocess.run(
        [sys.executable, program.name, "-o", output], cwd=program.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {output} cannot be written: {why}; name another file with -o\n"


def test_a_program_that_was_copied_alone_says_so(program: Path) -> None:
    (program.parent / "periodic.py").unlink()
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: No module named 'periodic'; copy the whole folder of the bundle to this machine\n")


def test_packages_that_a_target_lacks_are_named(program: Path) -> None:
    plain = os.path.realpath(sys.executable)  # not that of the virtual environment
    done = subprocess.run([plain, "-S", str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert done.stderr == "error: this Python has no numpy and no onnxruntime; pip install numpy onnxruntime\n"
