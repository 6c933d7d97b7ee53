"""The documents: figures come from committed result files, commands run, and every name in them exists."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
import yaml

from benchmarks import architecture, documents
from dctbench import catalog
from dctbench.cli import cli
from dctbench.model import STATUSES, VerdictKind
from dctbench.spec import suites
from dctbench.spec.grid import expand_cases
from dctbench.spec.suites import parse
from dctbench.wording.verdict_markdown import MARKER
from tests.support import ROOT
from tests.support.command import cli_in
from tests.support.documents import Block, blocks, fill

DOCUMENTS = documents.documents()
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
SHELL = blocks("sh")
ASSIGNMENT = re.compile(r"[A-Z_]+=")


def each(found: Sequence[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", found, ids=lambda block: block.id)


def ours(words: Sequence[str]) -> list[str] | None:
    """The arguments of a dctbench command, whatever stands before it; None for another command."""
    words = [word for word in words if not ASSIGNMENT.match(word)]
    return list(words[1:]) if words and words[0].rpartition("/")[2] == "dctbench" else None


@each([*SHELL, *blocks("python")])
def test_a_directive_is_one_that_is_known(block: Block) -> None:
    assert re.fullmatch(r"|parse|compile|with -.*", block.directive)


# Figures


@every_document
def test_figures_are_those_of_the_committed_result_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert documents.rewritten(text) == text, "run: python -m benchmarks.documents"
    assert len(documents.BLOCK.findall(text)) == text.count("\n<!-- begin: ") == text.count("\n<!-- end: ")


def test_some_documents_state_figures() -> None:
    stated = {found["file"] for path in DOCUMENTS for found in documents.BLOCK.finditer(path.read_text("utf-8"))}
    assert {"reports/gallery/quick.json", "benchmarks/gate_rates.jsonl", "benchmarks/pair_noise.json"} <= stated


NUMBERS = {"four": 4, "six": 6, "ten": 10}


def number_before(pattern: str, text: str) -> int | None:
    """The number that stands before a word, as a figure or as a word."""
    found = re.search(rf"(\w+) {pattern}", text)
    return None if found is None else NUMBERS.get(found[1]) or int(found[1])


def test_the_table_of_suites_states_what_they_hold() -> None:
    text = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", text, re.MULTILINE))
    assert table.keys() == set(suites.shipped())
    counted = {"methods": 0, "tasks": 0, "seeds": 0, "lengths": 0}
    for name, purpose in table.items():
        suite = suites.load(name)
        holds = {"methods": len(suite.axes["impl"]), "tasks": len(suite.axes["task"]), "seeds": suite.settings.rounds}
        for what, number in holds.items():
            if (said := number_before(what, purpose)) is not None:
                counted[what] += 1
                assert said == number, (name, what)
        if lengths := re.search(r"(\d+) to (\d{4,})", purpose):
            counted["lengths"] += 1
            assert [int(length) for length in lengths.groups()] == [suite.axes["seq"][0], suite.axes["seq"][-1]], name
    assert counted == {"methods": 3, "tasks": 2, "seeds": 2, "lengths": 2}
    assert number_before("short cases", table["ci"]) == len(
        expand_cases(suites.load("ci").axes, catalog.IMPLEMENTATIONS)
    )
    long, purpose = suites.load("accuracy-long").axes, table["accuracy-long"]
    [(first, last, methods)] = re.findall(r"ratios (\d+) to (\d+) \((\d+) with their ratios\)", purpose)
    assert [int(first), int(last)] == [long["ratio"][0], long["ratio"][-1]]
    compressing = [name for name in long["impl"] if catalog.implementation(name).uses_ratio]
    assert int(methods) == len(long["impl"]) + len(compressing) * (len(long["ratio"]) - 1)


# Commands


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    fill(folder)
    for block in blocks("python"):
        if named := re.match(r"# (\S+\.py)\n", block.text):
            (folder / named[1]).parent.mkdir(exist_ok=True)
            (folder / named[1]).write_text(block.text, encoding="utf-8")
    return folder


@each(SHELL)
def test_every_command_line_is_parsed(block: Block, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepared)
    for words in filter(None, map(ours, block.commands)):
        parse_command([*words, *block.more])


def parse_command(words: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="dctbench")
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.make_context(command.name, words)


MEASURING = {"run", "check", "noise", "doctor"}
"""These start processes, so they get one of their own. The others run in the process of the test to save time."""


@each([block for block in SHELL if block.directive != "parse"])
def test_every_command_runs(
    block: Block, prepared: Path, tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() - environ.keys():
        monkeypatch.delenv(name)
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for words in block.commands:
        if words[0] == "make":
            assert words[1] in targets
            continue
        arguments = ours(words)
        assert arguments is not None, f"mark the block with <!-- test: parse -->: {' '.join(words)}"
        if arguments[0] not in MEASURING:
            assert cli.main([*arguments, *block.more], standalone_mode=False) == 0, words
            continue
        variables = dict(word.split("=", 1) for word in words if ASSIGNMENT.match(word))
        done = cli_in(tmp_path, {**environ, **variables})(*arguments, *block.more)
        assert done.code == 0, f"{' '.join(words)}\n{done.out}{done.err}"


@pytest.mark.parametrize("name", list(cli.list_commands(click.Context(cli))))
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"dctbench {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@every_document
def test_every_program_that_is_named_exists(path: Path) -> None:
    for module in re.findall(r"python -m (benchmarks\.\w+)", path.read_text(encoding="utf-8")):
        assert importlib.util.find_spec(module), module


# Code and configuration


@each(blocks("python"))
def test_python_runs(block: Block, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = compile(block.text, block.id, "exec")
    if block.directive != "compile":
        shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        exec(code, {"__name__": "documented"})


@each(blocks("toml"))
def test_toml_is_a_suite_or_configuration(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tomllib.loads(block.text)
    if "axes" in table:
        suite = parse(block.text, "mine.toml")
        if suite.parts:
            assert [part["seq"] for part in suite.parts] == [[128], [512]]
            return
        assert suite.axes["seq"] == [512, 1024, 2048, 4096]
        assert suite.gate.tolerance == 0.1
    elif "tool" in table:
        monkeypatch.chdir(tmp_path)
        Path("pyproject.toml").write_text(block.text, encoding="utf-8")
        assert cli.main(["list", "suites"], standalone_mode=False) == 0  # reads the configuration of the folder
    else:
        [group] = table["project"]["entry-points"]
        assert group in {"dctbench.attention", "dctbench.metrics", "dctbench.tasks"}


def test_the_two_workflows_belong_together() -> None:
    first, second = (yaml.safe_load(block.text) for block in blocks("yaml") if block.document == "docs/in-ci.md")
    events = second[True]  # YAML reads `on` as a truth value
    assert events["workflow_run"]["workflows"] == [first["name"]]
    [gate] = [step for job in first["jobs"].values() for step in job["steps"] if "dctbench" in step.get("uses", "")]
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert set(gate["with"]) <= set(action["inputs"])
    [post] = [step["run"] for job in second["jobs"].values() for step in job["steps"] if "run" in step]
    assert f'MARKER = "{MARKER}"' in post
    assert "${{" not in post  # the name of a fork's branch stays data


# Names


@every_document
def test_links_and_pictures_exist(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


@every_document
def test_files_and_folders_that_are_named_exist(path: Path) -> None:
    """A name in capitals stands for one that the reader chooses."""
    named = re.findall(r"`((?:dctbench|tests|suites|reports|benchmarks|docs)/[\w./-]*)`", path.read_text("utf-8"))
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


def test_the_glossary_has_each_word_once_in_order_with_every_status_and_verdict() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\*\*([^*]+)\*\*", text, re.MULTILINE)
    assert terms == sorted(set(terms), key=str.lower)
    assert [word for word in (*STATUSES, *(kind.value for kind in VerdictKind)) if f"`{word}`" not in text] == []


def test_the_architecture_names_every_room_and_its_drawing_is_made_from_the_imports() -> None:
    rooms = architecture.read()
    assert architecture.DRAWING.read_text("utf-8") == architecture.drawing(rooms), "run: make docs"
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)/?` \|", text, re.MULTILINE)) == set(rooms.imports)


def test_changelog_fragments_have_a_name_that_towncrier_reads() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    kinds = "|".join(kind["directory"] for kind in settings["type"])
    names = [path.name for path in (ROOT / settings["directory"]).iterdir() if path.name != "README.md"]
    assert [name for name in names if not re.fullmatch(rf"[\w+-]+\.({kinds})(\.\d+)?\.md", name)] == []
