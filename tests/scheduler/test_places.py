"""A sweep over several places: units stay together, and the loss of a place loses and doubles nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.model import Case, Environment, Result
from dctbench.runners import LostError, MeasureSpec, Place
from dctbench.runners.interleave import Turn
from dctbench.scheduler.events import CaseFinished, Event, Notice
from dctbench.scheduler.in_order import SweepOutcome
from dctbench.scheduler.specs import Specs
from dctbench.scheduler.spread import MOST_LOSSES
from dctbench.scheduler.sweep import run_sweep
from dctbench.store import Store, open_store
from tests.support.made import ENVIRONMENT, RUN, result
from tests.support.scripted import Scripted

CASES = [Case(name, n) for n in (64, 128, 256, 512) for name in ("sdpa", "full")]
OTHER = Environment({**ENVIRONMENT.facts, "cpu": "Other CPU"}, "e" * 16)


class Nodes(Scripted):
    """Places that answer at once. `lost` says how often a case loses its place; `back` whether the place returns."""

    several = True

    def __init__(self, *environments: Environment, lost: dict[tuple[Case, int], int], back: bool = True) -> None:
        super().__init__(lambda case, round: result(case.implementation, case.seq_len, round=round))
        self.live = [Place(f"node {number}", one) for number, one in enumerate(environments, 1)]
        self.lost = lost
        self.back = back

    @property
    def environments(self) -> Sequence[Environment]:
        return [place.environment for place in self.live]

    def places(self) -> Sequence[Place]:
        return list(self.live)

    def submit(
        self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
    ) -> Future[Result]:
        assert place in self.live
        future: Future[Result] = Future()
        if self.lost.get((case, spec.round), 0):
            self.lost[case, spec.round] -= 1
            self.live.remove(place)
            if self.back:
                self.live.append(Place(place.name, place.environment))
            future.set_exception(LostError(f"{place.name} was lost"))
            return future
        here = place.environment
        future.set_result(replace(self.script(case, spec.round), fingerprint=here.fingerprint))
        return future


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as made:
        made.add_run(RUN, CASES, rounds=2)
        yield made


def sweep(store: Store, runner: Nodes, events: list[Event], stored: Sequence[Result] = ()) -> SweepOutcome:
    return run_sweep(RUN, [CASES, CASES[::-1]], runner, store, events.append, Specs(), stored=stored)


def test_a_unit_is_measured_at_one_place_and_every_case_once(store: Store) -> None:
    events: list[Event] = []
    assert sweep(store, Nodes(ENVIRONMENT, OTHER, lost={}), events).statuses == {"ok": 16}
    finished = [event for event in events if isinstance(event, CaseFinished)]
    assert [event.done for event in finished] == list(range(1, 17))
    places: dict[int, set[str]] = {}
    for event in finished:
        places.setdefault(event.result.case.seq_len, set()).add(event.place)
    assert all(len(names) == 1 for names in places.values())
    assert len(set.union(*places.values())) == 2
    assert len({(one.case, one.round) for one in store.results(RUN.id)}) == 16
    assert set(store.environments(RUN.id)) == {ENVIRONMENT.fingerprint, OTHER.fingerprint}


@pytest.mark.parametrize("back", [True, False])
def test_the_case_of_a_lost_place_is_tried_again_and_the_attempts_are_shown(store: Store, back: bool) -> None:
    events: list[Event] = []
    outcome = sweep(store, Nodes(ENVIRONMENT, ENVIRONMENT, lost={(CASES[3], 1): 1}, back=back), events)
    assert outcome.statuses == {"ok": 16}
    [notice] = [event.message for event in events if isinstance(event, Notice)]
    assert notice.endswith("was lost while it measured full n=128: attempt 2 of 3 follows")
    attempts = {(one.case, one.round): one.details.attempts for one in store.results(RUN.id)}
    assert {key for key, number in attempts.items() if number} == {(CASES[3], 1)}
    assert attempts[CASES[3], 1] == 2
    assert store.attempts(RUN.id) == {}


def test_a_case_that_always_loses_its_place_is_an_error_and_the_sweep_goes_on(store: Store) -> None:
    events: list[Event] = []
    outcome = sweep(store, Nodes(ENVIRONMENT, ENVIRONMENT, lost={(CASES[0], 1): 99}), events)
    assert outcome.statuses == {"ok": 14, "error": 1, "skipped": 1}
    [failed] = [one for one in store.results(RUN.id) if one.status == "error"]
    assert (failed.case, failed.details.attempts) == (CASES[0], MOST_LOSSES)
    assert str(failed.message).startswith("its node was lost 3 times: node ")


def test_a_unit_goes_on_only_on_a_machine_like_the_one_that_began_it(store: Store) -> None:
    """The first of two places is lost for good while it measures a unit, which the other one must not finish."""
    events: list[Event] = []
    outcome = sweep(store, Nodes(ENVIRONMENT, OTHER, lost={(CASES[1], 1): 1}, back=False), events)
    results = store.results(RUN.id)
    assert len(results) == 16
    assert outcome.statuses["error"] == 3
    failed = [one for one in results if one.status == "error"]
    assert {one.case.seq_len for one in failed} == {64}
    assert all("was begun on a machine" in str(one.message) for one in failed)
    for n in (64, 128, 256, 512):
        assert len({one.fingerprint for one in results if one.case.seq_len == n}) == 1


def test_a_resumed_unit_waits_for_its_kind_of_machine(store: Store) -> None:
    begun = replace(result("sdpa", 64), fingerprint=OTHER.fingerprint)
    store.add_environment(RUN.id, OTHER)
    store.add_result(RUN.id, begun)
    sweep(store, Nodes(ENVIRONMENT, OTHER, lost={}), [], stored=[begun])
    assert {one.fingerprint for one in store.results(RUN.id) if one.case.seq_len == 64} == {OTHER.fingerprint}
