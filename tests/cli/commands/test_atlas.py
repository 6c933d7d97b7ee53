"""`dctbench atlas`: a page and a table with a row for each machine, from files and from a store."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dctbench.store import open_store
from tests.support import ROOT
from tests.support.command import Cli

GALLERY = ROOT / "reports" / "gallery" / "machines"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files: one of the gallery, and the same as if another machine had measured half as fast, but sdpa."""
    path = GALLERY / "amd-epyc-family-26-2-cores.json"
    text = path.read_text(encoding="utf-8")
    document = json.loads(text)
    [fingerprint] = document["environments"]
    made = tmp_path / "gallery"
    made.mkdir()
    (made / "one.json").write_text(text, encoding="utf-8")
    other = json.loads(text.replace(fingerprint, "0123456789abcdef"))
    other["run"]["id"] = "0" * 16
    other["environments"]["0123456789abcdef"]["cpu"] = "Slow <b>CPU</b>"
    for entry in other["results"]:
        if entry["case"]["implementation"] != "sdpa" and "latency" in entry["metrics"]:
            latency = entry["metrics"]["latency"]
            latency["samples"] = [50 * sample for sample in latency["samples"]]
    (made / "two.json").write_text(json.dumps(other), encoding="utf-8")
    (made / "notes.json").write_text('{"no": "result"}', encoding="utf-8")
    return made


def test_a_folder_becomes_a_page_without_scripts_and_a_table(cli: Cli, folder: Path, tmp_path: Path) -> None:
    done = cli("atlas", "gallery", "--format", "json")
    assert done.code == 0, done.err
    machines = {row["machine"] for row in done.json()}
    assert len(machines) == 2
    told = {row["machine"][:4]: row["faster than sdpa"] for row in done.json() if row["method"] == "dct-x r=16"}
    assert told["Slow"].startswith(("slower at 512", "never"))
    assert told["AMD "] == "always, from 512"
    page = (tmp_path / "dctbench-atlas.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "Slow &lt;b&gt;CPU&lt;/b&gt;" in page
    assert page.count("<svg") == 2
    assert "On 2 of 2 machines some method is faster" in page or "On 1 of 2 machines some method is faster" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    again = cli("atlas", "gallery", "-o", "again.html")
    assert again.code == 0
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_a_store_that_machines_share_gives_the_same_rows_and_of_one_machine_the_latest_run(
    cli: Cli, folder: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        assert cli("import", f"gallery/{name}.json", "--store", "shared.sqlite").code == 0
    older = json.loads((folder / "one.json").read_text(encoding="utf-8"))
    older["run"] |= {"id": "1" * 16, "started_at": "2020-01-01T00:00:00+00:00"}
    older["results"] = [one for one in older["results"] if one["case"]["implementation"] in ("sdpa", "none")]
    (tmp_path / "older.json").write_text(json.dumps(older), encoding="utf-8")
    assert cli("import", "older.json", "--store", "shared.sqlite").code == 0
    rows = [cli("atlas", source, "--format", "json").json() for source in ("gallery", "shared.sqlite")]
    assert sorted(map(str, rows[0])) == sorted(map(str, rows[1]))
    with open_store(str(tmp_path / "shared.sqlite")) as store:
        assert len(store.runs()) == 3


def test_files_that_may_not_be_published_are_named(cli: Cli, folder: Path) -> None:
    assert cli("atlas", "gallery", "--check").code == 0
    refused = cli("atlas", "gallery", "--check", "-o", "page.html")
    assert (refused.code, "--check takes no -o" in refused.err) == (2, True), refused.err
    document = json.loads((folder / "two.json").read_text(encoding="utf-8"))
    document["run"]["label"] = "/home/ada"
    (folder / "two.json").write_text(json.dumps(document), encoding="utf-8")
    done = cli("atlas", "gallery", "--check")
    assert (done.code, "gallery/two.json: '/home/' may name somebody" in done.err) == (2, True), done.err


def test_a_file_that_was_cut_off_is_named_and_an_empty_folder_is_no_gallery(
    cli: Cli, folder: Path, tmp_path: Path
) -> None:
    (folder / "cut.json").write_text((folder / "one.json").read_text(encoding="utf-8")[:1000], encoding="utf-8")
    for words in (("atlas", "gallery", "--check"), ("atlas", "gallery")):
        done = cli(*words)
        assert (done.code, "cut.json" in done.err) == (2, True), done.err
    (tmp_path / "empty").mkdir()
    done = cli("atlas", "empty", "--check")
    assert (done.code, "empty: no exported file" in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    ("source", "code", "sentence"),
    [("nowhere", 2, "nowhere: no such file or folder"), ("none.sqlite", 5, "there is no store at none.sqlite"),
     ("empty", 2, "empty: no method was measured together with sdpa")],
)  # fmt: skip
def test_a_source_without_anything_to_compare_is_refused(
    cli: Cli, tmp_path: Path, source: str, code: int, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("atlas", source)
    assert (done.code, sentence in done.err) == (code, True), done.err
    assert not (tmp_path / "dctbench-atlas.html").exists()
