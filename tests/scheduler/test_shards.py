"""How a sweep is divided: what is compared stays together, nothing is lost, and all machines divide it alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dctbench.errors import UnavailableError, UsageError
from dctbench.model import Case, Result, Shards
from dctbench.scheduler.estimate import estimate
from dctbench.scheduler.plan import Plan, ordered
from dctbench.scheduler.shards import as_shard, is_sharded, shard_of, units
from tests.support.made import RUN, result

METHODS = (("sdpa", None), ("dct-x", 4), ("dct-x", 8), ("nystromformer", 8))


def plan(lengths: Sequence[int], batches: Sequence[int] = (1,), stored: Sequence[Result] = ()) -> Plan:
    cases = [Case(name, n, ratio, batch=batch) for n in lengths for batch in batches for name, ratio in METHODS]
    return Plan(dict.fromkeys(ordered(cases, "sdpa", 0), 3), "sdpa", estimate(cases, {}, stored))


def divided(whole: Plan, of: int) -> list[Plan]:
    return [shard_of(whole, Shards(frozenset({number}), of)) for number in range(1, of + 1)]


LENGTHS = st.lists(st.integers(6, 14).map(lambda power: 2**power), min_size=2, max_size=8, unique=True)


@given(lengths=LENGTHS, batches=st.sampled_from([(1,), (1, 8)]), of=st.integers(1, 2))
def test_the_shards_hold_every_case_once_and_no_shape_is_split(
    lengths: list[int], batches: tuple[int, ...], of: int
) -> None:
    whole = plan(lengths, batches)
    parts = divided(whole, of)
    assert sorted(case.id for part in parts for case in part.cases) == sorted(case.id for case in whole.cases)
    for part in parts:
        assert len({case.shape for case in part.cases}) * len(METHODS) == len(part.cases)
        assert [case for case in whole.cases if case in set(part.cases)] == list(part.cases)


def test_the_division_does_not_depend_on_what_a_machine_has_measured() -> None:
    slow = [result(name, n, 5.0 / n, ratio=ratio) for n in (64, 4096) for name, ratio in METHODS]
    lengths = (64, 128, 256, 512, 1024, 2048, 4096)
    assert plan(lengths, stored=slow).estimate.calls != plan(lengths).estimate.calls
    predicted = plan(lengths).estimate
    pace = replace(predicted.pace, cpu_energy=1e4)
    compiled = {case: (1e4, 1e4) for case in predicted.calls if case.seq_len == 64}
    metered = replace(plan(lengths), estimate=replace(predicted, pace=pace, making=compiled))
    here, there, on_battery = (
        [part.cases for part in divided(one, 3)] for one in (plan(lengths), plan(lengths, stored=slow), metered)
    )
    assert here == on_battery
    assert here == there


def test_a_shard_does_not_leave_out_what_is_longer_than_cases_of_another_shard() -> None:
    lengths = (512, 2**18, 2**19, 2**20)
    whole = plan(lengths)
    predicted = replace(
        whole.estimate,
        pace=replace(whole.estimate.pace, limit=120.0),
        calls={case: 1e-2 if case.seq_len == 512 else 1e4 for case in whole.cases},
    )
    whole = replace(whole, estimate=replace(predicted, left_out=predicted.longer_than_unending(whole.cases)))
    assert {case.seq_len for case in whole.estimate.left_out} == {2**19, 2**20}
    for part in divided(whole, 4):
        assert not part.estimate.left_out
        assert part.unending == ([] if part.cases[0].seq_len == 512 else list(part.cases))


def test_the_costs_of_the_shards_are_as_equal_as_whole_shapes_allow() -> None:
    """Whatever is divided greedily, largest first, no shard exceeds the mean by more than the largest unit."""
    whole = plan([2**power for power in range(9, 14)], batches=(1, 2, 4))

    def cost(cases: Sequence[Case]) -> float:
        return sum(whole.estimate.seconds(case, 1) for case in cases)

    costs = [cost(part.cases) for part in divided(whole, 4)]
    largest = max(map(cost, units(whole.cases)))
    assert max(costs) <= sum(costs) / 4 + largest
    assert max(costs) <= max(largest, 1.34 * sum(costs) / 4)  # Graham (1969): at most 4/3 of the optimum


def test_the_longest_shapes_go_to_the_first_shards_one_each() -> None:
    shards = divided(plan([64, 512, 4096, 32768]), 4)
    assert [{case.seq_len for case in part.cases} for part in shards] == [{32768}, {4096}, {512}, {64}]


def test_more_shards_than_shapes_are_refused_by_every_shard() -> None:
    for number in (1, 4):
        with pytest.raises(UsageError, match=f"--shard {number}/4: the sweep has 3 shapes") as refused:
            shard_of(plan([64, 128, 256]), Shards(frozenset({number}), 4))
        assert refused.value.hint == "use at most 3 shards"


def test_a_machine_that_could_not_ask_the_methods_measures_no_shard() -> None:
    """Without their FLOPs it would divide the sweep otherwise, and a unit would be lost or measured twice."""
    unanswered = replace(plan([64, 128, 256]), unanswered="dctbench: timeout after 120 s")
    with pytest.raises(UnavailableError, match=r"--shard 2/3: .* \(dctbench: timeout after 120 s\)$"):
        shard_of(unanswered, Shards(frozenset({2}), 3))


def test_the_shards_of_one_sweep_have_one_id_and_another_sweep_has_another() -> None:
    whole = plan([64, 128, 256])
    run = replace(RUN, label="nightly")
    one, two = (as_shard(run, whole, Shards(frozenset({number}), 2)) for number in (1, 2))
    assert one.id == two.id != run.id
    assert (one.settings.shard, two.settings.shard) == ("1/2", "2/2")
    others = [
        as_shard(replace(run, label="another"), whole, Shards(frozenset({1}), 2)),
        as_shard(run, plan([64, 128, 512]), Shards(frozenset({1}), 2)),
        as_shard(replace(run, settings=replace(run.settings, rounds=9)), whole, Shards(frozenset({1}), 2)),
        as_shard(replace(run, dctbench_version="9"), whole, Shards(frozenset({1}), 2)),
        as_shard(run, whole, Shards(frozenset({1}), 3)),
    ]
    assert len({one.id, *(other.id for other in others)}) == 6


def test_a_run_of_shards_is_known_from_its_id_once_all_of_them_have_begun() -> None:
    whole = plan([64, 128, 256])
    for of in (2, 3):
        shard = as_shard(replace(RUN, label="nightly"), whole, Shards(frozenset({1}), of))
        assert is_sharded(shard, shard_of(whole, Shards(frozenset({1}), of)).cases)
        joined = replace(shard, settings=replace(shard.settings, shard=None))
        assert is_sharded(joined, whole.cases[::-1])
    assert not is_sharded(RUN, whole.cases)
