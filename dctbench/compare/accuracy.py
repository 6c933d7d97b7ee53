"""Whether a change lowers the accuracy that a method reaches on a task, by seeds that both sides share."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from dctbench.analysis import Summary
from dctbench.catalog import ACCURACY
from dctbench.compare.rules import Rules
from dctbench.model import Case, Reason, ReasonCode, Verdict, VerdictKind
from dctbench.stats.multiple import holm
from dctbench.stats.paired import Mean, mean_of


def accuracy_verdicts(sides: Mapping[Case, tuple[Summary, Summary]], rules: Rules, level: float) -> dict[Case, Verdict]:
    """Return a verdict on the accuracy of each trained case.

    It is worse if it fell by more than the rules allow, and Student's t test over the seeds proves that it fell, with
    Holm's correction over all cases. It passes if the 95% interval of the change is above the allowed fall. The same
    code gives the same accuracies on one machine, so that equal seeds pass at once.

    Args:
        sides: base and head of each case.
        rules: of the gate.
        level: of false alarms over all cases together.
    """
    pairs = {case: _pairs(*summaries) for case, summaries in sides.items()}
    known = {case: mean_of([b - a for a, b in found]) for case, found in pairs.items() if len(found) > 1}
    fallen = _proven({case: Mean(-mean.value, mean.error, mean.degrees) for case, mean in known.items()}, level)
    risen = _proven(known, level)
    found = {}
    for case, seeds in pairs.items():
        kind, reason = _judged(known.get(case), case in fallen, case in risen, rules.accuracy)
        base, head = _means(seeds)
        effect = None if base is None or head is None or not base else head / base
        found[case] = Verdict(case, ACCURACY, kind, base, head, effect, tolerance=rules.accuracy, reason=reason)
    return found


def _pairs(base: Summary, head: Summary) -> list[tuple[float, float]]:
    """The accuracies of base and head in each seed that both have."""
    before, now = base.seeds(ACCURACY), head.seeds(ACCURACY)
    return [(before[seed], now[seed]) for seed in sorted(before.keys() & now.keys())]


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
    if change.interval().low > -allowed:
        return VerdictKind.PASS, None
    return VerdictKind.INCONCLUSIVE, Reason(ReasonCode.SEEDS_DO_NOT_TELL)
