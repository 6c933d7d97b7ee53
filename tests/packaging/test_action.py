"""The GitHub action: its script runs a tiny check, as on a GitHub runner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ACTION = yaml.safe_load((Path(__file__).parents[2] / "action.yml").read_text(encoding="utf-8"))
[MEASURE, KEEP] = ACTION["runs"]["steps"]
TINY = ("--impl", "dct-x", "--seq", "64", "--heads", "2", "--head-dim", "8", "--ratio", "8", "--tolerance", "900%",
        "--pairs", "2", "--max-pairs", "2")  # fmt: skip


def run(folder: Path, environ: dict[str, str], *more: str, **inputs: str) -> tuple[int, str]:
    """Run the measuring step with these inputs and return its exit code and its output."""
    output, summary = folder / "output", folder / "step-summary.md"
    variables = {"HEAD_PYTHON": sys.executable, "BASE_PYTHON": "", "BASELINE": "", "STORE": "s.sqlite", **inputs}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", MEASURE["run"]],
        cwd=folder, check=False, capture_output=True, text=True,
        env={**environ, **variables, "MORE": "\n".join([*TINY, *more]), "GITHUB_OUTPUT": str(output),
             "GITHUB_STEP_SUMMARY": str(summary)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, output.read_text(encoding="utf-8")


def test_every_variable_of_the_script_comes_from_an_input() -> None:
    """No input is inserted into the text of the script, so that an input from a fork cannot become code."""
    inputs = {value.removeprefix("${{ inputs.").removesuffix(" }}") for value in MEASURE["env"].values()}
    assert inputs | {"artifact"} == set(ACTION["inputs"])
    assert "${{" not in MEASURE["run"]


def test_a_check_passes_and_writes_summary_verdicts_and_report(tmp_path: Path, environ: dict[str, str]) -> None:
    code, output = run(tmp_path, environ, BASE_PYTHON=sys.executable)
    assert (code, output) == (0, "exit-code=0\n")
    kept = tmp_path / KEEP["with"]["path"]
    assert {path.name for path in kept.iterdir()} == {"summary.md", "verdicts.json", "verdicts.xml", "report.html"}
    assert (tmp_path / "step-summary.md").read_text(encoding="utf-8") == (kept / "summary.md").read_text("utf-8")
    assert "Did it get worse?" in (kept / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("more", "code"), [(("--max-memory", "1B"), 1), (("--max-memory", "lots"), 2)])
def test_the_step_has_the_exit_code_of_the_check(tmp_path: Path, environ: dict[str, str], more: Any, code: int) -> None:
    assert run(tmp_path, environ, *more, BASE_PYTHON=sys.executable) == (code, f"exit-code={code}\n")
    begun = {"summary.md", "verdicts.json", "verdicts.xml", "report.html"} if code == 1 else set()
    assert set(os.listdir(tmp_path / KEEP["with"]["path"])) == begun
    assert run(tmp_path, environ, "--max-memory", "lots")[0] == 2  # the next step of the job cannot start
    assert os.listdir(tmp_path / KEEP["with"]["path"]) == []
