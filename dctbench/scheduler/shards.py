"""Divide a sweep among machines that do not talk to each other: every one of them computes the same division.

What is compared with each other stays together: all methods, ratios and the reference of a shape are one unit. Halves
of it on two machines could not be compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from dctbench.errors import UnavailableError, UsageError
from dctbench.model import Case, Run, Shards, canonical_json, digest
from dctbench.scheduler.plan import Plan
from dctbench.text.format import pluralize


def units(cases: Iterable[Case]) -> list[tuple[Case, ...]]:
    """Return the cases by what they are compared with, in the order of the first case of each unit."""
    found: dict[tuple[object, ...], list[Case]] = {}
    for case in cases:
        found.setdefault(case.unit, []).append(case)
    return [tuple(members) for members in found.values()]


def shard_of(plan: Plan, shard: Shards) -> Plan:
    """Return the part of a plan that a shard measures.

    The unit that is predicted to take the longest goes first, each to the shard with the least so far. The predictions
    are those for a machine on which nothing was measured, so that all machines divide a sweep alike.

    Raises:
        UsageError: when the plan has fewer units than there are shards.
        UnavailableError: when a method could not be asked for its FLOPs here, which other machines divide the sweep by.
    """
    if plan.unanswered is not None:
        raise UnavailableError(
            f"--shard {shard}: every machine divides a sweep by the FLOPs of its methods, and some are not known here "
            f"({plan.unanswered})",
            hint="run the command again, and leave out a method that never answers",
        )
    found = units(plan.cases)
    if len(found) < shard.of:
        shapes = pluralize(len(found), "shape")
        raise UsageError(
            f"--shard {shard}: the sweep has {shapes}, and a shape is never divided: its methods are compared",
            hint=f"use at most {pluralize(len(found), 'shard')}",
        )
    [number] = shard.numbers
    mine = {case for unit in _divided(found, plan, shard.of)[number - 1] for case in unit}
    rounds = {case: rounds for case, rounds in plan.rounds.items() if case in mine}
    estimate = plan.estimate
    if estimate.left_out:  # by what the whole sweep has: a shard does not know which cases of another one did not end
        estimate = replace(estimate, left_out=estimate.longer_than_unending(rounds))
    return replace(plan, rounds=rounds, estimate=estimate)


def _divided(found: Sequence[tuple[Case, ...]], plan: Plan, of: int) -> list[list[tuple[Case, ...]]]:
    pace = replace(plan.estimate.pace, jobs=1, cpu_energy=0.0)  # machines differ in their cores and meters
    anywhere = replace(
        plan.estimate, calls=plan.estimate.anywhere, exact={}, making={}, pace=pace, left_out=frozenset()
    )
    # In milliseconds, since the last digit of a sum of floats may differ between machines.
    costs = {unit: round(1e3 * sum(anywhere.in_rounds(case, plan.rounds[case]) for case in unit)) for unit in found}
    loads = [0] * of
    divided: list[list[tuple[Case, ...]]] = [[] for _ in range(of)]
    for unit in sorted(found, key=lambda unit: (-costs[unit], min(case.id for case in unit))):
        least = loads.index(min(loads))
        divided[least].append(unit)
        loads[least] += costs[unit]
    return divided


def as_shard(run: Run, whole: Plan, shard: Shards) -> Run:
    """Return the run of a shard. All shards of a sweep have one id: merged, they are one run.

    Args:
        run: one that starts now.
        whole: the plan of the whole sweep.
        shard: the one that is measured here.
    """
    return replace(
        run, id=_sweep_id(run, _ids(whole.cases), shard.of), settings=replace(run.settings, shard=str(shard))
    )


def is_sharded(run: Run, cases: Collection[Case]) -> bool:
    """Whether a run was divided into shards, whichever of them have begun.

    The settings of a run no longer name its shards when all have begun. Its id still is that of a sweep in shards.

    Args:
        run: from a store.
        cases: its plan there.
    """
    if run.settings.shard is not None:
        return True
    if run.label is None:  # which all shards need
        return False
    ids = _ids(cases)
    return any(run.id == _sweep_id(run, ids, of) for of in range(2, len(units(cases)) + 1))


def _ids(cases: Iterable[Case]) -> list[str]:
    return sorted(case.id for case in cases)


def _sweep_id(run: Run, ids: Sequence[str], of: int) -> str:
    """Return the id that all shards of a sweep share."""
    settings = replace(run.settings, shard=None).to_json()
    return digest(canonical_json([run.label, run.suite, settings, run.dctbench_version, of, ids]))
