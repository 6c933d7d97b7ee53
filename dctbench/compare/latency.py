"""Is head slower? The decision for all cases of a gate together: slower, faster, within the tolerance, or open.

A case is slower only when its change is beyond the tolerance and the floor, the test over processes rejects with Holm's
correction over all cases, the raw change and the change against every reference agree, and fresh processes confirm all
of this. It is faster by the same test, without fresh processes: a false gain fails no build.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dctbench.compare.change import Change
from dctbench.compare.rules import ALPHA, MOVED, Rules
from dctbench.model import Case
from dctbench.stats.multiple import holm


class LatencyCall(Enum):
    """The decision on one case after the processes so far."""

    SLOWER = "slower"
    FASTER = "faster"
    WITHIN = "within"
    OPEN = "open"
    DISPUTED = "disputed"
    """No more processes are allowed, and the raw change and the changes against the references disagree."""
    UNPROVEN = "unproven"
    """No more processes are allowed, and the change is beyond the tolerance, but the test does not reject."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A case that has latencies on both sides.

    `primary` is the reference that it is judged against, or None for the raw change. The change against each of the
    `controls` has to agree.
    """

    case: Case
    change: Change
    primary: str | None
    controls: tuple[str, ...]
    seconds: float
    """Latency of base, which turns a share into seconds for the floor."""
    floor: float


def latency_calls(timed: Mapping[Case, Timed], rules: Rules, alpha: float = ALPHA) -> dict[Case, LatencyCall]:
    """Return one decision per case, with Holm's correction over all of them."""
    counted = [one for one in timed.values() if one.change.count]
    tested = [
        (one.change, one.primary, rules.tolerance(one.case)) if _looked_at(one, rules) else None for one in counted
    ]
    slower = holm([1.0 if one is None else one[0].p_slower(*one[1:]) for one in tested], alpha)
    faster = holm([1.0 if one is None else one[0].p_faster(*one[1:]) for one in tested], alpha)
    slower_cases, faster_cases = (
        {one.case for one, held in zip(counted, found, strict=True) if held} for found in (slower, faster)
    )
    return {case: _latency_call(one, case in slower_cases, case in faster_cases, rules) for case, one in timed.items()}


def _looked_at(one: Timed, rules: Rules) -> bool:
    """Whether the test may be looked at after so many processes."""
    count = one.change.count
    return one.change.anytime or not rules.confirm or count == rules.pairs or count >= rules.max_pairs


def _latency_call(one: Timed, slower: bool, faster: bool, rules: Rules) -> LatencyCall:
    change = one.change
    if change.count < rules.pairs:
        return LatencyCall.OPEN
    most = change.count >= rules.max_pairs
    beyond = _beyond(one, one.primary, rules)
    agreed = all(_beyond(one, control, rules) == beyond for control in one.controls)
    if beyond and slower and agreed:
        return LatencyCall.SLOWER
    if not beyond and agreed:
        gained = _has_gained(one, rules)
        if gained and faster:
            return LatencyCall.FASTER
        if most or (not gained and _plainly_within(one, rules)):
            return LatencyCall.WITHIN
    if not most:
        return LatencyCall.OPEN
    return LatencyCall.UNPROVEN if agreed else LatencyCall.DISPUTED


def _beyond(one: Timed, series: str | None, rules: Rules) -> bool:
    """Whether the change is beyond the tolerance, and beyond the floor in seconds."""
    effect = one.change.effect(series)
    return effect > 1 + rules.tolerance(one.case) and (effect - 1) * one.seconds >= one.floor


def _has_gained(one: Timed, rules: Rules) -> bool:
    """Whether the change is a gain beyond the tolerance, and beyond the floor in seconds."""
    effect = one.change.effect(one.primary)
    gained = effect < 1 / (1 + rules.tolerance(one.case)) and (1 - effect) * one.seconds >= one.floor
    return gained and one.change.effect(None) < 1


def _plainly_within(one: Timed, rules: Rules) -> bool:
    """Whether the whole interval is within the tolerance or under the floor, and the references did not move."""
    interval = one.change.interval(one.primary)
    if interval is None or one.change.moved > MOVED:
        return False
    return interval.high <= 1 + rules.tolerance(one.case) or (interval.high - 1) * one.seconds < one.floor
