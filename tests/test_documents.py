"""Figures in documents are read from committed result files, never typed."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest

from dctbench import analysis
from dctbench.cli.layout import Layout
from dctbench.cli.output import table_lines
from dctbench.imports import read_file
from dctbench.model import Case
from tests.benchmarks import gate_rates, pair_noise

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"<!-- begin: (?P<file>\S+) -->\n(?P<body>.*?)<!-- end: (?P=file) -->", re.DOTALL)


def rendered(path: Path) -> str:
    """What `dctbench run` prints at its end for the results of a file; of the gate's own figures, their tables."""
    if path == gate_rates.RESULTS:
        return "\n" + "\n".join(gate_rates.table(gate_rates.read(path))) + "\n\n"
    if path == pair_noise.RESULTS:
        return "\n" + "\n".join(pair_noise.table(json.loads(path.read_text(encoding="utf-8")))) + "\n\n"
    _, _, results = read_file(str(path))
    cases: list[Case] = list(dict.fromkeys(result.case for result in results))
    layout = Layout(cases, analysis.default_reference(cases), width=100)
    summaries = analysis.arranged(analysis.summarise(results), layout.reference)
    lines = [str(line).rstrip() for line in table_lines(summaries, layout, len(cases), rows_shown=True)]
    wide = 100
    folded = [part for line in lines for part in ([line] if len(line) <= wide else textwrap.wrap(line, wide))]
    return "```text\n" + "\n".join(folded) + "\n```\n"


def test_the_results_in_the_readme_are_those_of_the_committed_run() -> None:
    found = list(BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8")))
    assert found
    for block in found:
        assert block["body"] == rendered(ROOT / block["file"])


def test_links_and_pictures_in_the_readme_exist() -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


COMMANDS = ("run", "noise", "check", "choose", "compare", "report", "export", "store", "doctor", "list")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"dctbench {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


if __name__ == "__main__":  # rewrites the blocks after a new measurement
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(
        BLOCK.sub(
            lambda b: f"<!-- begin: {b['file']} -->\n{rendered(ROOT / b['file'])}<!-- end: {b['file']} -->", text
        ),
        encoding="utf-8",
    )
