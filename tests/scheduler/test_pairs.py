"""The loop of a check, driven by scripted processes: what is measured next, in which order, and what decides it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from dctbench.analysis import summarise
from dctbench.compare import CONFIRMING, Judgement, Rules
from dctbench.errors import DctbenchError
from dctbench.model import Case, Measurement, Reason, ReasonCode, Result, VerdictKind
from dctbench.runners import MeasureSpec, Place
from dctbench.runners.interleave import Turn
from dctbench.scheduler import in_order
from dctbench.scheduler.events import CaseFinished, Event, RoundStarted, StillRunning, ignore
from dctbench.scheduler.pairs import Side, check_pairs, check_stored, measure_pair, repeat_pairs
from dctbench.scheduler.specs import Specs
from dctbench.store import Store, open_store
from tests.support.made import CALIBRATION, RUN, elsewhere, result
from tests.support.scripted import Asked, Scripted
from tests.support.trained import learned, trained

SHORT, LONG = Case("dct-x", 1024, 8), Case("dct-x", 2048, 8)
REFERENCES = tuple(Case(name, n) for n in (1024, 2048) for name in ("sdpa", "none"))
RULES = Rules(latency=0.10, pairs=5, max_pairs=15)
EVERY_PAIR = range(1, 6)
FRESH_PAIRS = range(CONFIRMING + 1, CONFIRMING + 6)
Factor = Callable[[Case, int], float]


def same(case: Case, number: int) -> float:
    return 1.0


def slow_at(length: int, by: float, *, until: int = 10 * CONFIRMING) -> Factor:
    return lambda case, number: by if case.seq_len == length and case.implementation == "dct-x" else 1.0


def taking(factor: Factor) -> Callable[[Case, int], Result]:
    """Two milliseconds for each case, times a factor."""

    def script(case: Case, number: int) -> Result:
        return replace(result(seconds=2e-3 * factor(case, number), round=number), case=case)

    return script


class Check:
    """Both sides of a check in one store, with the log of what their runners were asked, in order."""

    def __init__(self, store: Store, base: Factor = same, head: Factor = same, specs: Specs | None = None) -> None:
        self.log: list[Asked | str] = []
        self.events: list[Event] = []
        self.store = store
        sides = []
        for name, factor in (("base", base), ("head", head)):
            run = replace(RUN, id=name.ljust(16, "0"))
            store.add_run(run, [SHORT, LONG, *REFERENCES], 5)
            store.add_environment(run.id, Scripted.environment)
            sides.append(Side(run, Scripted(taking(factor), name, self.log), store, specs or Specs()))
        self.base, self.head = sides

    def hear(self, event: Event) -> None:
        self.events.append(event)

    def __call__(
        self,
        judged: Sequence[Case] = (SHORT,),
        beside: Sequence[Case] = REFERENCES,
        *,
        lacking: Sequence[Case] = (),
        rules: Rules = RULES,
    ) -> Judgement:
        counterparts = {case: case for case in judged}
        return check_pairs(self.base, self.head, counterparts, beside, frozenset(lacking), rules, self.hear)

    @property
    def asked(self) -> list[Asked]:
        return [one for one in self.log if isinstance(one, Asked)]

    def rounds(self, runner: str, case: Case) -> list[int]:
        return [one.spec.round for one in self.asked if (one.runner, one.case) == (runner, case)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "s.sqlite"), create=True) as opened:
        yield opened


def latency(judgement: Judgement) -> dict[Case, VerdictKind]:
    return {verdict.case: verdict.kind for verdict in judgement.verdicts if verdict.metric == "latency"}


def test_equal_sides_are_measured_in_the_fewest_pairs_and_everything_is_stored(store: Store) -> None:
    check = Check(store)
    judgement = check()
    assert latency(judgement) == {SHORT: VerdictKind.PASS}
    beside = [case for case in REFERENCES if case.seq_len == 1024]
    for side, case in itertools.product((check.base, check.head), (SHORT, *beside)):
        assert check.rounds(side.run.id.rstrip("0"), case) == list(EVERY_PAIR)
        assert [one.round for one in store.results(side.run.id) if one.case == case] == list(EVERY_PAIR)
    assert not {one.case.seq_len for one in check.asked} - {1024}  # references of no judged shape are left out
    started = [event for event in check.events if isinstance(event, RoundStarted)]
    assert started == [RoundStarted(number, 15, 1, False) for number in EVERY_PAIR]


@pytest.mark.parametrize("lacking", [(), (SHORT,)])
def test_a_pair_that_takes_long_gives_signs_of_life(
    store: Store, monkeypatch: pytest.MonkeyPatch, lacking: Sequence[Case]
) -> None:
    monkeypatch.setattr(in_order, "HEARTBEAT_SECONDS", 0.001)
    pending: list[tuple[Future[Result], Result]] = []

    class Slow(Scripted):
        def submit(
            self, case: Case, spec: MeasureSpec, turn: Turn | None = None, place: Place | None = None
        ) -> Future[Result]:
            pending.append((future := Future[Result](), self.script(case, spec.round)))
            return future

    check = Check(store)
    beats: list[StillRunning] = []

    def listen(event: Event) -> None:
        if isinstance(event, StillRunning):
            beats.append(event)
            for future, measured in pending:
                future.set_result(measured)
            pending.clear()

    base, head = (replace(side, runner=Slow(taking(same), "slow")) for side in (check.base, check.head))
    rules = Rules(latency=0.10, pairs=1, max_pairs=1)
    check_pairs(base, head, {SHORT: SHORT}, (), frozenset(lacking), rules, listen)
    assert [(beat.case, beat.done) for beat in beats][:1] == [(SHORT, 0)]
    assert all(0 < beat.seconds < 60 for beat in beats)


def test_a_reference_that_is_judged_is_measured_once_in_each_pair(store: Store) -> None:
    sdpa, none = Case("sdpa", 1024), Case("none", 1024)
    check = Check(store)
    judgement = check((SHORT, sdpa), (none,))
    assert latency(judgement) == {SHORT: VerdictKind.PASS, sdpa: VerdictKind.PASS}
    assert check.rounds("head", sdpa) == check.rounds("base", sdpa) == list(EVERY_PAIR)


def test_a_slowdown_is_called_by_fresh_pairs_of_that_case_and_its_references_alone(store: Store) -> None:
    check = Check(store, head=slow_at(1024, 4.0))
    judgement = check((SHORT, LONG))
    assert latency(judgement) == {SHORT: VerdictKind.SLOWER, LONG: VerdictKind.PASS}
    assert judgement.exit_code() == 1
    fresh = [one for one in check.asked if one.spec.round > CONFIRMING]
    assert {one.case for one in fresh} == {SHORT, *(case for case in REFERENCES if case.seq_len == 1024)}
    first = [number for number in check.rounds("head", SHORT) if number < CONFIRMING]
    confirming = check.rounds("head", SHORT)[len(first) :]
    assert first == list(range(1, len(first) + 1))
    assert confirming == [CONFIRMING + number for number in range(1, len(confirming) + 1)]
    assert len(confirming) >= RULES.pairs
    assert check.rounds("base", SHORT) == [*first, *confirming]
    started = [event for event in check.events if isinstance(event, RoundStarted)]
    assert [(one.number, one.cases) for one in started if one.confirming] == [
        (number - CONFIRMING, 1) for number in confirming
    ]


def test_a_slowdown_that_is_gone_in_fresh_pairs_passes(store: Store) -> None:
    check = Check(store, head=lambda case, number: 4.0 if case == SHORT and number < CONFIRMING else 1.0)
    judgement = check()
    assert latency(judgement) == {SHORT: VerdictKind.PASS}
    [verdict] = [verdict for verdict in judgement.verdicts if verdict.metric == "latency"]
    assert verdict.reason == Reason(ReasonCode.NOT_CONFIRMED, {"then": None, "first": "slower"})
    assert check.rounds("head", SHORT)[-5:] == list(FRESH_PAIRS)


def test_a_case_that_stays_undecided_takes_the_most_pairs_and_the_others_no_more_than_they_need(store: Store) -> None:
    """It changes by turns far beyond the tolerance in both directions."""
    check = Check(store, head=lambda case, number: (1.5 if number % 2 else 0.7) if case == LONG else 1.0)
    judgement = check((SHORT, LONG))
    assert latency(judgement) == {SHORT: VerdictKind.PASS, LONG: VerdictKind.INCONCLUSIVE}
    assert len(check.rounds("head", LONG)) == RULES.max_pairs
    assert check.rounds("head", SHORT) == list(EVERY_PAIR)
    assert len(check.rounds("head", Case("sdpa", 1024))) == RULES.pairs
    begins = {one.spec.round: one.runner for one in check.asked if one.case == LONG and one.begins}
    assert all({begins[number], begins[number + 1]} == {"base", "head"} for number in range(1, RULES.max_pairs, 2))


def test_which_side_begins_is_drawn_and_changes_within_every_two_pairs_of_a_case(store: Store) -> None:
    check = Check(store, head=slow_at(1024, 4.0))
    check((SHORT, LONG))
    pairs = zip(check.asked[::2], check.asked[1::2], strict=True)
    begins: dict[Case, list[str]] = {}
    for first, second in pairs:
        assert {first.runner, second.runner} == {"base", "head"}
        assert first.case == second.case
        assert (first.begins, second.begins) == (True, False)
        begins.setdefault(first.case, []).append(first.runner)
    for runners in begins.values():
        whole = [runners[at : at + 2] for at in range(0, min(len(runners), 5) - 1, 2)]
        assert all(len(set(two)) == 2 for two in whole), "head and base begin one pair of every two"
    assert {runners[0] for runners in begins.values()} == {"base", "head"}, "no side begins with every case"


def test_pairs_go_shape_by_shape_in_an_order_that_changes_and_is_drawn_the_same_way_each_time(
    store: Store, tmp_path: Path
) -> None:
    judged = [Case("dct-x", n, ratio) for n in (1024, 2048) for ratio in (2, 4, 8)]
    check = Check(store)
    check(judged)
    rounds = [
        [one.case for one in check.asked if one.spec.round == number and one.runner == "head"] for number in EVERY_PAIR
    ]
    for order in rounds:
        assert sorted(order, key=str) == sorted([*judged, *REFERENCES], key=str)
        lengths = [case.seq_len for case in order]
        assert len(list(itertools.groupby(lengths))) == 2, "a case and its references are measured near in time"
    assert len({order[0].seq_len for order in rounds}) == 2, "no shape always goes first"
    inner = {tuple(case for case in order if case.seq_len == 1024) for order in rounds}
    assert len(inner) == len(rounds), "no case always follows the same other one"
    with open_store(str(tmp_path / "again.sqlite"), create=True) as other:
        again = Check(other)
        again(judged[::-1], REFERENCES[::-1])  # whatever the order in which cases were asked for
    assert again.asked == check.asked


def test_both_interpreters_of_a_round_start_before_its_first_case_and_the_device_is_held_for_both(store: Store) -> None:
    check = Check(store)
    check()
    took: list[str] = []
    for number in EVERY_PAIR:
        start = check.log.index(f"base ready for cpu in round {number}")
        assert check.log[start + 1] == f"head ready for cpu in round {number}"
        assert (check.log[start - 1], check.log[start + 2]) == ("base takes cpu", "base returns cpu")
        three = check.log[start + 3 : start + 15]
        for taken, one, two, returned in zip(*(three[at::4] for at in range(4)), strict=True):
            assert isinstance(one, Asked)
            assert isinstance(two, Asked)
            assert (taken, returned) == (f"{one.runner} takes cpu", f"{one.runner} returns cpu")
            took.append(one.runner)
    assert len(took) == 15
    assert set(took) == {"base", "head"}


def test_nothing_is_measured_where_an_interpreter_does_not_start(store: Store) -> None:
    check = Check(store)

    class Broken(Scripted):
        def ready(self, device: str, round: int) -> Future[None]:
            future: Future[None] = Future()
            future.set_exception(DctbenchError("it does not start"))
            return future

    check.head.runner = Broken(taking(same), "head", check.log)
    with pytest.raises(DctbenchError, match="it does not start"):
        check()
    assert check.asked == []


def test_a_result_is_stored_before_anyone_hears_of_it(store: Store) -> None:
    check = Check(store)
    heard: list[tuple[str | None, int, int]] = []

    def hear(event: Event) -> None:
        if isinstance(event, CaseFinished):
            heard.append((event.side, event.done, event.total))
            run = (check.head if event.side == "head" else check.base).run
            assert event.result in store.results(run.id)

    check_pairs(check.base, check.head, {SHORT: SHORT}, REFERENCES, frozenset(), RULES, hear)
    assert [side for side, *_ in heard].count("base") == [side for side, *_ in heard].count("head") == 15
    assert [(done, total) for _, done, total in heard[:6]] == [(2, 6), (2, 6), (4, 6), (4, 6), (6, 6), (6, 6)]


@pytest.mark.parametrize("cheat", ["base", "head"])
def test_a_process_that_is_faster_than_the_machine_allows_is_an_error_on_either_side(store: Store, cheat: str) -> None:
    """The ceilings allow 9e11 FLOP/s at most; 2 ms leave room for 3.6e9 FLOPs with the margin of two."""
    check = Check(store, specs=Specs(calibrations={"cpu": CALIBRATION}))

    def counting(case: Case, number: int) -> Result:
        found = taking(same)(case, number)
        return replace(found, measurements=(*found.measurements, Measurement("flops", "FLOP", (4e9,))))

    side = getattr(check, cheat)
    side.runner.script = counting
    judgement = check()
    assert {one.status for one in store.results(side.run.id)} == {"error"}
    assert {(one.message or "").partition(":")[0] for one in store.results(side.run.id)} == {"implausible"}
    [verdict] = judgement.verdicts
    # Base's own references do not run either, so nothing can have been fixed.
    assert verdict.kind is (VerdictKind.NEWLY_FAILING if cheat == "head" else VerdictKind.INCOMPARABLE)


def test_a_case_that_base_lacks_is_measured_once_by_itself_and_is_new(store: Store) -> None:
    check = Check(store)
    judgement = check((SHORT, LONG), lacking=(LONG,))
    alone = [one for one in check.asked if one.case == LONG]
    assert [(one.runner, one.spec.round, one.begins) for one in alone] == [("head", 1, None)]
    assert {(v.case, v.kind) for v in judgement.verdicts if v.metric == "status"} == {(LONG, VerdictKind.NEW)}
    assert latency(judgement) == {SHORT: VerdictKind.PASS}
    [first, *_] = [event for event in check.events if isinstance(event, CaseFinished)]
    assert first.total == 2 * 5 + 1


def test_pairs_are_repeated_as_often_as_asked_whatever_they_show(store: Store) -> None:
    check = Check(store, head=slow_at(1024, 9.0))
    repeat_pairs(check.base, check.head, (SHORT, LONG), 3, check.hear)
    for side, case in itertools.product(("base", "head"), (SHORT, LONG)):
        assert check.rounds(side, case) == [1, 2, 3]
    started = [event for event in check.events if isinstance(event, RoundStarted)]
    assert started == [RoundStarted(number, 3, 2, False) for number in (1, 2, 3)]
    finished = [event for event in check.events if isinstance(event, CaseFinished)]
    assert [(one.done, one.total) for one in finished] == 3 * [(2, 4), (2, 4), (4, 4), (4, 4)]
    for run in (check.base.run, check.head.run):
        assert {(one.case, one.round) for one in store.results(run.id)} == {
            (case, number) for case in (SHORT, LONG) for number in (1, 2, 3)
        }


def test_a_case_of_base_that_stands_for_several_has_a_round_for_each_and_head_says_which(store: Store) -> None:
    check = Check(store, head=lambda case, number: {4: 3.0, 8: 1.0}.get(int(case.ratio or 0), 1.0))
    sdpa, four = Case("sdpa", 1024), replace(SHORT, ratio=4)
    kept = [measure_pair(check.base, check.head, sdpa, case, 1) for case in (four, SHORT)]
    assert [one.round for one in store.results(check.base.run.id)] == [1, 2]
    named = {name: one for pair in kept[1:] for name, one in pair}
    assert (named["head"].round, named["head"].details.pair, named["base"].round) == (1, 2, 2)
    assert {name: one.details.pair for name, one in kept[0]} == {"base": None, "head": None}


def stored_rounds(seconds: float, names: Sequence[str] = ("dct-x", "sdpa", "none")) -> list[Result]:
    return [
        result(name, 1024, seconds, ratio=8 if name == "dct-x" else None, round=number)
        for name in names
        for number in range(1, 11)
    ]


@pytest.mark.parametrize(("by", "kind"), [(1.0, VerdictKind.PASS), (4.0, VerdictKind.SLOWER)])
def test_head_alone_against_a_stored_run_is_slower_only_after_fresh_processes(
    store: Store, by: float, kind: VerdictKind
) -> None:
    check = Check(store, head=slow_at(1024, by))
    stored = summarise(stored_rounds(2e-3))
    again = [stored]  # a second run of base, beside which latencies are no longer advisory
    judgement = check_stored(check.head, stored, (SHORT,), REFERENCES, (), None, RULES, check.hear, again)
    assert latency(judgement) == {SHORT: kind}
    confirming = list(FRESH_PAIRS) if by > 1 else []
    assert check.rounds("head", SHORT) == [*EVERY_PAIR, *confirming]
    assert {one.runner for one in check.asked} == {"head"}
    assert {one.begins for one in check.asked} == {None}
    finished = [event for event in check.events if isinstance(event, CaseFinished)]
    assert [(one.side, one.done, one.total) for one in finished[:3]] == [("head", n, 3) for n in (1, 2, 3)]


def test_what_head_was_not_asked_for_is_missing_and_other_machines_are_not_timed(store: Store) -> None:
    check = Check(store, head=slow_at(1024, 4.0))
    stored = summarise(elsewhere(stored_rounds(2e-3, ("dct-x", "dct-kv", "sdpa", "none"))))
    gone = Case("dct-kv", 1024)
    judgement = check_stored(check.head, stored, (SHORT,), REFERENCES, (gone,), None, RULES, ignore)
    assert latency(judgement) == {SHORT: VerdictKind.INCOMPARABLE}
    assert {v.case for v in judgement.verdicts if v.kind is VerdictKind.MISSING} == {gone}
    assert check.rounds("head", SHORT) == [1]


TRAINED = trained("dct-x", [0.8], ratio=4)[0].case


def training(accuracy: Callable[[str, int], float], name: str) -> Callable[[Case, int], Result]:
    def script(case: Case, number: int) -> Result:
        values = [accuracy(name, seed) for seed in range(1, number + 1)]
        return replace(trained(case.implementation, values)[-1], case=case)

    return script


def train(store: Store, accuracy: Callable[[str, int], float], seeds: int | None = None) -> tuple[Judgement, list[int]]:
    """Check one training: in pairs, or beside a stored run of that many seeds. Return the rounds of head, too."""
    check = Check(store)
    for side, name in ((check.base, "base"), (check.head, "head")):
        store.add_run(replace(side.run, id=f"t{name}".ljust(16, "0")), [TRAINED], 5)
        side.run = replace(side.run, id=f"t{name}".ljust(16, "0"))
        store.add_environment(side.run.id, Scripted.environment)
        side.runner = Scripted(training(accuracy, name), name, check.log)
    if seeds is None:
        judgement = check((TRAINED,), ())
    else:
        stored = learned(trained("dct-x", [accuracy("base", seed) for seed in range(1, seeds + 1)], ratio=4))
        judgement = check_stored(check.head, stored, (TRAINED,), (), (), None, RULES, ignore)
    return judgement, check.rounds("head", TRAINED)


def wide(name: str, seed: int) -> float:
    return 0.8 + (0.1 * (-1) ** seed if name == "head" else 0.0)


@pytest.mark.parametrize("seeds", [None, 10])
@pytest.mark.parametrize(("by", "kind"), [(0.0, VerdictKind.PASS), (0.1, VerdictKind.WORSE)])
def test_a_training_gets_every_pair_and_then_a_verdict(
    store: Store, by: float, kind: VerdictKind, seeds: int | None
) -> None:
    judgement, rounds = train(store, lambda name, seed: 0.8 + 0.001 * seed - (by if name == "head" else 0.0), seeds)
    assert [verdict.kind for verdict in judgement.verdicts] == [kind]
    assert rounds == list(EVERY_PAIR)


@pytest.mark.parametrize(("seeds", "taken"), [(None, RULES.max_pairs), (8, 8), (3, 3), (1, 1)])
def test_a_training_that_stays_undecided_gets_the_most_pairs_or_all_seeds_that_a_stored_run_has(
    store: Store, seeds: int | None, taken: int
) -> None:
    judgement, rounds = train(store, wide, seeds)
    assert [verdict.kind for verdict in judgement.verdicts] == [VerdictKind.INCONCLUSIVE]
    assert rounds == list(range(1, taken + 1))
    assert judgement.exit_code("pass") == (3 if taken == 1 else 0)
