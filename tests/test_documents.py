"""Figures in documents are read from committed result files, never typed."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from pathlib import Path

import click
import pytest
import yaml

from benchmarks import gate_rates, pair_noise
from dctbench import analysis
from dctbench.cli import cli
from dctbench.cli.tables.output import table_lines
from dctbench.cli.terminal.layout import Layout
from dctbench.importers import read_file
from dctbench.model import Case
from dctbench.spec.suites import parse
from dctbench.wording.verdict_markdown import MARKER
from tests.support import ROOT

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
    wrapped = [part for line in lines for part in ([line] if len(line) <= wide else textwrap.wrap(line, wide))]
    return "```text\n" + "\n".join(wrapped) + "\n```\n"


def test_the_results_in_the_readme_are_those_of_the_committed_run() -> None:
    found = list(BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8")))
    assert found
    for block in found:
        assert block["body"] == rendered(ROOT / block["file"])


def test_links_and_pictures_in_the_readme_exist() -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


README = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    """The blocks of the README in that language, those inside of lists too."""
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", README, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(body) for _, body in blocks]


def test_every_flag_of_a_command_in_the_readme_exists() -> None:
    lines = re.findall(r"(?:^ {4}|: .*)dctbench (\w.*?)(?:  +.*)?$", README, re.MULTILINE)
    assert len(lines) > 15
    for line in lines:
        name, *words = shlex.split(line)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, line
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words[0])
            assert command is not None, line
        known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known, line


def test_the_suite_in_the_readme_is_one() -> None:
    [text] = fenced("toml")
    suite = parse(text, "mine.toml")
    assert suite.axes["seq"] == [512, 1024, 2048, 4096]
    assert suite.gate.tolerance == 0.1


def test_the_two_workflows_in_the_readme_belong_together() -> None:
    first, second = (yaml.safe_load(text) for text in fenced("yaml"))
    events = second[True]  # YAML reads `on` as a truth value
    assert events["workflow_run"]["workflows"] == [first["name"]]
    [gate] = [step for job in first["jobs"].values() for step in job["steps"] if "dctbench" in step.get("uses", "")]
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert set(gate["with"]) <= set(action["inputs"])
    [post] = [step["run"] for job in second["jobs"].values() for step in job["steps"] if "run" in step]
    assert f"marker='{MARKER}'" in post
    assert "${{" not in post  # what a fork names its branch stays data


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
