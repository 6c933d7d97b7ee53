"""The outbox in this process: a server that fails midway leaves the whole run in it, a resumed one too."""

from __future__ import annotations

from pathlib import Path

import pytest

from dctbench.store import open_for_run, open_store
from dctbench.store.outbox import OUTBOX
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.postgresql import Server

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
