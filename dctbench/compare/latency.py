"""Is head slower? The decision for all cases of a gate together: slower, faster, within the tolerance, or open.

A case is slower only when its change is beyond the tolerance and the floor, the test over processes rejects with Holm's
correction over all cases, the raw change and the change against every reference agree, and fresh processes confirm all
of this. It is faster by the same evidence in the other direction.
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
    MAY_BE_DRIFT = "may be drift"
    """The change is beyond the tolerance, and nothing beside the case tells it from a change of the machine."""


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
    step: float
    """Seconds by which the clock tells the times of one call apart."""

    @property
    def alone(self) -> bool:
        """Whether base is a single stored run, which does not show how much runs of the same code differ."""
        return self.change.alone(self.primary)


def latency_calls(timed: Mapping[Case, Timed], rules: Rules, alpha: float = ALPHA) -> dict[Case, LatencyCall]:
    """Return one decision per case, with Holm's correction over all that are tested."""
    counted = tested_cases(timed, rules)
    tested = [
        (one.change, one.primary, rules.tolerance(one.case)) if _looked_at(one, rules) else None for one in counted
    ]
    slower = holm([1.0 if one is None else one[0].p_slower(*one[1:]) for one in tested], alpha)
    faster = holm([1.0 if one is None else one[0].p_faster(*one[1:]) for one in tested], alpha)
    slower_cases, faster_cases = (
        {one.case for one, held in zip(counted, found, strict=True) if held} for found in (slower, faster)
    )
    return {case: _latency_call(one, case in slower_cases, case in faster_cases, rules) for case, one in timed.items()}


def tested_cases(timed: Mapping[Case, Timed], rules: Rules) -> list[Timed]:
    """Return the cases that share the level: those that have processes on both sides, and whose change can be told."""
    return [one for one in timed.values() if one.change.count and _can_be_told(one, rules)]


def _can_be_told(one: Timed, rules: Rules) -> bool:
    """Whether a change can be told from one of the machine.

    Not between two stored runs, where no reference was measured beside the case on both sides. Of a gate beside a
    single stored run `judge` says so itself.
    """
    return rules.confirm or one.primary is not None or not one.alone


def _looked_at(one: Timed, rules: Rules) -> bool:
    """Whether the test may be looked at after this many processes."""
    count = one.change.count
    return one.change.anytime or not rules.confirm or count == rules.pairs or count >= rules.max_pairs


def _latency_call(one: Timed, slower: bool, faster: bool, rules: Rules) -> LatencyCall:
    change = one.change
    if change.count < rules.pairs:
        return LatencyCall.OPEN
    most = _at_most(one, rules)
    moves = {series: _movement(one, series, rules) for series in (one.primary, *one.controls)}
    move, agreed = moves[one.primary], len(set(moves.values())) == 1
    if move is not LatencyCall.WITHIN and not _can_be_told(one, rules):
        return LatencyCall.MAY_BE_DRIFT
    if agreed and (slower if move is LatencyCall.SLOWER else faster and move is LatencyCall.FASTER):
        return move
    worse = LatencyCall.SLOWER in moves.values()
    quiet = agreed if _asks_for_any_change(one, rules) else not worse
    if move is LatencyCall.WITHIN and quiet and (most or _plainly_within(one, rules)):
        return LatencyCall.WITHIN
    if not most or not worse:  # a gain that is not proven fails nothing
        return LatencyCall.WITHIN if most else LatencyCall.OPEN
    return LatencyCall.UNPROVEN if agreed else LatencyCall.DISPUTED


def _at_most(one: Timed, rules: Rules) -> bool:
    """Whether a case has as many processes as it may have: then what fails nothing is within the tolerance.

    Two stored runs fail nothing and get no more processes, so only what is plainly within the tolerance is called so.
    """
    return not _asks_for_any_change(one, rules) and one.change.count >= rules.max_pairs


def _asks_for_any_change(one: Timed, rules: Rules) -> bool:
    """Whether a gain counts as much as a loss: of two stored runs. A gate fails by losses alone."""
    return not rules.confirm and not one.change.anytime


def _movement(one: Timed, series: str | None, rules: Rules) -> LatencyCall:
    """Return where the change is: beyond the tolerance and the floor in seconds, in either direction, or within."""
    effect, tolerance = one.change.effect(series), 1 + rules.tolerance(one.case)
    if abs(effect - 1) * one.seconds < one.floor:
        return LatencyCall.WITHIN
    if effect > tolerance:
        return LatencyCall.SLOWER
    return LatencyCall.FASTER if _takes_less(one) and effect < 1 / tolerance else LatencyCall.WITHIN


def _takes_less(one: Timed) -> bool:
    """Whether a case takes fewer seconds than before. Else a gain over the reference is a loss of the reference."""
    return (1 - one.change.effect(None)) * one.seconds > one.step


def _plainly_within(one: Timed, rules: Rules) -> bool:
    """Whether the interval is within the tolerance or under the floor, and the references did not move.

    Both ends are asked for where a gain counts, else the upper one.
    """
    interval, tolerance = one.change.interval(one.primary), 1 + rules.tolerance(one.case)
    if interval is None or one.change.moved > MOVED:
        return False
    no_loss = interval.high <= tolerance or (interval.high - 1) * one.seconds < one.floor
    if not _asks_for_any_change(one, rules) or not _takes_less(one):
        return no_loss
    return no_loss and (interval.low >= 1 / tolerance or (1 - interval.low) * one.seconds < one.floor)
