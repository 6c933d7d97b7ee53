"""Baselines: a name points to the run it was last saved for, stays as typed, and comes after ids and labels."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dctbench.errors import StoreError, UsageError
from dctbench.store import DamagedError, Store, checked_baseline_name, open_store
from dctbench.store.checking import find_damage
from dctbench.store.contents import RunState
from dctbench.store.merging import merge
from dctbench.store.outbox import OUTBOX, open_for_run
from dctbench.store.pruning import remove_runs
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.postgresql import Server

LATER = replace(RUN, id="fedcba9876543210", label="first", started_at="2026-02-03T04:05:06.000000+00:00")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as opened:
        for run in (RUN, LATER):
            opened.add_run(run, [result().case], rounds=1)
        return opened


def test_a_name_points_to_the_run_it_was_last_saved_for(store: Store) -> None:
    store.save_baseline("main", RUN.id)
    [before] = store.baselines()
    assert store.find_run("main").run == RUN
    after = store.save_baseline("main", LATER.id)
    assert store.find_run("main").run == LATER
    assert store.baselines() == [after]
    assert before.saved_at < after.saved_at


def test_ids_latest_and_labels_come_before_a_baseline_and_an_ambiguous_prefix_after_it(store: Store) -> None:
    store.add_run(replace(RUN, id="0123ffffffffffff"), [], rounds=1)
    for name in ("fedc", "first", "0123"):
        store.save_baseline(name, RUN.id)
    found = {name: store.find_run(name).run.id for name in ("fedc", "first", "0123", "latest")}
    assert found == {"fedc": LATER.id, "first": LATER.id, "0123": RUN.id, "latest": "0123ffffffffffff"}


@given(name=st.text(max_size=210) | st.from_regex(r"latest(~\w*)?", fullmatch=True) | st.just("x" * 201))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_any_text_is_refused_or_a_name_that_finds_its_run(store: Store, name: str) -> None:
    latest = name == "latest" or name.startswith("latest~")
    allowed = 0 < len(name) <= 200 and name.isprintable() and name.strip() == name and not latest
    if allowed:
        store.save_baseline(name, RUN.id)
        assert store.find_run(name).run == RUN or name in ("first", LATER.id)
        return
    before = store.baselines()
    with pytest.raises(UsageError) as refused:
        store.save_baseline(name, RUN.id)
    assert refused.value.hint
    assert refused.value.message.isprintable()
    assert store.baselines() == before


def test_a_name_is_not_changed() -> None:
    for name in ("main", "release 1.2", "größe", "[/oops] <b>", "latest-main", "LATEST"):
        assert checked_baseline_name(name) == name


def test_a_name_for_a_missing_run_is_refused(store: Store) -> None:
    with pytest.raises(StoreError):
        store.save_baseline("main", "a" * 16)
    assert store.baselines() == []


def test_a_name_whose_run_is_lost_says_so_and_how_to_go_on(store: Store) -> None:
    store.save_baseline("last release", LATER.id)
    with closing(sqlite3.connect(store.name)) as connection:  # which enforces no foreign key
        connection.execute("DELETE FROM runs WHERE id = ?", [LATER.id])
        connection.commit()
    with pytest.raises(DamagedError, match=f"'last release' points to run {LATER.id}, which is not in ") as lost:
        store.find_run("last release")
    assert str(lost.value.hint).endswith(f"dctbench store forget 'last release' --store {store.name}")
    assert f"the baseline 'last release' points to run {LATER.id}, which is missing" in find_damage(store)


def test_a_run_that_is_removed_while_it_is_looked_for_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    look = Store.state

    def removed_meanwhile(self: Store, run_id: str) -> RunState:
        remove_runs(self, [run_id])
        return look(self, run_id)

    monkeypatch.setattr(Store, "state", removed_meanwhile)
    with pytest.raises(DamagedError, match=f"run {LATER.id} is no longer in "):
        store.find_run("latest")


def test_a_changed_pointer_is_damage(store: Store) -> None:
    store.save_baseline("main", RUN.id)
    with sqlite3.connect(store.name) as connection:
        connection.execute("UPDATE baselines SET run_id = ?", (LATER.id,))
    connection.close()
    with pytest.raises(StoreError, match="the baseline 'main' is damaged"):
        store.find_run("main")
    assert store.find_run(RUN.id).run == RUN


def test_when_the_server_is_down_a_name_goes_to_the_outbox_with_its_run(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    warnings: list[str] = []
    with open_for_run(postgresql.url, warnings.append, create=True) as opened:
        opened.add_run(RUN, [result().case], rounds=1)
        opened.add_environment(RUN.id, ENVIRONMENT)
        opened.add_result(RUN.id, result())
        postgresql.stop()
        try:
            opened.save_baseline("main", RUN.id)
            assert opened.find_run("main").run == RUN
        finally:
            postgresql.start()
    assert len(warnings) == 1
    with open_store(OUTBOX) as local, open_store(postgresql.url) as server:
        assert server.baselines() == []
        merge([local], server, baselines=True)
        assert server.baselines() == local.baselines()
        assert server.find_run("main").run == RUN
