"""The built wheel, outside the checkout: it contains suites and templates, and a tiny run works."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.checkout import copy


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, which uses the dependencies of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    copy(source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("dctbench-*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    pages = {
        path.relative_to(ROOT)
        for folder in ("sections", "scripts", "styles")
        for path in (ROOT / "reports" / folder).iterdir()
    }
    assert {f"dctbench/{path}" for path in pages} <= set(inside)
    assert {"dctbench/suites/quick.toml", "dctbench/reports/page.html.j2", "dctbench/py.typed"} <= set(inside)
    assert not [name for name in inside if name.startswith("tests") or "reports/gallery" in name]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--target", site, str(wheel)], check=True)
    # A line of a .pth file adds a folder. The .pth files in that folder, such as an editable install, are not read.
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def run(python: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-m", "dctbench", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_is_imported_and_not_the_checkout(python: Path, tmp_path: Path) -> None:
    code = "import dctbench, dctbench.suites, dctbench.reports; print(dctbench.suites.__file__)"
    where = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert str(python.parent.parent) in where


def test_help_and_lists_work(python: Path, tmp_path: Path) -> None:
    assert "run" in run(python, tmp_path, "--help")
    assert {"dct-x", "sdpa"} <= {
        entry["name"] for entry in json.loads(run(python, tmp_path, "list", "impls", "--format", "json"))
    }
    assert "quick" in run(python, tmp_path, "list", "suites")


def test_a_tiny_run_and_its_report_work(python: Path, tmp_path: Path) -> None:
    sweep = ("run", "--impl", "sdpa,dct-x", "--ratio", "2", "--seq", "64", "--heads", "2", "--head-dim", "8", "-q")
    document = json.loads(run(python, tmp_path, *sweep, "--format", "json"))
    assert [one["status"] for one in document["results"]] == ["ok", "ok"]
    assert run(python, tmp_path, "report").strip() == "dctbench-report.html"
    assert "plotly" in (tmp_path / "dctbench-report.html").read_text(encoding="utf-8")
