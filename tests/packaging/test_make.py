"""`make demo`: what the README's first command runs, in an environment that is installed already."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT


def test_make_demo_sweeps_and_writes_the_report(tmp_path: Path, environ: dict[str, str]) -> None:
    for name in ("Makefile", "constraints.txt", "lock.txt"):
        shutil.copy(ROOT / name, tmp_path)
    defaults = '[tool.dctbench.run]\nimpl = "none"\nseq = "64"\nheads = 2\nhead_dim = 8\nrounds = 1\n'
    (tmp_path / "pyproject.toml").write_text(defaults)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.prefix) / "bin")
    for name in ("constraints.txt", "lock.txt", "pyproject.toml"):
        os.utime(tmp_path / name, (1, 1))  # older than the mark of an installation
    (tmp_path / ".venv" / ".installed").touch()
    done = subprocess.run(["make", "demo"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 measured" in done.stdout
    assert (tmp_path / "dctbench-report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
