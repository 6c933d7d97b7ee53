"""A sweep over several places: units stay together, and the loss of a place loses and doubles nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.errors import UnavailableError
from dctbench.machine.calibration import PLANNER_RATES
from dctbench.model import Case, Environment, Result
from dctbench.runners import LostError, MeasureSpec, Place
from dctbench.runners.interleave import Turn
from dctbench.scheduler import in_order
from dctbench.scheduler.events import CaseFinished, Event, Notice, StillRunning, ignore
from dctbench.scheduler.in_order import SweepOutcome
from dctbench.scheduler.specs import Specs
from dctbench.scheduler.spread import MOST_LOSSES
from dctbench.scheduler.sweep import run_sweep
from dctbench.store import Store, open_store
from tests.support.made import CALIBRATION, ENVIRONMENT, RUN, result
from tests.support.scripted import Scripted

CASES = [Case(name, n) for n in (64, 128, 256, 512) for name in ("sdpa", "full")]
OTHER = Environment({**ENVIRONMENT.facts, "cpu": "Other CPU"}, "e" * 16)


class Nodes(Scripted):
    """Places that answer at once.

    Args:
        lost: how often a case loses its place.
        back: whether the place returns.
        after: how often a sweep must ask whether it does before it is there.
    """

    several = True

    def __init__(
        self, *environments: Environment, lost: dict[tuple[Case, int], int], back: bool = True, after: int = 0
    ) -> None:
        super().__init__(lambda case, round: result(case.implementation, case.seq_len, round=round))
        self.live = [Place(f"node {number}", one) for number, one in enumerate(environments, 1)]
        self.lost = lost
        self.back, self.after = back, after
        self.away: list[Place] = []

    @property
    def environments(self) -> Sequence[Environment]:
        return [place.environment for place in self.live]

    def places(self) -> Sequence[Place]:
        return list(self.live)

    def returning(self) -> bool:
        if not self.away:
            return False
        self.after -= 1
        if self.after <= 0:
            self.live += self.away
            self.away.clear()
        return True

    def submit(
        self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
    ) -> Future[Result]:
        assert place in self.live
        future: Future[Result] = Future()
        if self.lost.get((case, spec.round), 0):
            self.lost[case, spec.round] -= 1
            self.live.remove(place)
            if self.back and self.after:
                self.away.append(Place(place.name, place.environment))
            elif self.back:
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
    notices = [event.message.rpartition(": ")[2] for event in events if isinstance(event, Notice)]
    assert notices == ["attempt 2 of 3 follows", "attempt 3 of 3 follows", "it counts as failed"]


def test_each_place_is_judged_by_its_own_ceilings_and_plans_with_its_own_rates(store: Store) -> None:
    """1 TFLOP/s is more than the first machine can do, and little for the one that takes its place."""
    ceilings = {ENVIRONMENT.fingerprint: 1e11, OTHER.fingerprint: 1e13}
    for fingerprint, ceiling in ceilings.items():
        rates = {"float32": {**dict.fromkeys(PLANNER_RATES, 1.0), "gemm": ceiling}}
        calibration = replace(CALIBRATION, gemm={"float32": ceiling}, cost_models=rates)
        store.add_calibration(fingerprint, calibration)
    asked: list[tuple[str, Mapping[str, float] | None]] = []

    class Changing(Nodes):
        def submit(
            self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
        ) -> Future[Result]:
            assert place is not None
            asked.append((place.environment.fingerprint, spec.rates))
            future = super().submit(case, spec, turn, place)
            if len(asked) == 4:  # after two units
                self.live = [Place("another node", OTHER)]
            return future

    nodes = Changing(ENVIRONMENT, lost={})
    nodes.script = lambda case, round: result(
        case.implementation, case.seq_len, 1e-3, round=round, values={"flops": ("FLOP", 1e9)}
    )
    specs = Specs(calibrations=store.calibrations(ENVIRONMENT.fingerprint))
    run_sweep(RUN, [CASES], nodes, store, ignore, specs)
    found = {(one.fingerprint, one.status) for one in store.results(RUN.id)}
    assert found == {(ENVIRONMENT.fingerprint, "error"), (OTHER.fingerprint, "ok")}
    assert all(rates is not None and rates["gemm"] == ceilings[fingerprint] for fingerprint, rates in asked)


def test_long_cases_give_signs_of_life_at_every_place(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_order, "HEARTBEAT_SECONDS", 0.001)
    pending: dict[Case, tuple[int, Future[Result]]] = {}

    class Slow(Nodes):
        def submit(
            self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
        ) -> Future[Result]:
            pending[case] = spec.round, Future()
            return pending[case][1]

    beats: list[tuple[Case, int, int]] = []

    def hear(event: Event) -> None:
        if isinstance(event, StillRunning):
            assert 0 < event.seconds < 60
            beats.append((event.case, event.done, event.total))
            number, future = pending.pop(event.case)
            future.set_result(result(event.case.implementation, event.case.seq_len, round=number))

    run_sweep(RUN, [CASES], Slow(ENVIRONMENT, ENVIRONMENT, lost={}), store, hear, Specs())
    assert sorted(case.id for case, _, _ in beats) == sorted(case.id for case in CASES)
    assert [done for _, done, _ in beats] == sorted(done for _, done, _ in beats)
    assert {total for _, _, total in beats} == {len(CASES)}


def test_a_unit_goes_on_only_on_a_machine_like_the_one_that_began_it(store: Store) -> None:
    """The first of two places is lost for good while it measures a unit, which the other one must not finish.

    All else is measured, and so is the rest of the unit once the run is resumed where such a place is.
    """
    with pytest.raises(UnavailableError, match=rf"^3 results missing: .*\({ENVIRONMENT.fingerprint[:6]}\)$"):
        sweep(store, Nodes(ENVIRONMENT, OTHER, lost={(CASES[1], 1): 1}, back=False), [])
    stored = store.results(RUN.id)
    assert [one.case for one in stored if one.case.seq_len == 64] == [CASES[0]]
    assert len(stored) == 13
    assert {one.status for one in stored} == {"ok"}
    assert store.attempts(RUN.id) == {}

    assert sweep(store, Nodes(OTHER, ENVIRONMENT, lost={}), [], stored).statuses == {"ok": 16}
    results = store.results(RUN.id)
    for n in (64, 128, 256, 512):
        assert len({one.fingerprint for one in results if one.case.seq_len == n}) == 1


def test_a_unit_waits_for_a_lost_machine_that_may_still_come_back(store: Store) -> None:
    nodes = Nodes(ENVIRONMENT, OTHER, lost={(CASES[1], 1): 1}, after=3)
    assert sweep(store, nodes, []).statuses == {"ok": 16}
    assert nodes.after == 0
    assert {one.fingerprint for one in store.results(RUN.id) if one.case.seq_len == 64} == {ENVIRONMENT.fingerprint}


def test_a_unit_that_need_not_run_at_all_leaves_its_place_to_the_next(store: Store) -> None:
    """The longest shape is planned before a short one, and both of its cases are too long."""
    timeouts = {Case(name, 128): replace(result(name, 128), status="timeout", message="") for name in ("sdpa", "full")}
    nodes = Nodes(ENVIRONMENT, lost={})
    nodes.script = lambda case, round: replace(
        timeouts.get(case, result(case.implementation, case.seq_len)), round=round
    )
    plan = [Case(name, n) for n in (128, 512, 256, 64) for name in ("sdpa", "full")]
    run_sweep(RUN, [plan], nodes, store, ignore, Specs())
    found = {(one.case.implementation, one.case.seq_len): one.status for one in store.results(RUN.id)}
    expected = {64: "ok", 128: "timeout", 256: "skipped", 512: "skipped"}
    assert found == {(name, n): expected[n] for n in expected for name in ("sdpa", "full")}


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ((128, 64, 512, 256), {128: "oom", 64: "ok", 512: "skipped", 256: "ok"}),
        ((128, 512, 256, 64), {128: "oom", 512: "ok", 256: "skipped", 64: "ok"}),
    ],
    ids=["one that failed limits no other", "one that succeeded lifts no limit of another"],
)
def test_what_fits_is_known_of_each_machine_by_itself(
    store: Store, lengths: Sequence[int], expected: dict[int, str]
) -> None:
    """The first place takes the first and the third length, and has too little memory from n = 128 on."""

    class Unequal(Nodes):
        def submit(
            self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
        ) -> Future[Result]:
            assert place is not None
            if place.environment == OTHER and case.seq_len >= 128:
                self.script = lambda case, round: result("sdpa", case.seq_len, None, status="oom", message="")
            else:
                self.script = lambda case, round: result("sdpa", case.seq_len)
            return super().submit(case, spec, turn, place)

    plan = [Case("sdpa", n) for n in lengths]
    run_sweep(RUN, [plan], Unequal(OTHER, ENVIRONMENT, lost={}), store, ignore, Specs())
    results = store.results(RUN.id)
    assert {one.case.seq_len: one.status for one in results} == expected
    of_small = {one.case.seq_len for one in results if one.fingerprint == OTHER.fingerprint}
    assert of_small == {lengths[0], lengths[2]}


def test_a_resumed_unit_waits_for_its_kind_of_machine(store: Store) -> None:
    begun = replace(result("sdpa", 64), fingerprint=OTHER.fingerprint)
    store.add_environment(RUN.id, OTHER)
    store.add_result(RUN.id, begun)
    sweep(store, Nodes(ENVIRONMENT, OTHER, lost={}), [], stored=[begun])
    assert {one.fingerprint for one in store.results(RUN.id) if one.case.seq_len == 64} == {OTHER.fingerprint}
