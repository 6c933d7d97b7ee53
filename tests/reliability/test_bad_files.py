"""Damaged, foreign and invented result files, for every command that takes one: exit 2, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import Cli

DOCUMENT = Path(__file__).parents[1] / "importers" / "files" / "document-1.json"
COMMANDS = (
    ("import",), ("report",), ("report", "-o", "page.html"), ("export", "csv"), ("choose", "--seq", "512"),
)  # fmt: skip
BAD: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut.json": lambda whole: whole[: len(whole) // 2],
    "newer.json": lambda whole: whole.replace(b'"schema_version": 1', b'"schema_version": 2'),
    "changed.json": lambda whole: whole.replace(b'"seq_len": 512', b'"seq_len": 511'),
    "nan.json": lambda whole: whole.replace(b"0.002001", b"NaN"),
    "other.json": lambda _: json.dumps({"benchmarks": [{"name": "sort", "stats": {}}]}).encode(),
    "deep.json": lambda _: b'{"schema_version": ' + b"[" * 100_000,
    "noise": lambda _: bytes(range(256)),
    "gzip.json.gz": lambda _: b"\x1f\x8b\x08\x00" + bytes(60),
}


def refused(cli: Cli, folder: Path, *arguments: str) -> str:
    """Run a command that must refuse its file and change nothing; return its message."""
    before = contents(folder)
    done = cli(*arguments)
    assert done.code == 2, done.err + done.out
    assert done.out == ""
    problem, hint = done.err.splitlines()
    assert problem.startswith("dctbench: ")
    assert hint.startswith("  ")
    assert contents(folder) == before
    return problem.removeprefix("dctbench: ")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_and_nothing_is_stored(cli: Cli, tmp_path: Path, name: str) -> None:
    whole = DOCUMENT.read_bytes()
    bad = BAD[name](whole)
    assert bad != whole
    (tmp_path / name).write_bytes(bad)
    assert refused(cli, tmp_path, "import", name).startswith(f"{name}: ")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_that_takes_a_run_refuses_a_bad_file(cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "baseline.json").write_bytes(DOCUMENT.read_bytes()[:-100])
    assert refused(cli, tmp_path, *command, "baseline.json").startswith("baseline.json: not JSON")


@pytest.mark.parametrize("name", ["absent.json", ".", "no/such/folder.json"])
def test_a_path_that_is_not_a_file_is_refused(cli: Cli, tmp_path: Path, name: str) -> None:
    assert refused(cli, tmp_path, "import", name).startswith(f"cannot read {name}: ")


def test_a_refused_file_leaves_the_store_unchanged(cli: Cli, tmp_path: Path) -> None:
    assert cli("import", str(DOCUMENT)).code == 0
    changed = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    changed["run"]["label"] = "another run under the same id"
    (tmp_path / "other.json").write_text(json.dumps(changed))
    assert "holds another run with the id" in refused(cli, tmp_path, "import", "other.json")
