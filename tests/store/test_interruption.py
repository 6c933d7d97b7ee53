"""Ctrl-C in the middle of a query ends it as an interruption, and not as damage."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from dctbench.store import engines, open_store
from tests.support.made import RUN


def test_an_interruption_during_a_query_reaches_the_caller(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(str(store_path)) as store:
        with monkeypatch.context() as interrupting:
            interrupting.setattr(engines, "_STEPS", 10)
            interrupting.setattr(engines._Allowance, "used_up", lambda _: signal.raise_signal(signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                store.runs()
        assert [state.run for state in store.runs()] == [RUN]
