"""The order of a sweep, what it leaves out and why, and what it has stored whenever it ends."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.model import Case, Result, ResultDetails
from dctbench.runners import MeasureSpec, Place
from dctbench.runners.interleave import Turn
from dctbench.scheduler import in_order, sweep
from dctbench.scheduler.estimate import estimate
from dctbench.scheduler.events import CaseFinished, CaseStarted, Event, RunStarted, StillRunning
from dctbench.scheduler.plan import Plan, ordered
from dctbench.scheduler.specs import Specs
from dctbench.store import Store, open_store
from tests.support.made import CALIBRATION, ENVIRONMENT, RUN, result
from tests.support.scripted import Scripted

CASES = [Case(name, n) for n in (64, 128, 256) for name in ("sdpa", "full")]


def ok(case: Case, round: int) -> Result:
    return result(case.implementation, case.seq_len, 1e-3 * case.seq_len, round=round)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as made:
        made.add_run(RUN, CASES, rounds=2)
        yield made


def plan(rounds: int = 2) -> Plan:
    return Plan(dict.fromkeys(ordered(CASES, "sdpa", 0), rounds), "sdpa", estimate(CASES, {}))


def test_every_case_is_measured_in_every_round_and_stored(store: Store) -> None:
    runner = Scripted(ok)
    events: list[Event] = []
    outcome = sweep.run_sweep(RUN, plan().orders(), runner, store, events.append, Specs())
    assert sorted(runner.asked) == sorted((c.implementation, c.seq_len, r) for c in CASES for r in (1, 2))
    assert len(store.results(RUN.id)) == 12
    assert outcome.statuses == {"ok": 12}
    assert not outcome.failed
    finished = [event for event in events if isinstance(event, CaseFinished)]
    assert [event.done for event in finished] == list(range(1, 13))
    assert isinstance(events[0], RunStarted)
    assert store.environments(RUN.id) == {ENVIRONMENT.fingerprint: ENVIRONMENT}


def test_what_happens_is_told_in_order_with_what_is_done_and_what_there_is_to_do(store: Store) -> None:
    events: list[Event] = []
    order = plan(1).orders()
    stored = [ok(order[0][0], 1)]
    store.add_results(RUN.id, stored)
    sweep.run_sweep(RUN, order, Scripted(ok), store, events.append, Specs(), stored=stored)
    told: list[Event] = [RunStarted(RUN, 1, 6)]
    for done, case in enumerate(order[0][1:], 1):
        told += [CaseStarted(case, 1, done, 6), CaseFinished(ok(case, 1), done + 1, 6)]
    assert events == told


def test_a_result_is_stored_before_anyone_hears_of_it(store: Store) -> None:
    def hear(event: Event) -> None:
        if isinstance(event, CaseFinished):
            assert event.result in store.results(RUN.id)

    sweep.run_sweep(RUN, plan(1).orders(), Scripted(ok), store, hear, Specs())
    assert len(store.results(RUN.id)) == len(CASES)


def test_a_first_round_goes_by_length_reference_first_and_later_ones_are_shuffled_the_same_way_each_time() -> None:
    first, second, third = plan(3).orders()
    assert [case.seq_len for case in first] == [64, 64, 128, 128, 256, 256]
    assert all(case.implementation == "sdpa" for case in first[::2])
    assert sorted(second, key=lambda c: c.id) == sorted(first, key=lambda c: c.id)
    assert len({first, second, third}) == 3
    assert plan(3).orders() == [first, second, third]


def test_out_of_memory_spares_the_longer_lengths_of_its_row_only(store: Store) -> None:
    def script(case: Case, round: int) -> Result:
        if case.implementation == "full" and case.seq_len >= 128:
            return result("full", case.seq_len, None, status="oom", message="needs 9 TiB", round=round)
        return ok(case, round)

    runner = Scripted(script)
    outcome = sweep.run_sweep(RUN, plan().orders(), runner, store, lambda event: None, Specs())
    assert ("full", 256, 1) not in runner.asked
    assert ("full", 128, 2) not in runner.asked
    assert [n for name, n, r in runner.asked if name == "sdpa" and r == 1] == [64, 128, 256]
    messages = {(r.case.seq_len, r.round): r.message for r in store.results(RUN.id) if r.status == "skipped"}
    assert messages == {
        (256, 1): "oom already at n = 128 (needs 9 TiB)",
        (128, 2): "oom already in round 1",
        (256, 2): "oom already at n = 128 (needs 9 TiB)",
    }
    assert not outcome.failed


def test_a_case_that_is_faster_than_the_machine_allows_is_stored_as_an_error(store: Store) -> None:
    """The ceilings allow 9e11 FLOP/s, and twice that passes: 5e12 FLOPs take more than 2.7 s, and 1e9 some 0.6 ms."""

    def script(case: Case, round: int) -> Result:
        flops = {"flops": ("FLOP", 5e12 if case.implementation == "full" else 1e9)}
        return result(case.implementation, case.seq_len, 0.1, round=round, values=flops)

    specs = Specs(calibrations={"cpu": CALIBRATION})
    heard: list[Event] = []
    outcome = sweep.run_sweep(RUN, plan(1).orders(), Scripted(script), store, heard.append, specs)
    statuses = {(one.case.implementation, one.status) for one in store.results(RUN.id)}
    assert statuses == {("full", "error"), ("sdpa", "ok")}
    assert all(
        (one.message or "").startswith("implausible: 0.1 s") == (one.status == "error") for one in store.results(RUN.id)
    )
    assert {one.result.status for one in heard if isinstance(one, CaseFinished)} == {"ok", "error"}
    assert outcome.failed


@pytest.mark.parametrize("resumed", [False, True])
def test_a_timeout_below_lengths_that_ran_spares_none_of_them(store: Store, resumed: bool) -> None:
    def script(case: Case, round: int) -> Result:
        if case.implementation == "full" and (case.seq_len, round) in ((64, 2), (256, 1)):
            return result("full", case.seq_len, None, status="timeout", message="it was busy", round=round)
        return ok(case, round)

    orders, stored = plan(3).orders(), []
    if resumed:  # as a store may hand results back: shorter ones first, whatever their round
        stored = sorted((script(case, number) for number in (1, 2) for case in CASES), key=lambda r: r.case.seq_len)
    sweep.run_sweep(RUN, orders, Scripted(script), store, lambda event: None, Specs(), stored=stored)
    found = {
        (r.case.seq_len, r.round): (r.status, r.message)
        for r in store.results(RUN.id)
        if r.case.implementation == "full" and r.round == 3
    }
    assert found == {
        (64, 3): ("skipped", "timeout already in round 2"),
        (128, 3): ("ok", None),
        (256, 3): ("skipped", "timeout already in round 1"),
    }


def test_without_pruning_longer_lengths_are_tried(store: Store) -> None:
    runner = Scripted(
        lambda case, round: result(case.implementation, case.seq_len, None, status="timeout", round=round)
    )
    outcome = sweep.run_sweep(RUN, plan().orders(), runner, store, lambda event: None, Specs(), prune=False)
    assert sorted(runner.asked) == sorted((c.implementation, c.seq_len, 1) for c in CASES)
    assert outcome.failed


def test_an_error_is_no_reason_to_spare_longer_lengths(store: Store) -> None:
    runner = Scripted(lambda case, round: result(case.implementation, case.seq_len, None, status="error", round=round))
    assert sweep.run_sweep(RUN, plan().orders(), runner, store, lambda event: None, Specs()).failed
    assert len([1 for *_, round in runner.asked if round == 1]) == len(CASES)


def test_a_resumed_sweep_measures_only_what_is_missing_and_remembers_limits(store: Store) -> None:
    stored = [result("sdpa", 64, 1.0), result("full", 64, None, status="oom", message="needs 9 TiB")]
    for one in stored:
        store.add_result(RUN.id, one)
    runner = Scripted(ok)
    sweep.run_sweep(RUN, plan().orders(), runner, store, lambda event: None, Specs(), stored=stored)
    assert ("sdpa", 64, 1) not in runner.asked
    assert not [1 for name, *_ in runner.asked if name == "full"]
    assert len(store.results(RUN.id)) == 12


def test_what_was_finished_before_an_interruption_is_stored(store: Store) -> None:
    def script(case: Case, round: int) -> Result:
        if case.seq_len == 128:
            raise KeyboardInterrupt
        return ok(case, round)

    with pytest.raises(KeyboardInterrupt):
        sweep.run_sweep(RUN, plan().orders(), Scripted(script), store, lambda event: None, Specs())
    assert [r.case.seq_len for r in store.results(RUN.id)] == [64, 64]


def test_a_long_case_gives_signs_of_life(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_order, "HEARTBEAT_SECONDS", 0.001)
    pending: list[Future[Result]] = []

    class Slow(Scripted):
        def submit(
            self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
        ) -> Future[Result]:
            pending.append(Future())
            return pending[-1]

    beats: list[StillRunning] = []

    def listen(event: Event) -> None:
        if isinstance(event, StillRunning):
            assert 0 < event.seconds < 60
            beats.append(event)
            pending[-1].set_result(ok(event.case, 1))

    sweep.run_sweep(RUN, plan(1).orders(), Slow(ok), store, listen, Specs())
    order = plan(1).orders()[0]
    assert [(one.case, one.done, one.total) for one in beats] == [(case, n, 6) for n, case in enumerate(order)]


def test_later_rounds_have_the_cases_with_so_many_rounds_only() -> None:
    rounds = {case: 1 + i % 3 for i, case in enumerate(ordered(CASES, "sdpa", 0))}
    orders = Plan(rounds, "sdpa", estimate(CASES, {})).orders()
    assert [set(order) for order in orders] == [{c for c, most in rounds.items() if most >= n} for n in (1, 2, 3)]


def unusable(case: Case, round: int) -> Result:
    reason = "cuda:0: torch cannot use it: busy"
    skipped = result(case.implementation, case.seq_len, None, status="skipped", message=reason, round=round)
    return replace(skipped, details=ResultDetails(device_unusable=True))


def test_a_device_that_torch_cannot_use_is_tried_once_and_every_case_keeps_the_reason(store: Store) -> None:
    def script(case: Case, round: int) -> Result:
        return unusable(case, round)

    runner = Scripted(script)
    outcome = sweep.run_sweep(RUN, plan().orders(), runner, store, lambda event: None, Specs())
    assert len(runner.asked) == 1
    assert outcome.statuses == {"skipped": 12}
    assert {one.message for one in store.results(RUN.id)} == {"cuda:0: torch cannot use it: busy"}
    assert not outcome.failed


def test_a_resumed_run_tries_the_device_again(store: Store) -> None:
    first, *_ = plan().orders()[0]
    runner = Scripted(ok)
    stored = [unusable(first, 1)]
    outcome = sweep.run_sweep(RUN, plan().orders(), runner, store, lambda event: None, Specs(), stored=stored)
    assert outcome.statuses == {"skipped": 1, "ok": 11}
