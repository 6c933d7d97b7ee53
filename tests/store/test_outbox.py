"""The outbox in this process: a server that fails midway leaves its runs in it as a whole, a resumed one too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.store import UnreachableError, open_for_run, open_store
from dctbench.store.checking import find_damage
from dctbench.store.engines import HURRY_SECONDS
from dctbench.store.outbox import OUTBOX
from tests.support.made import CALIBRATION, ELSEWHERE, ENVIRONMENT, RUN, elsewhere, result
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


@pytest.mark.parametrize("first", ["base", "head"])
def test_both_runs_of_a_check_are_in_the_outbox_whichever_finds_that_the_server_fails(
    postgresql: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.chdir(tmp_path)
    head = replace(RUN, id="fedcba9876543210", label="head")
    of_base = [result("sdpa", 64, 1.0), result("sdpa", 128, 1.5)]
    of_head = elsewhere([result("sdpa", 64, 3.0), result("sdpa", 128, 3.5)])  # of the same cases and rounds
    plan = [one.case for one in of_base]
    with open_for_run(url, lambda _: None, create=True) as store:
        store.add_run(RUN, plan, rounds=2)
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_run(head, plan[::-1], rounds=3)
        store.add_environment(head.id, ELSEWHERE)
        store.add_result(RUN.id, of_base[0])
        store.add_result(head.id, of_head[0])
        states = [store.progress(run.id) for run in (RUN, head)]
        assert [state and (state.run, state.planned, state.stored) for state in states] == [(RUN, 4, 1), (head, 6, 1)]
        postgresql.query("DROP TABLE results", database=url.rpartition("/")[2])
        last = [(RUN, of_base[1]), (head, of_head[1])]
        for run, one in last if first == "base" else last[::-1]:
            assert store.add_result(run.id, one)
    with open_store(OUTBOX) as outbox:
        assert outbox.results(RUN.id) == of_base
        assert outbox.results(head.id) == of_head[::-1]
        assert (outbox.plan(RUN.id), outbox.plan(head.id)) == ((plan, 2), (plan[::-1], 3))
        assert outbox.environments(RUN.id) == {ENVIRONMENT.fingerprint: ENVIRONMENT}
        assert outbox.environments(head.id) == {ELSEWHERE.fingerprint: ELSEWHERE}
        assert [state.run for state in outbox.runs()] == [RUN, head]


@pytest.mark.parametrize("known", [False, True], ids=["a new outbox", "an outbox with an older calibration"])
def test_the_calibrations_that_a_run_goes_by_are_in_the_outbox(
    postgresql: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    here, there = ENVIRONMENT.fingerprint, ELSEWHERE.fingerprint
    gpu = replace(CALIBRATION, device="cuda:0")
    with open_store(url, create=True) as server:
        server.add_calibration(here, CALIBRATION)
        server.add_calibration(here, gpu)
        server.add_calibration(there, replace(CALIBRATION, bandwidth=7e9))
    if known:
        with open_store(OUTBOX, create=True) as outbox:
            outbox.add_calibration(here, replace(CALIBRATION, bandwidth=1e9))
    with open_for_run(url, lambda _: None) as store:
        store.add_run(RUN, PLAN, rounds=2)
        read = store.calibrations(here)
        postgresql.query("DROP TABLE results", database=url.rpartition("/")[2])
        assert store.add_result(RUN.id, AFTER)
        assert store.name == OUTBOX
        assert store.calibrations(here) == read == {"cpu": CALIBRATION, "cuda:0": gpu}
        assert store.calibrations(there) == {}  # nobody asked for it while the server was there


def test_of_a_shard_that_goes_on_the_outbox_has_no_results_of_other_shards(
    postgresql: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store(url, create=True) as server:
        server.add_run(RUN, PLAN, rounds=1)
        server.add_environment(RUN.id, ENVIRONMENT)
        server.add_results(RUN.id, BEFORE)
    own = [BEFORE[1].case, AFTER.case]
    with open_for_run(url, lambda _: None) as store:
        assert store.resume_run(RUN) == BEFORE
        store.add_run(RUN, own, rounds=1)
        state = store.progress(RUN.id)
        assert state is not None
        assert (state.planned, state.stored, state.failed) == (2, 1, 1)
        postgresql.query("DROP TABLE results", database=url.rpartition("/")[2])
        assert store.add_result(RUN.id, AFTER)
    with open_store(OUTBOX) as outbox:
        assert outbox.plan(RUN.id) == (own, 1)
        assert outbox.results(RUN.id) == [BEFORE[1], AFTER]
        assert outbox.environments(RUN.id) == {ENVIRONMENT.fingerprint: ENVIRONMENT}
        assert find_damage(outbox) == []


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
    assert warning.endswith(f"send them later: dctbench store push 'postgresql://me:***@127.0.0.1:{port}/bench'")


def test_the_command_that_sends_the_outbox_can_be_pasted_into_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    warned: list[str] = []
    url = f"postgresql://me@127.0.0.1:{free_port()}/bench?application_name=a b;id&connect_timeout=2"
    with open_for_run(url, warned.append, create=True):
        pass
    [warning] = warned
    assert warning.endswith(f"send them later: dctbench store push '{url}'")


def test_without_the_server_a_run_is_resumed_from_the_outbox_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"postgresql://me@127.0.0.1:{free_port()}/bench"
    with pytest.raises(UnreachableError, match="Connection refused"):
        open_for_run(url, pytest.fail)
    assert list(tmp_path.iterdir()) == []
    with open_store(OUTBOX, create=True) as outbox:
        outbox.add_run(RUN, PLAN, rounds=2)
    warned: list[str] = []
    with open_for_run(url, warned.append) as store:
        assert store.find_run().run == RUN
    [warning] = warned
    assert f"\n  resuming from the outbox, and results go to {OUTBOX}; send them later: " in warning


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
