"""Merging: independent of the order, idempotent; conflicts are refused, and damage is reported and not copied."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dctbench.errors import StoreError
from dctbench.model import Baseline, Result, RunSettings
from dctbench.store import open_store, records, schema
from dctbench.store.checking import find_damage
from dctbench.store.importing import import_run
from dctbench.store.merging import MergeSummary, merge
from tests.support.made import CALIBRATION, ENVIRONMENT, RUN, result

CASES = [result("sdpa", n).case for n in (64, 128)]
PARTS = st.lists(
    st.builds(
        lambda case, round, status, second: result(
            "sdpa", case.seq_len, second if status == "ok" else None, status=status, round=round
        ),
        st.sampled_from(CASES), st.integers(1, 2), st.sampled_from(["ok", "error", "timeout", "skipped"]),
        st.sampled_from([1.0, 2.0]),
    ),
    max_size=4, unique_by=lambda one: (one.case, one.round),
)  # fmt: skip


def part(path: Path, results: Sequence[Result], second: int = 5) -> str:
    """Create a store with the run, started at that second, and some of its results."""
    with open_store(str(path), create=True) as store:
        started = f"2026-01-02T03:04:{second:02d}.000000+00:00"
        store.add_run(replace(RUN, started_at=started, argv=("run", str(second))), CASES, rounds=2)
        store.add_environment(RUN.id, ENVIRONMENT)
        store.add_results(RUN.id, results)
    return str(path)


def merged(into: Path, *sources: str, baselines: bool = False) -> MergeSummary:
    with open_store(str(into), create=True) as target:
        opened = [open_store(source) for source in sources]
        return merge(opened, target, baselines=baselines)


def contents(path: Path) -> object:
    with open_store(str(path)) as store:
        return store.runs(), store.plan(RUN.id), store.results(RUN.id), store.environments(RUN.id)


@given(parts=st.lists(PARTS, min_size=2, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
def test_merging_in_any_order_and_repeatedly_gives_the_same_store(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[Result]]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    stores = [part(folder / f"{i}.sqlite", results, second=i) for i, results in enumerate(parts)]
    outcomes = []
    for number, order in enumerate(itertools.permutations(stores)):
        into = folder / f"into-{number}.sqlite"
        merged(into, *order)
        assert merged(into, *order, order[0]).results == 0
        outcomes.append(contents(into))
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_every_result_is_copied_and_the_earliest_start_stays(tmp_path: Path) -> None:
    late = part(tmp_path / "a.sqlite", [result("sdpa", 64, 1.0)], second=9)
    early = part(tmp_path / "b.sqlite", [result("sdpa", 128, 1.0)], second=1)
    done = merged(tmp_path / "all.sqlite", late, early)
    assert (done.runs, done.seen, done.results, done.damaged) == (2, 2, 2, [])
    with open_store(str(tmp_path / "all.sqlite")) as store:
        [state] = store.runs()
        assert (state.run.argv, state.stored) == (("run", "1"), 2)
        assert state.run.started_at.startswith("2026-01-02T03:04:01")


def test_a_result_that_arrives_by_a_merge_ends_the_attempts_at_it(tmp_path: Path) -> None:
    """As after a server that failed during a case, and a push of the outbox."""
    target = part(tmp_path / "all.sqlite", [])
    with open_store(target) as store:
        store.start_case(RUN.id, CASES[0], 1)
        store.start_case(RUN.id, CASES[1], 1)
    merged(tmp_path / "all.sqlite", part(tmp_path / "a.sqlite", [result("sdpa", 64, 1.0)]))
    with open_store(target) as store:
        assert store.attempts(RUN.id) == {(CASES[1].id, 1): 1}
        import_run(store, store.state(RUN.id).run, [ENVIRONMENT], [result("sdpa", 128, 1.0)])
        assert store.attempts(RUN.id) == {}


def test_a_measurement_wins_over_a_failure_and_a_failure_over_a_skipped_result(tmp_path: Path) -> None:
    one = [result("sdpa", 64, None, status="timeout"), result("sdpa", 128, None, status="skipped")]
    two = [result("sdpa", 64, 1.0), result("sdpa", 128, None, status="error", message="SIGSEGV")]
    done = merged(tmp_path / "all.sqlite", part(tmp_path / "a.sqlite", one), part(tmp_path / "b.sqlite", two))
    assert (done.seen, done.results, done.replaced) == (4, 2, 2)
    with open_store(str(tmp_path / "all.sqlite")) as store:
        assert store.results(RUN.id) == two


def test_of_two_that_replace_a_failure_the_one_that_was_stored_first_stays(tmp_path: Path) -> None:
    stores = [part(tmp_path / f"{taken}.sqlite", [result("sdpa", 64, taken)]) for taken in (1.0, 2.0)]
    outcomes = []
    for number, order in enumerate((stores, stores[::-1])):
        into = tmp_path / f"into-{number}.sqlite"
        part(into, [result("sdpa", 64, None, status="timeout")])
        assert merged(into, *order).replaced == 1
        with open_store(str(into)) as store:
            outcomes.append(store.results(RUN.id))
    assert outcomes[0] == outcomes[1] == [result("sdpa", 64, 1.0)]


@pytest.mark.parametrize("first", [1.0, 2.0])
@pytest.mark.parametrize("first_is_merged_first", [True, False])
def test_of_two_measurements_the_one_that_was_stored_first_stays(
    tmp_path: Path, first: float, first_is_merged_first: bool
) -> None:
    stores = [part(tmp_path / f"{i}.sqlite", [result("sdpa", 64, taken)]) for i, taken in enumerate([first, 3 - first])]
    merged(tmp_path / "all.sqlite", *(stores if first_is_merged_first else stores[::-1]))
    with open_store(str(tmp_path / "all.sqlite")) as store:
        assert store.results(RUN.id) == [result("sdpa", 64, first)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_plans_the_one_with_more_rounds_stays(tmp_path: Path, order: tuple[int, int]) -> None:
    runs = [replace(RUN, id=f"{rounds:016x}") for rounds in range(1, 7)]  # several: one seal may favour either plan
    stores = []
    for more in (0, 1):
        stores.append(str(tmp_path / f"{more}.sqlite"))
        with open_store(stores[-1], create=True) as store:
            for rounds, run in enumerate(runs, 1):
                store.add_run(run, CASES, rounds=rounds + more)
    merged(tmp_path / "all.sqlite", *(stores[i] for i in order))
    with open_store(str(tmp_path / "all.sqlite")) as store:
        assert [store.plan(run.id) for run in runs] == [(CASES, rounds + 1) for rounds in range(1, 7)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_calibrations_of_a_device_the_later_one_stays(tmp_path: Path, order: tuple[int, int]) -> None:
    old = replace(CALIBRATION, bandwidth=9e10, measured_at="2026-01-02T03:04:07+00:01")  # another zone
    new = replace(CALIBRATION, bandwidth=1e10, measured_at="2026-01-02T03:04:06+00:00")
    stores = []
    for number, calibration in enumerate((old, new)):
        stores.append(str(tmp_path / f"{number}.sqlite"))
        with open_store(stores[-1], create=True) as store:
            store.add_calibration("here", calibration)
            store.add_calibration(f"elsewhere{number}", old)
    merged(tmp_path / "all.sqlite", *(stores[i] for i in order))
    with open_store(str(tmp_path / "all.sqlite")) as store:
        assert store.calibration("here") == new
        assert [store.calibration(f"elsewhere{number}") for number in (0, 1)] == [old, old]


def test_a_measurement_of_the_target_stays_whatever_the_times_in_a_source(tmp_path: Path) -> None:
    """Whoever makes a store can seal any figure with any time, and the seal does not cover the time."""
    own = [result("sdpa", 64, 1.0), result("sdpa", 128, None, status="timeout")]
    mine = part(tmp_path / "mine.sqlite", own)
    for number, stored_at in enumerate((0.0, 1.0, "junk", -1.0, 1e300)):
        theirs = part(tmp_path / f"{number}.sqlite", [result("sdpa", 64, 0.01), result("sdpa", 128, 0.02)])
        with sqlite3.connect(theirs) as connection:
            connection.execute("UPDATE results SET stored_at = ?", [stored_at])
        connection.close()
        done = merged(Path(mine), theirs)
        replaced = int(number == 0)  # the failure gives way once; from then on, the result is the same
        assert (done.results, done.replaced, done.differing) == (0, replaced, 1)
        with open_store(mine) as store:
            assert store.results(RUN.id) == [own[0], result("sdpa", 128, 0.02)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_between_two_sources_a_result_without_a_valid_time_counts_as_the_later_one(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    sound, odd = (
        part(tmp_path / f"{n}.sqlite", [result("sdpa", 64, seconds)]) for n, seconds in enumerate([1.0, 0.01])
    )
    with sqlite3.connect(odd) as connection:
        connection.execute("UPDATE results SET stored_at = 'junk'")
    connection.close()
    done = merged(tmp_path / "all.sqlite", *((sound, odd)[i] for i in order))
    assert (done.seen, done.results, done.replaced, done.differing) == (2, 1, 0, 1)
    with open_store(str(tmp_path / "all.sqlite")) as store:
        assert store.results(RUN.id) == [result("sdpa", 64, 1.0)]


def test_the_record_of_a_run_of_the_target_stays(tmp_path: Path) -> None:
    """With an earlier start, the run would be older than `prune --older-than` allows."""
    mine = part(tmp_path / "mine.sqlite", [result("sdpa", 64, 1.0)], second=5)
    theirs = part(tmp_path / "theirs.sqlite", [result("sdpa", 128, 1.0)], second=1)
    assert merged(Path(mine), theirs).results == 1
    with open_store(mine) as store:
        [state] = store.runs()
    assert (state.run.started_at, state.run.argv) == ("2026-01-02T03:04:05.000000+00:00", ("run", "5"))
    assert state.stored == 2


def test_calibrations_and_environments_of_the_target_stay(tmp_path: Path) -> None:
    forged = replace(CALIBRATION, bandwidth=1.0, measured_at="2999-01-01T00:00:00+00:00")
    lies = [replace(ENVIRONMENT, facts={**ENVIRONMENT.facts, "memory_bytes": number}) for number in range(1, 9)]
    mine = part(tmp_path / "mine.sqlite", [])
    with open_store(mine) as store:
        store.add_calibration("here", CALIBRATION)
    for number, lie in enumerate(lies):  # several: the seal of one may come before that of the own record
        theirs = str(tmp_path / f"{number}.sqlite")
        with open_store(theirs, create=True) as store:
            store.add_run(
                replace(RUN, started_at="2026-01-02T03:04:05.000000+00:00", argv=("run", "5")), CASES, rounds=2
            )
            store.add_environment(RUN.id, lie)
            store.add_calibration("here", forged)
        assert merged(Path(mine), theirs).calibrations_ignored == 1
    assert merged(Path(mine), mine).calibrations_ignored == 0
    with open_store(mine) as store:
        assert store.calibration("here") == CALIBRATION
        assert store.environments(RUN.id) == {ENVIRONMENT.fingerprint: ENVIRONMENT}


LABEL = replace(ENVIRONMENT, facts={**ENVIRONMENT.facts, "host": "zz lab", "cpu": "less", "host_is_label": True})
"""Of an export of the same machine. Its host comes last."""


def test_an_environment_of_an_export_never_stands_in_place_of_one_that_was_measured(tmp_path: Path) -> None:
    mine = part(tmp_path / "mine.sqlite", [result("sdpa", 64, 1.0)])
    with open_store(str(tmp_path / "theirs.sqlite"), create=True) as theirs:
        import_run(theirs, RUN, [LABEL], [result("sdpa", 64, 1.0)])
    for number, order in enumerate(itertools.permutations((mine, theirs.name))):
        merged(tmp_path / f"{number}.sqlite", *order)
        with open_store(str(tmp_path / f"{number}.sqlite")) as store:
            assert store.environments(RUN.id) == {ENVIRONMENT.fingerprint: ENVIRONMENT}
    merged(Path(mine), theirs.name)
    with open_store(mine) as store:
        import_run(store, store.state(RUN.id).run, [LABEL], [])
        [row] = store.rows(sa.select(schema.environments))
        assert row["host"] == ENVIRONMENT.host


def test_merging_a_store_into_itself_changes_nothing(tmp_path: Path) -> None:
    path = part(tmp_path / "a.sqlite", [result("sdpa", 64, 1.0)])
    assert merged(Path(path), path).results == 0


def test_two_different_runs_with_one_id_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    one = part(tmp_path / "a.sqlite", [result("sdpa", 64, 1.0)])
    with open_store(str(tmp_path / "b.sqlite"), create=True) as store:
        store.add_run(replace(RUN, label="another", settings=RunSettings.from_json({"rounds": 9})), CASES, rounds=2)
    with pytest.raises(StoreError, match=rf"run {RUN.id} of .*b.sqlite is not the run .*label and settings"):
        merged(tmp_path / "all.sqlite", one, str(tmp_path / "b.sqlite"))
    with open_store(str(tmp_path / "all.sqlite")) as store:
        assert store.runs() == []


NAMED = st.dictionaries(
    st.sampled_from(["main", "release 1.2"]), st.tuples(st.integers(0, 1), st.integers(0, 2)), max_size=2
)
"""Baselines by name: which of two runs each points to, and the second at which it was saved."""
RUNS = [replace(RUN, id=f"{number:016x}") for number in range(2)]


def store_with_baselines(path: Path, baselines: dict[str, tuple[int, int]]) -> str:
    """Create a store with the two runs and these baselines."""
    rows = [
        records.row_of_baseline(Baseline(name, RUNS[number].id, f"2026-01-02T03:04:{second:02d}.000000+00:00"))
        for name, (number, second) in baselines.items()
    ]
    with open_store(str(path), create=True) as store:
        for run in RUNS:
            store.add_run(run, CASES, rounds=1)
        if rows:
            with store.transaction() as connection:
                connection.execute(store.insert(schema.baselines), rows)
    return str(path)


@given(parts=st.lists(NAMED, min_size=2, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
def test_of_two_baselines_with_one_name_the_later_one_stays(
    tmp_path_factory: pytest.TempPathFactory, parts: list[dict[str, tuple[int, int]]]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    stores = [store_with_baselines(folder / f"{i}.sqlite", names) for i, names in enumerate(parts)]
    outcomes = []
    for number, order in enumerate(itertools.permutations(stores)):
        into = folder / f"into-{number}.sqlite"
        merged(into, *order, baselines=True)
        assert merged(into, *order, order[0], baselines=True).baselines == 0
        with open_store(str(into)) as store:
            outcomes.append(store.baselines())
    assert all(outcome == outcomes[0] for outcome in outcomes)
    for name in {name for names in parts for name in names}:
        given_at = [names[name] for names in parts if name in names]
        latest = max(second for _, second in given_at)
        [found] = [one for one in outcomes[0] if one.name == name]
        assert int(found.saved_at[17:19]) == latest
        assert found.run_id in {RUNS[number].id for number, second in given_at if second == latest}


def test_baselines_move_and_appear_only_on_request(tmp_path: Path) -> None:
    own = store_with_baselines(tmp_path / "own.sqlite", {"main": (0, 1)})
    theirs = store_with_baselines(tmp_path / "theirs.sqlite", {"main": (1, 2), "release 1.2": (1, 2)})
    done = merged(Path(own), theirs)
    assert (done.baselines, done.baselines_ignored) == (0, 2)
    with open_store(own) as store:
        assert [(one.name, one.run_id) for one in store.baselines()] == [("main", RUNS[0].id)]
    assert merged(Path(own), theirs, baselines=True).baselines == 2
    assert merged(Path(own), theirs).baselines_ignored == 0
    with open_store(own) as store:
        assert {one.run_id for one in store.baselines()} == {RUNS[1].id}


def test_a_baseline_whose_run_is_damaged_is_left_out_and_reported(tmp_path: Path) -> None:
    path = store_with_baselines(tmp_path / "a.sqlite", {"main": (0, 1), "release 1.2": (1, 1)})
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE runs SET suite = 'x' WHERE id = ?", (RUNS[0].id,))
    connection.close()
    done = merged(tmp_path / "all.sqlite", path, baselines=True)
    assert (done.baselines, len(done.damaged)) == (1, 2)
    assert f"the baseline 'main', because its run {RUNS[0].id} is missing" in done.damaged
    with open_store(str(tmp_path / "all.sqlite")) as store:
        assert [one.name for one in store.baselines()] == ["release 1.2"]


@pytest.mark.parametrize("table", ["results", "cases", "environments", "runs"])
def test_damaged_records_are_left_out_and_reported_and_all_others_copied(tmp_path: Path, table: str) -> None:
    path = part(tmp_path / "a.sqlite", [result("sdpa", 64, 1.0), result("sdpa", 128, 1.0)])
    other = replace(RUN, id="fedcba9876543210")
    with open_store(path) as store:
        store.add_run(other, CASES, rounds=1)
        store.add_result(other.id, result("sdpa", 64, 1.0))
    column = {"results": "record", "cases": "record", "environments": "facts", "runs": "suite"}[table]
    key = "id" if table == "runs" else "run_id"
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {table} SET {column} = {column} || ' ' WHERE rowid IN "
                           f"(SELECT min(rowid) FROM {table} WHERE {key} = ?)", (RUN.id,))  # fmt: skip
    connection.close()
    done = merged(tmp_path / "all.sqlite", path)
    assert len(done.damaged) == 1
    assert RUN.id in done.damaged[0]
    with open_store(str(tmp_path / "all.sqlite")) as store:
        counts = {state.run.id: state.stored for state in store.runs()}
        expected = {"results": 1, "cases": 1, "environments": 2, "runs": None}[table]
        assert counts == {other.id: 1} | ({} if expected is None else {RUN.id: expected})


RESULTS = [result("sdpa", n, 1.0, round=round) for n in (64, 128) for round in (1, 2)]
OF_CASE = f"2 results of case {RESULTS[0].case.id} of run {RUN.id}, because the plan of the case is"


@pytest.mark.parametrize(
    ("statement", "named", "left_out"),
    [
        ("DELETE FROM cases WHERE case_id = :case", [f"{OF_CASE} missing"], 2),
        ("UPDATE cases SET rounds = 9 WHERE case_id = :case", [f"{OF_CASE} damaged"], 2),
        (
            "UPDATE runs SET suite = 'x' WHERE id = :run",
            [f"run {RUN.id} with 4 results, because its record is damaged"],
            4,
        ),
        ("DELETE FROM runs WHERE id = :run", [f"run {RUN.id} with 4 results, because its record is missing"], 4),
        (
            "DELETE FROM results WHERE case_id = :case; UPDATE cases SET rounds = 9 WHERE case_id = :case",
            [f"the plan of case {RESULTS[0].case.id} of run {RUN.id} is damaged"],
            0,
        ),
    ],
)
def test_intact_results_without_an_intact_plan_or_run_are_counted_and_reported(
    tmp_path: Path, statement: str, named: list[str], left_out: int
) -> None:
    path = part(tmp_path / "a.sqlite", RESULTS)
    with sqlite3.connect(path) as connection:
        for one in statement.split(";"):
            names = {"case": RESULTS[0].case.id, "run": RUN.id}
            connection.execute(one, {key: value for key, value in names.items() if f":{key}" in one})
    connection.close()
    done = merged(tmp_path / "all.sqlite", path)
    assert (done.damaged, done.left_out) == (named, left_out)
    with open_store(str(tmp_path / "all.sqlite")) as store:
        assert sum(state.stored for state in store.runs()) == done.results == done.seen


def test_an_unreadable_page_affects_only_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = part(tmp_path / "a.sqlite", [result("sdpa", n, [1.0] * 2000) for n in (64, 128)])
    with open_store(path) as store:
        for number in range(5):
            other = replace(RUN, id=f"{number:016x}")
            store.add_run(other, CASES, rounds=1)
            store.add_results(other.id, [result("sdpa", n, [float(number)] * 2000) for n in (64, 128)])
    whole = Path(path).read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    kept = 0
    for page in range(len(whole) // size // 2, len(whole) // size, 7):
        (tmp_path / "b.sqlite").write_bytes(whole[: page * size] + b"\xa5" * size + whole[(page + 1) * size :])
        try:
            done = merged(tmp_path / f"{page}.sqlite", str(tmp_path / "b.sqlite"))
        except StoreError:
            continue  # the page contains what every run needs
        with open_store(str(tmp_path / f"{page}.sqlite")) as store:
            stored = sum(state.stored for state in store.runs())
            for state in store.runs():
                store.results(state.run.id)
        assert stored == 12 or done.damaged
        if not any("unknown number" in text for text in done.damaged):
            assert stored + done.left_out >= 12
        kept = max(kept, stored)
    assert kept >= 8


def shard(path: Path, number: int, of: int = 3) -> str:
    """Create a store with one shard of a sweep, which starts at the second of its number and has one case."""
    run = replace(
        RUN, label="nightly", argv=("run", "--shard", f"{number}/{of}"),
        started_at=f"2026-01-02T03:04:0{number}.000000+00:00", settings=replace(RUN.settings, shard=f"{number}/{of}"),
    )  # fmt: skip
    found = [result("sdpa", 64 * number, 1.0, round=round) for round in (1, 2)]
    with open_store(str(path), create=True) as store:
        store.add_run(run, [found[0].case], rounds=2)
        store.add_environment(run.id, ENVIRONMENT)
        store.add_results(run.id, found)
    return str(path)


def test_shards_become_one_run_in_any_order_and_however_often_they_are_merged(tmp_path: Path) -> None:
    stores = [shard(tmp_path / f"{number}.sqlite", number) for number in (1, 2, 3)]
    outcomes = []
    for number, order in enumerate(itertools.permutations(stores)):
        into = tmp_path / f"into-{number}.sqlite"
        [sharded] = merged(into, *order[:2]).sharded
        assert sharded.shards == ",".join(sorted(Path(one).stem for one in order[:2])) + "/3"
        [sharded] = merged(into, *order).sharded
        assert (sharded.shards, sharded.machines) == (None, 1)
        assert merged(into, order[1], *order).results == 0
        outcomes.append(contents(into))
        assert find_damage_in(into) == []
        with open_store(str(into)) as store:
            [state] = store.runs()
            assert (state.planned, state.stored, state.run.settings.shard) == (6, 6, None)
            assert state.run.argv == ("run", "--shard", "1/3")
    assert all(outcome == outcomes[0] for outcome in outcomes)


def find_damage_in(path: Path) -> list[str]:
    with open_store(str(path)) as store:
        return list(find_damage(store))


def test_two_shards_in_one_store_are_united_there(tmp_path: Path) -> None:
    path = tmp_path / "all.sqlite"
    for number in (1, 3, 1):
        shard(path, number)
    with open_store(str(path)) as store:
        [state] = store.runs()
        assert (state.run.settings.shard, state.planned, state.stored) == ("1,3/3", 4, 4)
        assert state.run.started_at.startswith("2026-01-02T03:04:01")
    assert find_damage_in(path) == []


def test_a_shard_of_another_machine_joins_the_run_and_is_told(tmp_path: Path) -> None:
    one, two = shard(tmp_path / "1.sqlite", 1, of=2), shard(tmp_path / "2.sqlite", 2, of=2)
    with open_store(two) as store:
        store.add_environment(RUN.id, replace(ENVIRONMENT, fingerprint="e" * 16))
    [sharded] = merged(tmp_path / "all.sqlite", one, two).sharded
    assert (sharded.shards, sharded.machines) == (None, 2)


def test_shards_of_two_divisions_under_one_id_are_refused(tmp_path: Path) -> None:
    for name, shard in (("a", "1/2"), ("b", "2/3")):
        with open_store(str(tmp_path / name), create=True) as store:
            store.add_run(replace(RUN, settings=replace(RUN.settings, shard=shard)), CASES, rounds=2)
    with pytest.raises(StoreError, match=r"they differ in shard$"):
        merged(tmp_path / "a", str(tmp_path / "b"))


@pytest.mark.parametrize("column", ["label", "settings", "started_at"])
def test_a_damaged_record_of_a_run_is_mended_by_an_intact_one(tmp_path: Path, column: str) -> None:
    into, source = (part(tmp_path / name, []) for name in ("into", "source"))
    with sqlite3.connect(into) as connection:
        connection.execute(f"UPDATE runs SET {column} = 'changed'")
    connection.close()
    merged(Path(into), source)
    with open_store(into) as store, open_store(source) as other:
        assert find_damage(store) == []
        assert [one.run for one in store.runs()] == [one.run for one in other.runs()]
