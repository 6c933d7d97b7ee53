"""Files of every format there ever was are read for ever: what today's version writes is kept here from now on.

A new schema or a new version of the document brings a fixture with it, made before the change.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dctbench.exporters.json_document import document, dumps
from dctbench.importers import parse, read_file
from dctbench.model import SCHEMA_VERSION, STATUSES, Case, canonical_json
from dctbench.store import decoding, open_store, records, schema
from dctbench.store.checking import find_damage
from tests.store.test_schema import FIXTURES, SCHEMAS
from tests.support.command import Cli
from tests.support.made import CALIBRATION, RUN

FILES = Path(__file__).parents[1] / "importers" / "files"
WHOLE_RUN = FILES / "document-1-run.json"
"""A real run with every status: all metrics, two rounds, warnings, failures and roofline data."""


def test_every_schema_and_every_document_version_has_a_fixture() -> None:
    assert tuple(migration.number for migration in schema.MIGRATIONS) == SCHEMAS
    assert all((FIXTURES / f"schema-{number}.sqlite").is_file() for number in SCHEMAS)
    versions = {json.loads(path.read_bytes())["schema_version"] for path in FILES.glob("document-*.json")}
    assert versions == set(range(1, SCHEMA_VERSION + 1))


def test_a_real_run_with_every_status_is_read_back_completely() -> None:
    run, environments, results, _ = read_file(str(WHOLE_RUN))
    assert (run.id, run.label) == ("be7f5422fa874945", "kept for ever é")
    assert {result.status for result in results} == set(STATUSES)
    assert {result.round for result in results} == {1, 2}
    metrics = {measured.metric for result in results for measured in result.measurements}
    assert metrics >= {"latency", "setup", "first_call", "flops", "memory.tensor", "memory.state", "error.noise"}
    [environment] = environments.values()
    assert environment.facts["cpu"] == "AMD EPYC"
    written = dumps(document(run, environments, results))
    assert parse(written.encode(), "again.json")[:3] == (run, environments, results)


@pytest.mark.parametrize("number", [number for number in SCHEMAS if number >= 3])
def test_an_old_store_has_the_same_run_with_its_unfinished_plan(tmp_path: Path, number: int) -> None:
    path = shutil.copy(FIXTURES / f"schema-{number}.sqlite", tmp_path / "old.sqlite")
    run, environments, results, _ = read_file(str(WHOLE_RUN))
    with open_store(str(path)) as store:
        assert find_damage(store) == []
        state = store.state(run.id)
        assert (state.run, state.planned, state.stored, state.complete) == (run, 33, 22, False)
        assert store.results(run.id) == results
        assert store.environments(run.id) == environments
        assert store.state(RUN.id).complete
        assert store.calibration("f" * 16) == CALIBRATION


@pytest.mark.parametrize("number", SCHEMAS)
def test_commands_read_and_write_a_store_of_any_age(cli: Cli, tmp_path: Path, number: int) -> None:
    path = shutil.copy(FIXTURES / f"schema-{number}.sqlite", tmp_path / "old.sqlite")
    assert cli("store", "check", "--store", str(path)).code == 0
    refused = cli("import", str(FILES / "document-1.json"), "--store", str(path))
    assert (refused.code, "holds another run" in refused.err) == (2, True)  # the same id, and not the same run
    (tmp_path / "new.json").write_text(WHOLE_RUN.read_text().replace("be7f5422fa874945", "a" * 16))
    assert cli("import", "new.json", "--store", str(path)).code == 0
    listed = cli("list", "runs", "--store", str(path), "--format", "json").json()
    assert {run["results"] for run in listed if run["label"]} >= {"22 of 22"}


@pytest.mark.parametrize("number", SCHEMAS)
def test_a_stored_result_is_written_back_as_the_same_bytes_under_the_same_seal(number: int) -> None:
    query = (
        "SELECT results.*, cases.record AS case_record FROM results JOIN cases USING (run_id, case_id)"
        " ORDER BY run_id, case_id, round"
    )
    with closing(sqlite3.connect(f"file:{FIXTURES / f'schema-{number}.sqlite'}?immutable=1", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(query)]
    assert rows
    for row in rows:
        case = Case.from_json(json.loads(row.pop("case_record")))
        written = records.row_of_result(row["run_id"], decoding.result_of_row(row, case))
        assert {**written, "stored_at": row["stored_at"]} == row


@pytest.mark.parametrize("path", sorted(FILES.glob("document-*.json")), ids=lambda path: path.name)
def test_the_details_of_a_document_are_written_back_as_the_same_bytes(path: Path) -> None:
    def details(text: str) -> dict[tuple[str, int | None], str]:
        return {
            (entry["case_id"], each.get("round")): canonical_json(each["details"])
            for entry in json.loads(text)["results"]
            for each in (entry, *entry["rounds"])
            if "details" in each
        }

    run, environments, results, _ = read_file(str(path))
    written = details(dumps(document(run, environments, results)))
    assert written == {**written, **details(path.read_text())}
