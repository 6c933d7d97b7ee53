"""Every command in an interpreter of its own, as users start it. Most other tests fork theirs: `tests.support.warm`."""

from __future__ import annotations

from dctbench.cli import cli as root
from tests.cli.options.test_groups import leaves
from tests.support.command import Cli

CASES = ("--impl", "sdpa", "--seq", "64", "--heads", "2", "--head-dim", "8")
STEPS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (0, ("run", *CASES, "--rounds", "1", "--label", "first", "--save-baseline", "main")),
    (0, ("check", *CASES, "--base-impl", "sdpa", "--tolerance", "900%", "--pairs", "2", "--max-pairs", "2")),
    (2, ("noise", "--rounds", "4")),  # at least 5, which take minutes
    (0, ("choose", "first", "--seq", "64")),
    (0, ("compare", "first", "first")),
    (0, ("report", "first")),
    (0, ("export", "json", "first", "-o", "first.json")),
    (0, ("import", "first.json", "--store", "other.sqlite")),
    (0, ("list", "impls")),
    (0, ("list", "suites")),
    (0, ("list", "devices")),
    (0, ("list", "metrics")),
    (0, ("list", "runs")),
    (0, ("list", "cases", "first")),
    (0, ("store", "info")),
    (0, ("store", "check")),
    (0, ("store", "merge", "other.sqlite", "--into", "all.sqlite")),
    (0, ("store", "forget", "main")),
    (0, ("store", "prune", "--keep", "1", "--yes")),
    (5, ("store", "push", "postgresql://127.0.0.1:1/none", "--store", "all.sqlite")),
    (0, ("doctor",)),
)


def test_every_command_runs_in_a_new_interpreter(cli: Cli) -> None:
    for code, words in STEPS:
        done = cli(*words, new_interpreter=True)
        assert done.code == code, (words, done.err)
        assert "Traceback" not in done.err
    tried = [words for _, words in STEPS]
    assert [name for name, _ in leaves(root) if not any(words[: len(name)] == name for words in tried)] == []
