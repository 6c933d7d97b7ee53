"""A run by id, latest, label, baseline or file, in that order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import DctbenchError, StoreError, UsageError
from dctbench.exporters.registry import FORMATS
from dctbench.runs.lookup import resolve
from dctbench.store import DamagedError, MissingError, open_store
from tests.fuzz.command import command
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.postgresql import free_port

LATER = replace(RUN, id="fedcba9876543210", started_at="2026-02-03T04:05:06.000000+00:00", label="mine")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    with open_store("s.sqlite", create=True) as opened:
        for run in (RUN, LATER):
            opened.add_run(run, [result().case, result("none").case], rounds=1)
            opened.add_environment(run.id, ENVIRONMENT)
            opened.add_result(run.id, result())
        opened.save_baseline("old", RUN.id)
        opened.save_baseline("mine", RUN.id)
    return "s.sqlite"


def test_ids_latest_labels_baselines_and_files_name_a_run(store: str) -> None:
    for reference, run in ((RUN.id, RUN), ("0123", RUN), ("latest", LATER), ("latest~1", RUN), ("mine", LATER),
                           ("old", RUN)):  # fmt: skip
        assert resolve(store, reference).run == run
    assert len(resolve(store).plan) == 2
    Path("it.json").write_text(str(FORMATS["json"].write(resolve(store))), encoding="utf-8")
    for location in (store, "absent.sqlite", "it.json"):
        found = resolve(location, "it.json")
        assert (found.run, found.environments, found.results) == (
            LATER,
            {ENVIRONMENT.fingerprint: ENVIRONMENT},
            [result()],
        )
        assert found.plan == [result().case]


def test_what_is_in_the_store_comes_before_a_file_of_that_name(store: str) -> None:
    for name, run in (("mine", LATER), ("old", RUN)):
        Path(name).write_text("not a document", encoding="utf-8")
        assert resolve(store, name).run == run
    with pytest.raises(UsageError, match="mine: not JSON"):
        resolve("absent.sqlite", "mine")


def test_a_folder_hides_no_error_of_the_store(store: str) -> None:
    Path("main").mkdir()
    with pytest.raises(UsageError, match="no run 'main'"):
        resolve(store, "main")
    with pytest.raises(MissingError, match=r"no store at absent\.sqlite"):
        resolve("absent.sqlite", "main")
    done = command("check", "--baseline", "main", "--store", "absent.sqlite")
    assert done.code == 2
    assert "there is no baseline 'main': there is no store at absent.sqlite" in done.err


def test_of_a_store_that_cannot_be_read_a_file_is_no_substitute_unless_its_name_looks_like_one(store: str) -> None:
    text = str(FORMATS["json"].write(resolve(store)))
    Path("releases").mkdir()
    for name in ("it.json", "main"):
        Path(name).write_text(text, encoding="utf-8")
    Path("damaged.sqlite").write_bytes(b"no database")
    server = f"postgresql://me@127.0.0.1:{free_port()}/bench"
    for location in ("damaged.sqlite", server):
        for reference in ("main", "latest", "releases", "releases/1"):
            with pytest.raises(StoreError):
                resolve(location, reference)
        for reference in ("it.json", "./main"):
            assert resolve(location, reference).run == LATER
    with open_store(store) as opened, opened.transaction() as connection:
        connection.exec_driver_sql("UPDATE runs SET suite = 'changed'")
    Path("mine").write_text(text, encoding="utf-8")
    with pytest.raises(DamagedError):
        resolve(store, "mine")


def test_an_error_speaks_of_what_was_plainly_meant(store: str) -> None:
    for location, reference, kind, words in (
        (store, "nothing", UsageError, "no run 'nothing'"),
        (store, "", UsageError, "no run ''"),
        (store, "nothing.json", UsageError, "cannot read nothing.json"),
        (store, "./no/thing", UsageError, "cannot read ./no/thing"),
        ("absent.sqlite", "latest", StoreError, "no store at absent.sqlite"),
        (store, "x" * 5000, UsageError, "no run"),
        (store, "\0", UsageError, "no run"),
    ):
        with pytest.raises(DctbenchError, match=words) as refused:
            resolve(location, reference)
        assert isinstance(refused.value, kind)
