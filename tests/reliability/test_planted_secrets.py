"""Secrets in the command line and the environment reach nothing that is stored, shown or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench.exporters.registry import FORMATS
from dctbench.page.html import html
from dctbench.runs.lookup import recorded
from dctbench.store import open_store
from dctbench.store.outbox import OUTBOX
from tests.support.command import TINY, Cli

SECRET = "pl4nted"
URL = (
    f"postgresql://me:{SECRET} and {SECRET}@127.0.0.1:1/x?sslpassword={SECRET}&password={SECRET}%20{SECRET}"
    f"&options=-cmy.token%3D{SECRET}&connect_timeout=2"
)
VARIABLES = {"PGPASSWORD": SECRET, "PGSSLPASSWORD": SECRET}
NOWHERE = ("foo://me:pl4nted word@host/x", "postgresql://me:a@pl4nted@host/x", "host=db password='a pl4nted' user=me")


@pytest.mark.parametrize(
    ("words", "variables"),
    [(("--store", URL), {}), ((f"--store={URL}",), {}), ((), {"DCTBENCH_STORE": URL})],
    ids=["two words", "one word", "environment"],
)
def test_a_run_shows_stores_and_exports_no_secret(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], variables: dict[str, str]
) -> None:
    done = cli("run", "--impl", "none", *TINY, "--format", "json", *words, **variables, **VARIABLES)
    assert done.code == 0, done.err
    assert "results go to .dctbench/outbox.sqlite" in done.err
    assert SECRET not in done.out + done.err
    for file in (tmp_path / ".dctbench").iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
    with open_store(str(tmp_path / OUTBOX)) as opened:
        [state] = opened.runs()
        found = recorded(opened, state.run)
    assert ("connect_timeout=2" in state.run.argv[-1]) is bool(words)
    for name, chosen in FORMATS.items():
        content = chosen.write(found)
        assert SECRET.encode() not in (content.encode() if isinstance(content, str) else content), name
    assert SECRET not in html([found])


@pytest.mark.parametrize("command", ["doctor", "list runs", "report", "choose --seq 64", "store info", "store check"])
def test_no_command_shows_the_secrets_of_its_store(cli: Cli, tmp_path: Path, command: str) -> None:
    done = cli(*command.split(), "--store", URL, **VARIABLES)
    assert done.code == 5, done.err
    assert "postgresql" in done.out + done.err
    assert SECRET not in done.out + done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("location", NOWHERE)
@pytest.mark.parametrize("line", ["report {}", "compare {} {}", "list runs --store {}", "run --rounds {}", "list {}"])
def test_no_error_quotes_a_secret(cli: Cli, tmp_path: Path, line: str, location: str) -> None:
    done = cli(*(word.replace("{}", location) for word in line.split()))
    could_name_a_run = line.startswith(("report", "compare")) and "/" not in location  # and there is no store
    assert done.code == (5 if could_name_a_run else 2), done.err
    assert SECRET not in done.out + done.err
    assert list(tmp_path.iterdir()) == []
