"""Is head slower? The decision for all cases of a gate together: slower, faster, within the tolerance, or open.

A case is slower only when its median change is beyond the tolerance and the floor, the test over processes rejects
with Holm's correction over all cases, the raw change and the change against every reference agree, and fresh
processes confirm all of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dctbench.compare.change import Change
from dctbench.compare.rules import ALPHA, MOVED, Rules
from dctbench.model import Case
from dctbench.stats.sequential import holm


class LatencyCall(Enum):
    """The decision on one case after the processes so far."""

    SLOWER = "slower"
    FASTER = "faster"
    WITHIN = "within"
    OPEN = "open"
    DISPUTED = "disputed"
    """No more processes are allowed, and the raw change and the changes against the references disagree."""
    UNPROVEN = "unproven"
    """No more processes are allowed, and the median is beyond the tolerance, but the test does not reject."""


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
    """Median of base, which turns a share into seconds for the floor."""
    floor: float


def latency_calls(timed: Mapping[Case, Timed], rules: Rules, alpha: float = ALPHA) -> dict[Case, LatencyCall]:
    """Return one decision per case, with Holm's correction over all of them."""
    cases = [case for case, one in timed.items() if one.change.count]
    p_values = [_p_slower(timed[case], rules) for case in cases]
    held = dict(zip(cases, holm(p_values, alpha), strict=True))
    return {case: _latency_call(one, held.get(case, False), rules, alpha) for case, one in timed.items()}


def _p_slower(one: Timed, rules: Rules) -> float:
    """Return the p-value of "not slower"; 1 at a number of processes at which the test may not be looked at."""
    count = one.change.count
    looked_at = one.change.anytime or not rules.confirm or count == rules.pairs or count >= rules.max_pairs
    return one.change.p_slower(one.primary, rules.tolerance(one.case)) if looked_at else 1.0


def _latency_call(one: Timed, proven: bool, rules: Rules, alpha: float) -> LatencyCall:
    change = one.change
    if change.count < rules.pairs:
        return LatencyCall.OPEN
    most = change.count >= rules.max_pairs
    beyond = _beyond(one, one.primary, rules)
    agreed = all(_beyond(one, control, rules) == beyond for control in one.controls)
    if beyond and proven and agreed:
        return LatencyCall.SLOWER
    if not beyond and agreed:
        gained = _has_gained(one, rules)
        if gained and one.change.p_faster(one.primary, rules.tolerance(one.case)) <= alpha:
            return LatencyCall.FASTER
        if most or (not gained and _plainly_within(one, rules)):
            return LatencyCall.WITHIN
    if not most:
        return LatencyCall.OPEN
    return LatencyCall.UNPROVEN if agreed else LatencyCall.DISPUTED


def _beyond(one: Timed, series: str | None, rules: Rules) -> bool:
    """Whether the median change is beyond the tolerance, and beyond the floor in seconds."""
    effect = one.change.effect(series)
    return effect > 1 + rules.tolerance(one.case) and (effect - 1) * one.seconds >= one.floor


def _has_gained(one: Timed, rules: Rules) -> bool:
    """Whether the median change is a gain beyond the tolerance.

    A false gain fails no build, so its p-value is not corrected for the number of cases.
    """
    effect = one.change.effect(one.primary)
    gained = effect < 1 / (1 + rules.tolerance(one.case)) and (1 - effect) * one.seconds >= one.floor
    return gained and one.change.effect(None) < 1


def _plainly_within(one: Timed, rules: Rules) -> bool:
    """Whether the whole interval is within the tolerance or under the floor, and the references did not move."""
    interval = one.change.interval(one.primary)
    if interval is None or one.change.moved > MOVED:
        return False
    return interval.high <= 1 + rules.tolerance(one.case) or (interval.high - 1) * one.seconds < one.floor
