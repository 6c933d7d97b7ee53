"""Whoever starts a run hears of stored runs that started later than now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.app.clocks import tell_of_clocks
from dctbench.scheduler.events import Event, Notice
from dctbench.store import open_store
from tests.support.made import RUN


@pytest.mark.parametrize(
    ("stored", "warned"),
    [
        ("2026-01-02T03:04:05.000000+00:00", False),
        ("2026-01-02T03:09:05.000000+00:00", False),  # within what correctly set clocks differ
        ("2026-01-02T03:09:06.000000+00:00", True),
        ("2099-01-01T00:00:00.000000+00:00", True),
    ],
)
def test_a_run_that_started_later_is_named(tmp_path: Path, stored: str, warned: bool) -> None:
    heard: list[Event] = []
    with open_store(str(tmp_path / "a.sqlite"), create=True) as store:
        store.add_run(replace(RUN, id="fedcba9876543210", started_at=stored), [], rounds=1)
        tell_of_clocks(store, RUN, heard.append)
    if not warned:
        assert heard == []
        return
    [notice] = heard
    assert isinstance(notice, Notice)
    assert "1 stored run started later than now, such as fedcba98: a clock is or was wrong" in notice.message


def test_the_id_of_a_run_in_a_strangers_file_cannot_control_the_terminal(tmp_path: Path) -> None:
    heard: list[Event] = []
    with open_store(str(tmp_path / "a.sqlite"), create=True) as store:
        store.add_run(replace(RUN, id="\x1b[2Jabcd", started_at="2099-01-01T00:00:00.000000+00:00"), [], rounds=1)
        tell_of_clocks(store, RUN, heard.append)
    [notice] = heard
    assert isinstance(notice, Notice)
    assert notice.message.isprintable()
