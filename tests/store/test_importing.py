"""Storing a run that was measured elsewhere, and forgetting a baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import UsageError
from dctbench.model import RunSettings
from dctbench.store import Store, open_store
from dctbench.store.checking import find_damage
from dctbench.store.importing import import_run
from dctbench.store.pruning import forget_baseline
from tests.support.made import ENVIRONMENT, RUN, result

RESULTS = [result("sdpa", 64, 1.0), result("sdpa", 64, 2.0, round=2), result("full", 64, 3.0)]
OTHER_HOST = replace(ENVIRONMENT, fingerprint="e" * 16)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as opened:
        yield opened


def test_an_imported_run_is_whole_with_a_plan_of_exactly_its_results(store: Store) -> None:
    assert import_run(store, RUN, [ENVIRONMENT, OTHER_HOST], RESULTS) == 3
    [state] = store.runs()
    assert (state.run, state.planned, state.stored, state.complete) == (RUN, 3, 3, True)
    assert store.planned_rounds(RUN.id) == {RESULTS[0].case: 2, RESULTS[2].case: 1}
    assert store.results(RUN.id) == RESULTS
    assert store.environments(RUN.id) == {one.fingerprint: one for one in (ENVIRONMENT, OTHER_HOST)}
    assert find_damage(store) == []


def test_what_a_store_has_of_a_run_stays_and_the_longer_plan_counts(store: Store) -> None:
    import_run(store, RUN, [ENVIRONMENT], RESULTS[:1])
    again = [result("sdpa", 64, 9.0), RESULTS[1]]
    assert import_run(store, RUN, [ENVIRONMENT], again) == 1
    assert store.results(RUN.id) == RESULTS[:2]
    assert store.planned_rounds(RUN.id) == {RESULTS[0].case: 2}
    assert import_run(store, RUN, [ENVIRONMENT], RESULTS[:1]) == 0
    assert store.planned_rounds(RUN.id) == {RESULTS[0].case: 2}


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
