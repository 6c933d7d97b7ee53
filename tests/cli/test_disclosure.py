"""What others get to read: secrets are planted wherever they can come from, and looked for in every output."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dctbench.exporters.registry import FORMATS
from dctbench.model import Environment
from dctbench.page.assets import plotly
from dctbench.runs.lookup import from_file
from dctbench.store import open_store
from dctbench.store.importing import import_run
from tests.fuzz.command import command
from tests.support import SUPPORT
from tests.support.command import Cli, cli_in, plain_environment
from tests.support.made import FACTS, RUN, result

HOME = "planted-home-7f3"
TOKEN = "planted-token-9c1"
SUITE = f"""
name = "planted"
[axes]
impl = ["telling:TellsSecrets", "telling:PrintsSecretsAndVanishes", "none"]
seq = [64]
ratio = [2]
heads = [2]
head_dim = [8]
[settings]
rounds = 2
[settings.env]
PLANTED_TOKEN = "{TOKEN}"
OMP_NUM_THREADS = "1"
"""
MARKUP = ("<img", "@octocat", "![x](", "#12")


@dataclass(frozen=True)
class Planted:
    """A run whose layers tell what they find, and what was printed of it, by name of the output."""

    folder: Path
    home: str
    cli: Cli
    printed: dict[str, str]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """The run, measured once. Nothing else changes its store."""
    folder = tmp_path_factory.mktemp("planted")
    home = folder / HOME
    home.mkdir()
    (home / "planted.toml").write_text(SUITE, encoding="utf-8")
    summary = folder / "summary.md"
    variables = {"HOME": str(home), "PYTHONPATH": str(SUPPORT)}
    cli = cli_in(folder, plain_environment() | variables)
    suite = ("--suite", str(home / "planted.toml"))
    done = cli("run", *suite, "--progress", "plain", GITHUB_STEP_SUMMARY=str(summary))
    assert done.code == 4, done.err
    printed = {"terminal": done.out, "progress": done.err, "step summary": summary.read_text(encoding="utf-8")}
    printed["cases"] = cli("list", "cases").out
    printed["run as json"] = cli("run", "--resume", "latest", "--format", "json").out
    return Planted(folder, str(home), cli, printed | dict(outputs(cli, folder)))


def outputs(cli: Cli, folder: Path, *flags: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of the page and of every export format."""
    for name in FORMATS:
        file = folder / f"out.{name}"
        done = cli("export", name, "-o", str(file), *flags)
        assert done.code == 0, done.err
        yield name, _parquet(file) if name == "parquet" else file.read_text(encoding="utf-8")
    done = cli("report", "-o", "page.html", *flags)
    assert done.code == 0, done.err
    yield "page", (folder / "page.html").read_text(encoding="utf-8").replace(plotly(), "")


def _parquet(file: Path) -> str:
    import pyarrow.parquet

    return str(pyarrow.parquet.read_table(file).to_pylist())


def secrets() -> tuple[str, ...]:
    return HOME, TOKEN, socket.gethostname()


def found_in(text: str, words: tuple[str, ...]) -> list[str]:
    return [word for word in words if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]


def test_no_output_holds_a_home_folder_a_host_name_or_the_value_of_a_variable(planted: Planted) -> None:
    texts = planted.printed
    assert {name: found for name, text in texts.items() if (found := found_in(text, secrets()))} == {}
    document = json.loads(texts["json"])
    assert document["run"]["argv"][:3] == ["run", "--suite", "~/planted.toml"]
    assert document["run"]["settings"]["env"] == {"OMP_NUM_THREADS": "1", "PLANTED_TOKEN": "(not shown)"}
    messages = [one["message"] for one in document["results"] if one["status"] == "error"]
    assert any("~/notes/w.pt" in message for message in messages)
    assert any("~/notes/w.pt" in one["details"].get("output", "") for one in document["results"])
    assert "~/planted.toml" in texts["page"]


def test_an_anonymous_output_holds_no_path_and_no_command_either(planted: Planted) -> None:
    texts = dict(outputs(planted.cli, planted.folder, "--anonymous", "--host-label", "my-own-label"))
    words = (*secrets(), "notes", "planted.toml", "my-own-label", str(planted.folder))
    assert {name: found for name, text in texts.items() if (found := found_in(text, words))} == {}
    document = json.loads(texts["json"])
    assert document["run"]["argv"] == []
    assert document["run"]["settings"]["anonymous"] is True
    assert "anonymous True" in texts["page"]


def test_what_a_layer_wrote_is_never_markup(planted: Planted) -> None:
    texts = planted.printed
    page = re.sub(r"<script.*?</script>", "", texts["page"], flags=re.DOTALL)
    assert "<img" not in texts["page"]
    assert "&lt;img" in page
    assert "octocat" in texts["step summary"]
    assert [word for word in MARKUP if re.search(rf"(?<!\\){re.escape(word)}", texts["step summary"])] == []
    errors = [child for test in ET.fromstring(texts["junit"]).iter("testcase") for child in test.findall("error")]
    assert [list(error) for error in errors] == [[], []]
    assert any("<img src=x" in (error.get("message") or "") for error in errors)


def test_a_document_is_imported_into_its_own_store_and_into_another_with_the_same_results(
    planted: Planted, cli: Cli, tmp_path: Path
) -> None:
    document = planted.folder / "out.json"
    document.write_text(planted.printed["json"], encoding="utf-8")
    done = planted.cli("import", "out.json")
    assert done.out.endswith("none of them new\n"), done.err
    done = cli("import", str(document))
    assert (done.code, "anonymous" in done.err) == (0, False)
    assert cli("export", "json").out == planted.printed["json"]


def test_an_anonymous_document_is_imported_and_is_still_anonymous(planted: Planted, cli: Cli, tmp_path: Path) -> None:
    named, anonymous = tmp_path / "named.json", tmp_path / "anonymous.json"
    named.write_text(planted.printed["json"], encoding="utf-8")
    anonymous.write_text(planted.cli("export", "json", "--anonymous").out, encoding="utf-8")
    done = planted.cli("import", str(anonymous))
    assert done.out.endswith("none of them new\n"), done.err
    done = cli("import", str(anonymous))
    assert done.code == 0
    assert "  it is anonymous: host, user, paths and command were left out\n" in done.err
    assert cli("export", "json").json()["run"]["settings"]["anonymous"] is True
    results = [from_file(str(path)).results for path in (named, anonymous)]
    assert [one.measurements for one in results[0]] == [one.measurements for one in results[1]]


def test_an_export_that_comes_back_into_its_store_reveals_no_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = Environment({**FACTS, "host": socket.gethostname()}, "f" * 16)
    with open_store("own.sqlite", create=True) as store:
        import_run(store, RUN, [here], [replace(result(), host=here.host)])
    before = command("export", "json", "--store", "own.sqlite").out
    assert command("export", "json", "--store", "own.sqlite", "--host-label", "lab 3", "-o", "labelled.json").code == 0
    assert command("import", "labelled.json", "--store", "other.sqlite").code == 0
    assert command("import", "labelled.json", "--store", "own.sqlite").code == 0
    assert command("export", "json", "--store", "own.sqlite").out == before
    assert command("store", "merge", "own.sqlite", "--into", "other.sqlite").code == 0
    assert command("store", "merge", "other.sqlite", "--into", "own.sqlite").code == 0
    for name in ("own", "other"):
        assert command("report", "--store", f"{name}.sqlite", "-o", f"{name}.html").code == 0
        assert command("export", "json", "--store", f"{name}.sqlite", "-o", f"{name}.json").code == 0
        page, document = (Path(f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "json"))
        assert found_in(page.replace(plotly(), "") + document, (here.host,)) == []
    assert Path("own.json").read_text(encoding="utf-8") == before


def test_the_label_of_this_machine_stands_in_place_of_its_name(cli: Cli, tmp_path: Path) -> None:
    assert cli("run", "--impl", "none", "--seq", "64", "--heads", "2", "--head-dim", "8", "--rounds", "1").code == 0

    def hosts(*flags: str, **variables: str) -> set[str]:
        document = cli("export", "json", *flags, **variables).json()
        [environment] = document["environments"].values()
        return {environment["host"], *(one["host"] for one in document["results"])}

    [(fingerprint, facts)] = cli("export", "json").json()["environments"].items()
    assert hosts() == {f"{facts['cpu']}, {fingerprint[:6]}"}
    assert hosts("--host-label", "lab 3") == {"lab 3"}
    assert hosts(DCTBENCH_HOST_LABEL="lab 4") == {"lab 4"}
    (tmp_path / "pyproject.toml").write_text('[tool.dctbench]\nhost_label = "lab 5"\n', encoding="utf-8")
    assert hosts() == {"lab 5"}
    done = cli("report", "--host-label", "x" * 201)
    assert (done.code, done.err) == (2, "dctbench: --host-label has 201 characters\n  use at most 200\n")
