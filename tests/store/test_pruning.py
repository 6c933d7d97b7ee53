"""Pruning: which runs may be removed, and what removing them leaves."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import StoreError
from dctbench.model import Run, RunSettings
from dctbench.store import open_store
from dctbench.store.checking import find_damage
from dctbench.store.contents import RunState
from dctbench.store.pruning import removable, remove_runs, split_by_baseline
from tests.support.made import RUN, result


def state(second: int, stored: int = 1) -> RunState:
    return RunState(
        Run(f"{second:016x}", None, "quick", (), f"2026-01-01T00:00:{second:02d}+00:00", "0.1.0"), 1, stored, 0
    )


NOW = datetime.datetime(2026, 1, 1, 0, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("keep", "older_than", "unfinished", "expected"),
    [
        (2, None, False, [0, 2]),
        (2, None, True, [0, 1, 2]),
        (0, None, False, [0, 2, 3, 4]),
        (9, None, True, []),
        (None, 58.5, False, [0]),
        (None, 56.5, True, [0, 1, 2, 3]),
        (3, 56.5, True, [0, 1]),
    ],
)
def test_only_runs_that_meet_every_condition_are_removable(
    keep: int | None, older_than: float | None, unfinished: bool, expected: list[int]
) -> None:
    states = [state(0), state(1, stored=0), state(2), state(3), state(4)]
    gone = removable(states, keep=keep, older_than=older_than, unfinished=unfinished, now=NOW)
    assert gone == [states[i] for i in expected]


def check_at(when: str, stored: int) -> RunState:
    made = state(0, stored)
    return replace(
        made,
        planned=5,
        run=replace(made.run, started_at=when, settings=RunSettings(check={"side": "head"})),
    )


def test_a_check_is_removable_after_a_day_and_never_unfinished() -> None:
    old = [check_at("2025-12-30T00:00:00+00:00", stored) for stored in (1, 5, 9)]
    new = [check_at("2026-01-01T00:00:00+00:00", stored) for stored in (1, 5, 9)]
    assert removable([*old, *new], keep=0, older_than=None, unfinished=False, now=NOW) == old
    assert removable([*old, *new], keep=0, older_than=None, unfinished=True, now=NOW) == [*old, *new]
    assert not any(one.unfinished for one in [*old, *new])
    assert state(0, stored=0).unfinished


def test_a_sweep_that_waits_for_shards_is_removable_after_a_week() -> None:
    def sharded(when: str, shard: str | None, stored: int) -> RunState:
        made = state(0, stored)
        return replace(made, run=replace(made.run, started_at=when, settings=RunSettings(shard=shard)))

    week = datetime.timedelta(days=7)
    old, new = ((NOW - week + datetime.timedelta(seconds=second)).isoformat() for second in (-1, 1))
    states = [sharded(when, shard, n) for when in (old, new) for shard in ("1,3/4", None) for n in (0, 1)]
    assert [one.complete for one in states] == [False, True] * 4
    gone = removable(states, keep=0, older_than=None, unfinished=False, now=NOW)
    assert gone == [states[1], states[3], states[7]]
    assert removable(states, keep=0, older_than=None, unfinished=True, now=NOW) == states


def test_the_latest_runs_are_those_that_arrived_last_whatever_their_clocks_said() -> None:
    tomorrow = replace(state(5), run=replace(state(5).run, started_at="2026-01-02T00:00:05+00:00"))
    ahead_by_a_minute = replace(state(6), run=replace(state(6).run, started_at="2026-01-01T00:02:00+00:00"))
    states = [tomorrow, state(0), ahead_by_a_minute, state(1)]
    assert removable(states, keep=2, older_than=None, unfinished=False, now=NOW) == states[:2]
    assert removable(states, keep=None, older_than=1.0, unfinished=True, now=NOW) == [state(0), state(1)]


def test_removing_a_run_keeps_the_others_and_shrinks_the_file(store_path: Path) -> None:
    with open_store(str(store_path)) as store:
        large = replace(RUN, id="fedcba9876543210")
        store.add_run(large, [result().case], rounds=1)
        store.add_result(large.id, result(seconds=[1.0] * 100_000))
        before = store_path.stat().st_size
        remove_runs(store, [large.id])
        assert [one.run for one in store.runs()] == [RUN]
        assert store.results(RUN.id) == [result()]
        assert find_damage(store) == []
    assert store_path.stat().st_size < before / 2


def test_a_run_whose_failures_are_measured_again_is_not_removed_meanwhile(store_path: Path) -> None:
    retried = replace(RUN, id="fedcba9876543210")
    failed = result(status="timeout", seconds=None)
    with open_store(str(store_path)) as store:

        def gone(*, unfinished: bool = False) -> set[str]:
            return {one.run.id for one in removable(store.runs(), keep=0, older_than=None, unfinished=unfinished)}

        store.add_run(retried, [failed.case], rounds=1)
        store.add_result(retried.id, failed)
        assert gone() == {retried.id}
        store.start_case(retried.id, failed.case, 1)
        assert store.state(retried.id).complete
        assert gone() == set()
        assert gone(unfinished=True) == {RUN.id, retried.id}
        store.add_result(retried.id, result(), retried=True)
        assert gone() == {retried.id}


def test_a_run_is_kept_while_a_baseline_points_to_it(store_path: Path) -> None:
    other = replace(RUN, id="fedcba9876543210")
    with open_store(str(store_path)) as store:
        store.add_run(other, [result().case], rounds=1)
        assert split_by_baseline(store.runs(), store.baselines()) == ([store.state(other.id)], [store.state(RUN.id)])
        with pytest.raises(StoreError) as kept:
            remove_runs(store, [RUN.id])  # named by somebody else after this command had looked
        assert kept.value.message == f"run {RUN.id} is kept, since a baseline points there now"
        assert store.results(RUN.id) == [result()]
        store.save_baseline("main", other.id)
        remove_runs(store, [RUN.id])
        assert [one.run for one in store.runs()] == [other]
        assert find_damage(store) == []
