"""Whether a change lowers the accuracy that a method reaches on a task, by seeds that both sides share."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from dctbench.analysis import Summary, same_length
from dctbench.catalog import ACCURACY
from dctbench.compare.exact import effect_of
from dctbench.compare.rules import Rules
from dctbench.model import Case, Reason, ReasonCode, Verdict, VerdictKind
from dctbench.stats.multiple import holm
from dctbench.stats.paired import Mean, mean_of


def accuracy_verdicts(sides: Mapping[Case, tuple[Summary, Summary]], rules: Rules, level: float) -> dict[Case, Verdict]:
    """Return a verdict on the accuracy of each trained case.

    It is worse if it fell by more than the rules allow, and Student's t test over the seeds proves that it fell, with
    Holm's correction over all cases. It passes if no change in the 95% interval is a greater fall. The same code gives
    the same accuracies on one machine, so that equal seeds pass at once. Seeds that all changed by the same are no such
    case: accuracies move in steps of one example, and are not known better.

    Args:
        sides: base and head of each case.
        rules: of the gate.
        level: of false alarms over all cases together, at this look.
    """
    pairs = {case: _accuracies(*summaries) for case, summaries in sides.items()}
    known = {case: _change(found, sides[case]) for case, found in pairs.items() if len(found) > 1}
    fallen = _proven({case: Mean(-mean.value, mean.error, mean.degrees) for case, mean in known.items()}, level)
    risen = _proven(known, level)
    found = {}
    for case, seeds in pairs.items():
        kind, reason = _judged(known.get(case), case in fallen, case in risen, rules.accuracy)
        if _unlike(*sides[case]):
            kind, reason = VerdictKind.INCOMPARABLE, Reason(ReasonCode.OTHER_STEPS)
        base, head = _means(seeds)
        effect = None if base is None or head is None else effect_of(base, head)
        found[case] = Verdict(case, ACCURACY, kind, base, head, effect, tolerance=rules.accuracy, reason=reason)
    return found


def wants_a_seed(base: Summary, head: Summary, verdict: Verdict, rules: Rules, *, paired: bool) -> bool:
    """Return whether a gate should train another seed of a case.

    Every case gets the fewest pairs, and one that they leave undecided gets the most: two looks, as at latencies. A
    stored run has no more seeds than it was measured with.
    """
    taken = max(head.seeds(ACCURACY), default=0)
    if verdict.reason == Reason(ReasonCode.OTHER_STEPS) or taken >= rules.max_pairs:
        return False
    if not paired and max(base.seeds(ACCURACY), default=0) <= taken:
        return False
    return taken != rules.pairs or verdict.kind is VerdictKind.INCONCLUSIVE


def _unlike(base: Summary, head: Summary) -> bool:
    """Return whether both sides share seeds, and none of them was trained for as many steps on both."""
    return bool(base.seeds(ACCURACY).keys() & head.seeds(ACCURACY).keys()) and not _shared(base, head)


def _shared(base: Summary, head: Summary) -> list[int]:
    """The seeds that both sides have, trained for as many steps."""
    before, now = base.training_steps, head.training_steps
    both = sorted(base.seeds(ACCURACY).keys() & head.seeds(ACCURACY).keys())
    return [seed for seed in both if same_length(before.get(seed), now.get(seed))]


def _accuracies(base: Summary, head: Summary) -> list[tuple[float, float]]:
    """The accuracies of base and head in each seed that they share."""
    before, now = base.seeds(ACCURACY), head.seeds(ACCURACY)
    return [(before[seed], now[seed]) for seed in _shared(base, head)]


def _change(pairs: Sequence[tuple[float, float]], sides: tuple[Summary, Summary]) -> Mean:
    """The mean change of at least two seeds."""
    changes = [head - base for base, head in pairs]
    return mean_of(changes, step=max(side.accuracy_step for side in sides) if any(changes) else 0.0)


def _means(pairs: Sequence[tuple[float, float]]) -> tuple[float | None, float | None]:
    """The mean accuracies of base and head."""
    if not pairs:
        return None, None
    base, head = zip(*pairs, strict=True)
    return statistics.fmean(base), statistics.fmean(head)


def _proven(means: Mapping[Case, Mean], level: float) -> set[Case]:
    """The cases whose mean is proven to be above 0, all together at the level."""
    held = holm([mean.p_above(0.0) for mean in means.values()], level)
    return {case for case, holds in zip(means, held, strict=True) if holds}


def _judged(change: Mean | None, fell: bool, rose: bool, allowed: float) -> tuple[VerdictKind, Reason | None]:
    if change is None:
        return VerdictKind.INCONCLUSIVE, Reason(ReasonCode.TOO_FEW_SEEDS)
    if fell and change.value < -allowed:
        return VerdictKind.WORSE, None
    if rose and change.value > allowed:
        return VerdictKind.BETTER, None
    if change.interval().low >= -allowed:  # so that equal seeds pass where no fall is allowed
        return VerdictKind.PASS, None
    return VerdictKind.INCONCLUSIVE, Reason(ReasonCode.SEEDS_DO_NOT_TELL)
