"""The outbox in this process: a server that fails midway leaves the whole run in it, a resumed one too."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench.store import open_for_run, open_store
from dctbench.store.engines import HURRY_SECONDS
from dctbench.store.outbox import OUTBOX
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.postgresql import Server, free_port

BEFORE = [result("sdpa", 64, 1.0), result("full", 64, None, status="error", message="SIGSEGV")]
AFTER = result("sdpa", 128, 2.0)
PLAN = [one.case for one in (*BEFORE, AFTER)]


@pytest.mark.parametrize("resumed", [False, True])
def test_what_a_run_had_on_the_server_is_in_the_outbox_once_the_server_fails(
    postgresql: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumed: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    warned: list[str] = []
    with open_store(url, create=True) as server:
        server.add_run(RUN, PLAN, rounds=2)
        server.add_environment(RUN.id, ENVIRONMENT)
        if resumed:
            server.add_results(RUN.id, BEFORE)
    with open_for_run(url, warned.append) as store:
        if resumed:
            assert store.resume_run(RUN) == BEFORE
        else:
            store.add_run(RUN, PLAN, rounds=2)
            store.add_environment(RUN.id, ENVIRONMENT)
            store.add_results(RUN.id, BEFORE)
        assert warned == []
        postgresql.query("DROP TABLE results", database=url.rpartition("/")[2])
        assert store.add_result(RUN.id, AFTER)
        assert store.name == OUTBOX
    assert len(warned) == 1
    with open_store(OUTBOX) as outbox:
        assert outbox.results(RUN.id) == [*BEFORE, AFTER]
        assert outbox.plan(RUN.id) == (PLAN, 2)
        assert outbox.environments(RUN.id) == {ENVIRONMENT.fingerprint: ENVIRONMENT}
        [state] = outbox.runs()
        assert state.run == RUN


def test_a_server_that_cannot_be_reached_at_the_start_leaves_the_run_to_the_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    warned: list[str] = []
    port = free_port()
    with open_for_run(f"postgresql://me:s3cret@127.0.0.1:{port}/bench", warned.append, create=True) as store:
        assert store.name == OUTBOX
        store.add_run(RUN, PLAN, rounds=2)
    [warning] = warned
    assert warning.endswith(f"send them later: dctbench store push postgresql://me:***@127.0.0.1:{port}/bench")


def test_a_run_into_a_file_goes_on_in_that_file_wherever_it_is_moved(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with open_for_run(str(path), pytest.fail, create=True) as store:
        assert store.name == str(path)
        assert store.place_of_held_file() == str(path)
        moved = path.rename(tmp_path / "moved.sqlite")
        assert store.place_of_held_file() == str(moved)
        moved.unlink()
        assert store.place_of_held_file() is None


def test_an_interrupted_run_counts_its_results_without_the_server_and_ends_soon(url: str) -> None:
    with open_for_run(url, pytest.fail, create=True) as store:
        assert store.progress(RUN.id) is None
        store.add_run(RUN, PLAN, rounds=2)
        store.add_results(RUN.id, BEFORE)
        state = store.progress(RUN.id)
        assert state is not None
        assert (state.run, state.planned, state.stored, state.failed) == (RUN, 6, 2, 1)
        store.hurry()
        assert store.engine.get_execution_options()["patience"] == HURRY_SECONDS
        assert store.results(RUN.id) == BEFORE
