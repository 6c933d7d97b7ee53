"""Groups of commands: their help, and the defaults that pyproject.toml sets for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dctbench.cli import cli as root
from dctbench.cli.options.click_ext import Command
from dctbench.cli.options.groups import LazyGroup
from tests.fuzz.command import command, folder

GROUPS = ((), ("store",), ("list",))


@pytest.fixture
def place() -> Iterator[Path]:
    with folder() as path:
        yield path


def leaves(group: LazyGroup, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, LazyGroup):
            yield from leaves(found, (*words, name))
        else:
            yield (*words, name), found


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_a_group_alone_prints_its_help(words: tuple[str, ...], place: Path) -> None:
    alone = command(*words)
    assert (alone.code, alone.err) == (0, "")
    assert alone.out == command(*words, "--help").out
    assert alone.out.startswith(f"Usage: {' '.join(('dctbench', *words))} [OPTIONS] COMMAND")


def test_every_command_has_its_own_help_with_two_examples_that_call_it(place: Path) -> None:
    found = dict(leaves(root))
    assert {("store", "prune"), ("list", "cases"), ("import",), ("run",)} <= set(found)
    for words, leaf in found.items():
        assert isinstance(leaf, Command)
        assert len(leaf.examples) == 2, words
        assert all(example.startswith(f"dctbench {' '.join(words)}") for example in leaf.examples), words
        shown = command(*words, "--help")
        assert shown.code == 0
        assert shown.out.startswith(f"Usage: dctbench {' '.join(words)} "), words


@pytest.mark.parametrize(
    ("words", "hint"),
    [(("stor",), "did you mean 'store'?"), (("store", "prun"), "did you mean 'prune'?"),
     (("list", "frobnicate"), "known commands: impls, tasks, suites, devices, metrics, runs, cases")],
)  # fmt: skip
def test_an_unknown_command_is_refused_with_the_nearest(words: tuple[str, ...], hint: str, place: Path) -> None:
    done = command(*words)
    assert done.code == 2
    assert done.err == f"dctbench: there is no command 'dctbench {' '.join(words)}'\n  {hint}\n"


def test_a_table_for_a_group_sets_the_flag_of_each_of_its_commands(place: Path) -> None:
    (place / "pyproject.toml").write_text(
        '[tool.dctbench.list]\nformat = "csv"\n[tool.dctbench.list.suites]\nformat = "json"\n'
        "[tool.dctbench.store]\nkeep = 3\n"
    )
    assert command("list", "metrics").out.startswith("name,unit,summary\n")
    assert command("list", "suites").out.startswith("[\n")
    assert command("list", "suites", "--format", "md").out.startswith("| name |")
    assert "there is no store" in command("store", "prune").err  # and not: needs --keep
    assert command("store", "info", "--help").code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [("[tool.dctbench.store]\nkep = 3\n", "'kep' in [tool.dctbench.store] is not a flag or command"),
     ("[tool.dctbench.store.info]\nkeep = 3\n", "'keep' in [tool.dctbench.store.info] is not a flag or command"),
     ('[tool.dctbench.store.prune]\nkeep = "x"\n', "store.prune.keep 'x' is not a valid integer")],
)  # fmt: skip
def test_a_wrong_table_for_a_group_is_refused(text: str, message: str, place: Path) -> None:
    (place / "pyproject.toml").write_text(text)
    done = command("list", "metrics")
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize("word", ["md", "markdown"])
def test_both_names_of_markdown_mean_it_as_a_format(word: str, place: Path) -> None:
    assert command("list", "metrics", "--format", word).out.startswith("| name |")
    assert "there is no store" in command("export", word).err


@pytest.mark.parametrize("words", [words for words, _ in leaves(root)], ids=" ".join)
def test_every_command_takes_the_flags_that_work_everywhere(words: tuple[str, ...]) -> None:
    [found] = [leaf for known, leaf in leaves(root) if known == words]
    flags = {flag for parameter in found.params for flag in parameter.opts}
    assert "--version" in flags
    assert {"--store", "--format"} <= flags
