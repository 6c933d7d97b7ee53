"""Ctrl-C in the middle of a query ends it as an interruption, and not as damage."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from dctbench.store import engines, open_store
from tests.fuzz.command import command
from tests.support.made import RUN, result


def test_an_interruption_while_a_file_is_shrunk_is_one_and_the_runs_are_removed(
    store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(RUN, id="fedcba9876543210")
    with open_store(str(store_path)) as store:
        store.add_run(other, [result().case], rounds=1)

    shrinking: list[str] = []

    def notice(connection: object, cursor: object, statement: str, *_: object) -> None:
        shrinking.extend([statement] if statement == "VACUUM" else [])

    def used_up(_: object) -> bool:
        if shrinking:
            signal.raise_signal(signal.SIGINT)
        return False

    monkeypatch.setattr(engines, "_STEPS", 10)
    monkeypatch.setattr(engines._Allowance, "used_up", used_up)
    sa.event.listen(sa.Engine, "before_cursor_execute", notice)
    try:
        done = command("store", "prune", "--keep", "0", "--unfinished", "--yes", "--store", str(store_path))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", notice)
    assert (done.code, "longer than" in done.err) == (130, False), done.err
    monkeypatch.undo()
    with open_store(str(store_path)) as store:
        assert [state.run for state in store.runs()] == [RUN]


def test_an_interruption_during_a_query_reaches_the_caller(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(str(store_path)) as store:
        with monkeypatch.context() as interrupting:
            interrupting.setattr(engines, "_STEPS", 10)
            interrupting.setattr(engines._Allowance, "used_up", lambda _: signal.raise_signal(signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                store.runs()
        assert [state.run for state in store.runs()] == [RUN]
