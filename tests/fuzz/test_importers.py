"""Untrusted files: `dctbench import` stores a complete run, or refuses the file and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings

from dctbench.exporters.json_document import document, dumps
from dctbench.exporters.registry import FORMATS
from dctbench.importers import read_file
from dctbench.page import assets
from dctbench.page.html import html
from dctbench.runs.lookup import RecordedRun
from dctbench.store import open_store
from dctbench.store.checking import find_damage
from tests.fuzz.command import assert_refused, command, folder, left_in
from tests.fuzz.documents import VALID, any_file
from tests.support.examples import at_length

GIVEN, STORE = "given.json", "results.sqlite"


@given(data=any_file())
@settings(max_examples=150)
@example(data=VALID[0])
@example(data=VALID[1])
@example(data=VALID[2])
def test_any_file_is_imported_completely_or_refused(data: bytes) -> None:
    check_any_file(data)


@pytest.mark.slow
@given(data=any_file())
@at_length(10_000)
def test_any_file_at_length(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assets, "plotly", lambda: "")  # most of a page, the same in each, and no input reaches it
        check_any_file(data, pages=True)


def check_any_file(data: bytes, *, pages: bool = False) -> None:
    with folder() as place:
        (place / GIVEN).write_bytes(data)
        done = command("import", GIVEN, "--store", STORE)
        if done.code:
            assert_refused(done)
            assert left_in(place) == [GIVEN]
            return
        assert left_in(place) == [GIVEN, STORE]
        run, environments, results, _ = read_file(GIVEN)
        with open_store(STORE) as store:
            [state] = store.runs()
            assert (state.run, state.stored, state.complete) == (run, len(results), True)
            stored = store.results(run.id)
            assert stored == results
            assert store.environments(run.id) == environments
            assert find_damage(store) == []
            plan, _ = store.plan(run.id)
        check_outputs(RecordedRun(run, environments, stored, plan), place, pages)


def check_outputs(found: RecordedRun, place: Path, pages: bool) -> None:
    """Every format can be written from an accepted file, and the JSON document is read back as the same run."""
    written = dumps(document(found.run, found.environments, found.results))
    (place / "again.json").write_text(written, encoding="utf-8")
    run, environments, results, _ = read_file("again.json")
    assert (run, environments, results) == (found.run, found.environments, list(found.results))
    for name, form in FORMATS.items():
        if not form.binary:
            text = form.write(found)
            assert text
            if name == "junit":
                ElementTree.fromstring(text)
            elif name not in ("csv", "markdown", "latex"):
                json.loads(text, parse_constant=pytest.fail)
    if pages and found.results:
        assert "</html>" in html([found])
