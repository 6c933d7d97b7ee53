"""Storing a run that was measured elsewhere, and forgetting a baseline."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import UsageError
from dctbench.exporters.registry import FORMATS
from dctbench.machine.disclosure import Disclosure
from dctbench.model import Run, RunSettings
from dctbench.runs.lookup import RecordedRun, disclosure, forwarded
from dctbench.store import Store, open_store
from dctbench.store.checking import find_damage
from dctbench.store.importing import import_run
from dctbench.store.pruning import forget_baseline
from tests.fuzz.command import command
from tests.support.made import ENVIRONMENT, RUN, result

RESULTS = [result("sdpa", 64, 1.0), result("sdpa", 64, 2.0, round=2), result("full", 64, 3.0)]
OTHER_HOST = replace(ENVIRONMENT, fingerprint="e" * 16)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as opened:
        yield opened


def test_an_imported_run_is_whole_with_a_plan_of_exactly_its_results(store: Store) -> None:
    assert import_run(store, RUN, [ENVIRONMENT, OTHER_HOST], RESULTS) == (3, 0)
    [state] = store.runs()
    assert (state.run, state.planned, state.stored, state.complete) == (RUN, 3, 3, True)
    assert store.planned_rounds(RUN.id) == {RESULTS[0].case: 2, RESULTS[2].case: 1}
    assert store.results(RUN.id) == RESULTS
    assert store.environments(RUN.id) == {one.fingerprint: one for one in (ENVIRONMENT, OTHER_HOST)}
    assert find_damage(store) == []


def test_what_a_store_has_of_a_run_stays_and_the_longer_plan_counts(store: Store) -> None:
    import_run(store, RUN, [ENVIRONMENT], RESULTS[:1])
    again = [result("sdpa", 64, 9.0), RESULTS[1]]
    assert import_run(store, RUN, [ENVIRONMENT], again) == (1, 0)
    assert store.results(RUN.id) == RESULTS[:2]
    assert store.planned_rounds(RUN.id) == {RESULTS[0].case: 2}
    assert import_run(store, RUN, [ENVIRONMENT], RESULTS[:1]) == (0, 0)
    assert store.planned_rounds(RUN.id) == {RESULTS[0].case: 2}


def test_a_measurement_in_a_file_replaces_a_failure_as_in_a_merge(store: Store, tmp_path: Path) -> None:
    words = ("skipped", "error", "oom")
    worse = [result("sdpa", 64 * n, None, status=word) for n, word in enumerate(words, 1)]  # type: ignore[arg-type]
    import_run(store, RUN, [ENVIRONMENT], worse)
    better = [
        result("sdpa", 64, None, status="error"), result("sdpa", 128, 1.0), result("sdpa", 192, 2.0),
        result("sdpa", 256, 3.0),
    ]  # fmt: skip
    text = str(FORMATS["json"].write(RecordedRun(RUN, {ENVIRONMENT.fingerprint: ENVIRONMENT}, better, [])))
    (tmp_path / "better.json").write_text(text, encoding="utf-8")
    done = command("import", str(tmp_path / "better.json"), "--store", store.name)
    assert done.out.endswith(": 4 results, 1 of them new, 2 replaced worse ones\n"), done.err
    measured = [(one.case.seq_len, one.status) for one in store.results(RUN.id)]
    assert sorted(measured) == [(64, "error"), (128, "ok"), (192, "oom"), (256, "ok")]
    done = command("import", str(tmp_path / "better.json"), "--store", store.name)
    assert done.out.endswith(": 4 results, none of them new\n"), done.err
    import_run(store, RUN, [ENVIRONMENT], worse)
    assert [(one.case.seq_len, one.status) for one in store.results(RUN.id)] == measured


def shard(number: int | None, *, second: int, home: str = "/home/alice") -> Run:
    settings = {**RUN.settings.to_json(), **({} if number is None else {"shard": f"{number}/3"})}
    return replace(
        RUN, label="nightly", argv=("run", "--suite", f"{home}/{second}.toml"),
        started_at=f"2026-01-02T03:04:{second:02d}.000000+00:00", settings=RunSettings.from_json(settings),
    )  # fmt: skip


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
@pytest.mark.parametrize("anonymous", [False, True])
def test_exported_shards_become_one_run(store: Store, tmp_path: Path, order: Sequence[int], anonymous: bool) -> None:
    for place, number in enumerate(order, 1):
        found = [result("sdpa", 64 * number, 1.0)]
        made = RecordedRun(shard(number, second=number), {ENVIRONMENT.fingerprint: ENVIRONMENT}, found, [])
        file = tmp_path / f"{number}.json"
        told = forwarded(made, disclosure(made, anonymous=anonymous))
        file.write_text(str(FORMATS["json"].write(told)), encoding="utf-8")
        for _ in range(2):
            done = command("import", str(file), "--store", store.name)
            assert done.code == 0, done.err
        [state] = store.runs()
        shards = None if place == 3 else f"{','.join(map(str, sorted(order[:place])))}/3"
        assert (state.run.settings.shard, state.planned, state.stored) == (shards, place, place)
        assert state.run.started_at.endswith(f":0{min(order[:place])}.000000+00:00")
        assert find_damage(store) == []


def test_a_shard_in_a_file_changes_nothing_of_the_whole_run(store: Store) -> None:
    whole = shard(None, second=2)
    results = [result("sdpa", 64 * number, 1.0) for number in (1, 2, 3)]
    import_run(store, whole, [ENVIRONMENT], results)
    told = Disclosure(True).run(shard(3, second=1))
    assert import_run(store, told, [ENVIRONMENT], results[2:]) == (0, 0)
    [state] = store.runs()
    assert state.run == whole  # with an earlier start, it would be older than `prune --older-than` allows
    other = RunSettings.from_json({"rounds": 9, "shard": "1/3"})
    with pytest.raises(UsageError, match="holds another run with the id"):
        import_run(store, replace(shard(1, second=1), settings=other), [ENVIRONMENT], results[:1])


@pytest.mark.parametrize(
    "other",
    [
        replace(RUN, label="another"),
        replace(RUN, suite="another"),
        replace(RUN, started_at="2026-01-02T03:04:06.000000+00:00"),
        replace(RUN, dctbench_version="9"),
        replace(RUN, settings=RunSettings.from_json({"rounds": 9})),
    ],
)
def test_another_run_with_the_same_id_is_refused_and_nothing_is_stored(store: Store, other: object) -> None:
    import_run(store, RUN, [], RESULTS[:1])
    with pytest.raises(UsageError) as refused:
        import_run(store, other, [ENVIRONMENT], RESULTS)  # type: ignore[arg-type]
    assert refused.value.message == f"the store {store.name} holds another run with the id {RUN.id}"
    assert refused.value.hint == "import it into a new store: --store NEW"
    assert (store.results(RUN.id), store.environments(RUN.id)) == (RESULTS[:1], {})


def test_a_baseline_is_forgotten_by_its_name_and_its_run_stays(store: Store) -> None:
    import_run(store, RUN, [], RESULTS)
    for name in ("main", "release"):
        store.save_baseline(name, RUN.id)
    assert forget_baseline(store, "main") == RUN.id
    assert [one.name for one in store.baselines()] == ["release"]
    assert [state.run for state in store.runs()] == [RUN]
    with pytest.raises(UsageError, match=r"^unknown baseline 'releese'; did you mean 'release'"):
        forget_baseline(store, "releese")
