"""What the command line imports: help and look-ups stay light, and nothing in this process ever imports torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import TINY

SPY = """
import json, sys
from dctbench.__main__ import main
sys.argv = ["dctbench", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    print("\\n@@" + json.dumps([end.code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
HEAVY = {"torch", "pandas", "plotly", "sqlalchemy", "numpy", "ray", "triton"}


def modules_of(*arguments: str, cwd: Path, env: dict[str, str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SPY, *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    code, names = json.loads(done.stdout.rsplit("@@", 1)[1])
    assert code == 0, done.stderr
    return set(names)


@pytest.mark.parametrize(
    "arguments",
    [(), ("--help",), ("--version",), ("run", "--help"), ("report", "--help"), ("compare", "--help"),
     ("export", "--help"), ("import", "--help"), ("doctor", "--help"), ("store",), ("store", "prune", "--help"),
     ("list",), ("list", "runs", "--help"), ("list", "impls"), ("list", "suites"), ("list", "devices"),
     ("list", "metrics"), ("list", "impls", "--format", "json")],
    ids=" ".join,
)  # fmt: skip
def test_help_and_look_ups_import_nothing_heavy(
    arguments: tuple[str, ...], tmp_path: Path, environ: dict[str, str]
) -> None:
    assert not modules_of(*arguments, cwd=tmp_path, env=environ) & HEAVY


def test_a_whole_sweep_and_its_report_never_import_torch_here(tmp_path: Path, environ: dict[str, str]) -> None:
    arguments = ("run", "--impl", "none", *TINY, "-q")
    assert "torch" not in modules_of(*arguments, cwd=tmp_path, env=environ)
    assert not modules_of("report", cwd=tmp_path, env=environ) & {"torch", "pandas", "ray"}
