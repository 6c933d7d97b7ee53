"""All verdicts of a gate together, and which cases are still open."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from dctbench.analysis import Summary, summarise
from dctbench.compare import exact
from dctbench.compare.accuracy import accuracy_verdicts, wants_a_seed
from dctbench.compare.change import Change, Unpaired, moderated, paired, unpaired
from dctbench.compare.detectability import Detectability, Sensitivity
from dctbench.compare.latency import LatencyCall, Timed, latency_calls, tested_cases
from dctbench.compare.rules import ALPHA, CONTROL, LOOKS, Rules, floor
from dctbench.model import IMPROVEMENTS, REGRESSIONS, UNDECIDED, Case, Reason, ReasonCode, Verdict, VerdictKind

LATENCY = "latency"
_KINDS = {
    LatencyCall.SLOWER: VerdictKind.SLOWER,
    LatencyCall.FASTER: VerdictKind.FASTER,
    LatencyCall.WITHIN: VerdictKind.PASS,
    LatencyCall.OPEN: VerdictKind.INCONCLUSIVE,
    LatencyCall.DISPUTED: VerdictKind.INCONCLUSIVE,
    LatencyCall.UNPROVEN: VerdictKind.INCONCLUSIVE,
    LatencyCall.MAY_BE_DRIFT: VerdictKind.INCONCLUSIVE,
}
_REASONS = {
    LatencyCall.OPEN: Reason(ReasonCode.NEEDS_PROCESSES),
    LatencyCall.DISPUTED: Reason(ReasonCode.REFERENCES_DISAGREE),
    LatencyCall.UNPROVEN: Reason(ReasonCode.PROCESSES_DISAGREE),
    LatencyCall.MAY_BE_DRIFT: Reason(ReasonCode.MAY_BE_DRIFT),
}


@dataclass(frozen=True)
class Comparison:
    """What is compared with what.

    Attributes:
        base, head: everything measured on either side, references included.
        counterparts: for each judged case of head its case in base, which differs with --base-impl.
        paired: whether the rounds of both sides were measured in turn, as pairs.
        missing: cases of base that are not in the plan of head.
        incomparable_because: why no latency of the two sides compares; None where those of one environment do.
        further: more stored runs of the same code as base, which show how much runs differ.
    """

    base: Mapping[Case, Summary]
    head: Mapping[Case, Summary]
    counterparts: Mapping[Case, Case]
    paired: bool
    missing: Sequence[Case] = ()
    incomparable_because: Reason | None = None
    further: Sequence[Mapping[Case, Summary]] = ()

    def sides(self, case: Case) -> tuple[Summary | None, Summary | None]:
        """A judged case on either side."""
        return self.base.get(self.counterparts[case]), self.head.get(case)

    def one_environment(self, *measured: Summary) -> bool:
        """Whether these ran in one environment, so that their latencies compare. A run may hold cases of several.

        Sides that took turns were on one machine, and what else differs between them is what is compared. A file from
        elsewhere may name no environment, and then nothing is known to be the same.
        """
        found = {summary.fingerprint for summary in measured}
        return self.paired or (len(found) == 1 and "" not in found)

    def broken(self, case: Case, names: Iterable[str]) -> str | None:
        """Return the first reference of the case's shape (or the case) that runs in head and never ran in base."""
        for name in names:
            beside = (c for c in self._at_shape.get((name, case.shape), ()) if c in self.base)
            if any(exact.ran(self.head[c]) and not exact.ran(self.base[c]) for c in beside):
                return name
        return None

    def repeats(self, *cases: Case) -> dict[int, Mapping[Case, Summary]]:
        """Return the further runs of base that timed all of some cases of base, in the environment of base.

        They are numbered from 1, as further runs are; 0 is base.
        """

        def timed(run: Mapping[Case, Summary], case: Case) -> bool:
            one = run.get(case)
            return one is not None and one.timed is not None and self.one_environment(self.base[case], one)

        return {number: run for number, run in enumerate(self.further, 1) if all(timed(run, case) for case in cases)}

    @cached_property
    def _at_shape(self) -> Mapping[tuple[str, tuple[object, ...]], list[Case]]:
        """The cases of head by implementation and shape, since a run may have thousands."""
        found: dict[tuple[str, tuple[object, ...]], list[Case]] = {}
        for case in self.head:
            found.setdefault((case.implementation, case.shape), []).append(case)
        return found

    def references(self, case: Case, names: Iterable[str]) -> dict[str, tuple[Summary, Summary]]:
        """Return the references that ran beside a case on both sides, without the case itself.

        A reference that compresses stands for one case on both sides: as the judged case does, or else the least.
        """
        found = {}
        own = [summary for summary in self.sides(case) if summary is not None]
        for name in names:
            beside = [c for c in self._at_shape.get((name, case.shape), ()) if c in self.base]
            beside = [c for c in beside if self.head[c].status == self.base[c].status == "ok"]
            beside = [c for c in beside if self.one_environment(*own, self.base[c], self.head[c])]
            if beside and name != case.implementation:
                same = min(beside, key=lambda c: (c.compression != case.compression, c.compression))
                found[name] = (self.base[same], self.head[same])
        return found


@dataclass(frozen=True)
class Judgement:
    """The verdicts so far, and what is left to do.

    Attributes:
        verdicts: per case in the order of the comparison, metric by metric.
        open: the cases that need another pair, or another process of head.
        confirming: whether these must be confirming rounds, above CONFIRMING.
        drift: the median change head / base of each reference over all shapes.
        blind: set where the processes of a gate cannot prove any slowdown.
        sensitivity: the least change beside a stored run that could show, where it is beyond the tolerance.
        advisory: the judged cases whose latency fails nothing, since a single stored run of base has it.
        launch_bound: the judged cases whose latency is for a good part a time of the host.
        replanned: the judged cases whose transforms both sides plan differently, with the plans of base and head.
    """

    verdicts: tuple[Verdict, ...]
    open: tuple[Case, ...] = ()
    confirming: bool = False
    drift: Mapping[str, float] = field(default_factory=dict)
    blind: Detectability | None = None
    sensitivity: Sensitivity | None = None
    advisory: tuple[Case, ...] = ()
    launch_bound: tuple[Case, ...] = ()
    replanned: Mapping[Case, tuple[str, str]] = field(default_factory=dict)

    def by_case(self) -> dict[Case, VerdictKind]:
        """Return the verdict on each case as a whole: the worst of its verdicts, or the best where none is bad."""
        ranks = [k for group in (REGRESSIONS, UNDECIDED, IMPROVEMENTS) for k in VerdictKind if k in group] + [
            VerdictKind.NEW,
            VerdictKind.PASS,
        ]
        found: dict[Case, VerdictKind] = {}
        for verdict in self.verdicts:
            known = found.get(verdict.case, VerdictKind.PASS)
            found[verdict.case] = min(known, verdict.kind, key=ranks.index)
        return found

    @property
    def compares(self) -> bool:
        """Whether any figure of head was compared with one of base.

        A budget needs no base, and a base that lacks a case or never ran it has no figures.
        """
        alone = (VerdictKind.NEW, VerdictKind.FIXED)
        return any(verdict.kind not in alone and verdict.budget is None for verdict in self.verdicts)

    @property
    def unprovable(self) -> frozenset[str]:
        """The metrics that are inconclusive however quiet the machine is.

        Latency where no slowdown could have been proven, accuracy where there are too few seeds.
        """
        unsure = (verdict for verdict in self.verdicts if verdict.kind is VerdictKind.INCONCLUSIVE)
        return frozenset(
            verdict.metric
            for verdict in unsure
            if verdict.reason == Reason(ReasonCode.TOO_FEW_SEEDS) or (self.blind and verdict.metric == LATENCY)
        )

    def exit_code(self, inconclusive: str | None = None) -> int:
        """Return 0 for fine, 1 for worse, 3 for cannot judge; INCONCLUSIVE becomes 0 or 1 if `inconclusive` says so.

        What is `unprovable` never passes: then the cause is not noise.
        """
        kinds = {verdict.kind for verdict in self.verdicts}
        if kinds & REGRESSIONS:
            return 1
        if VerdictKind.INCOMPARABLE in kinds or not self.compares:
            return 3
        if self.unprovable and inconclusive == "pass":
            return 3
        if VerdictKind.INCONCLUSIVE in kinds:
            return {"pass": 0, "fail": 1}.get(inconclusive or "", 3)
        return 0


def judge(comparison: Comparison, rules: Rules) -> Judgement:
    """Return the verdicts on what has been measured so far. A pure function: stored results give the same verdicts."""
    ranking = {case: _standing(comparison, rules, case) for case in comparison.counterparts}
    first = _timed(comparison, rules, [case for case, verdict in ranking.items() if verdict is None], fresh=False)
    found = latency_calls(first, rules, _level(comparison, rules))
    still = tuple(case for case, latency_call in found.items() if latency_call is LatencyCall.OPEN)
    trained = {case: _sides(comparison, case) for case, one in ranking.items() if one is None and case.task is not None}
    looks = LOOKS if rules.confirm or comparison.paired else 1
    learned = accuracy_verdicts(trained, rules, _level(comparison, rules) / looks)
    if rules.confirm:
        still += tuple(
            case
            for case, verdict in learned.items()
            if wants_a_seed(*trained[case], verdict, rules, paired=comparison.paired)
        )
    if comparison.paired and rules.confirm:
        more = [case for case, verdict in ranking.items() if _wants_another(comparison, rules, case, verdict)]
        still += tuple(case for case in more if case not in still)
    called = {case: call for case, call in found.items() if call in (LatencyCall.SLOWER, LatencyCall.FASTER)}
    confirming = bool(called) and not (still and rules.confirm)
    second: dict[Case, Timed] = {}
    if confirming:
        second = _timed(comparison, rules, called, fresh=True)
        if not rules.confirm:
            second = {case: one for case, one in second.items() if one.change.count}
        confirmed = latency_calls(second, rules, _level(comparison, rules))
        still += tuple(case for case, latency_call in confirmed.items() if latency_call is LatencyCall.OPEN)
        found |= {case: _both(called[case], again) for case, again in confirmed.items()}
    verdicts: list[Verdict] = []
    for case, verdict in ranking.items():
        if verdict is not None:
            verdicts.append(verdict)
        elif case in learned:
            verdicts.append(learned[case])
        else:
            timed, fresh = first.get(case), second.get(case)
            verdicts += _compared(comparison, rules, case, timed, fresh, found.get(case), called.get(case))
        head = comparison.head.get(case)
        verdicts += exact.budget_verdicts(head, rules) if head else ()
    verdicts += [v for case in comparison.missing if (v := exact.status_verdict(case, comparison.base[case], None))]
    return Judgement(
        verdicts=tuple(verdicts),
        open=still,
        confirming=confirming,
        drift=_drift(comparison, rules),
        blind=_blind(first, rules),
        sensitivity=_sensitivity(first, rules, _level(comparison, rules)),
        advisory=tuple(case for case, one in first.items() if one.change.count and _advisory(one, rules)),
        launch_bound=tuple(case for case in first if comparison.head[case].launch_bound),
        replanned=_replanned(comparison),
    )


def _replanned(comparison: Comparison) -> dict[Case, tuple[str, str]]:
    """The cases of one method whose transforms head plans otherwise than base."""
    found = {}
    for case in comparison.counterparts:
        base, head = comparison.sides(case)
        if base is None or head is None or base.case.implementation != case.implementation:
            continue
        before, now = base.details.plan, head.details.plan
        if before is not None and now is not None and before != now:
            found[case] = before, now
    return found


def _advisory(one: Timed, rules: Rules) -> bool:
    """Whether this is a case of a gate that only a single stored run has.

    Two runs of the same code differ by more than their processes show, and the ratio to the reference does not cancel
    that. A second run of base shows by how much.
    """
    return rules.confirm and one.alone


def _both(first: LatencyCall, again: LatencyCall) -> LatencyCall:
    """Return what fresh processes say of a case that was called by the first: never the opposite of that."""
    opposite = {LatencyCall.SLOWER: LatencyCall.FASTER, LatencyCall.FASTER: LatencyCall.SLOWER}[first]
    return LatencyCall.UNPROVEN if again is opposite else again


def _level(comparison: Comparison, rules: Rules) -> float:
    """Return the level of each direction.

    A gate fails by slowdowns alone, and its stored pairs are judged as they were there. Two other stored runs are asked
    for any change.
    """
    return ALPHA if rules.confirm or comparison.paired else ALPHA / 2


def _sensitivity(timed: Mapping[Case, Timed], rules: Rules, level: float) -> Sensitivity | None:
    """Return what could show of a typical case beside stored runs, at Holm's first level.

    None for pairs, where that is within the tolerance, and where no case has enough processes. Cases of a gate that
    are advisory are left out: of them no change shows, however large.
    """
    tested = tested_cases(timed, rules)
    stored = [
        (one.change, one.primary) for one in tested if isinstance(one.change, Unpaired) and not _advisory(one, rules)
    ]
    factors = [
        factor for change, primary in stored if (factor := change.detectable(primary, level / len(tested))) is not None
    ]
    if not factors:
        return None
    factor = statistics.median(factors)
    if factor <= 1 + statistics.median(map(rules.tolerance, timed)):
        return None
    counts = [change.processes(primary) for change, primary in stored]
    return Sensitivity(
        factor,
        base=min(base for base, _ in counts),
        head=min(head for _, head in counts),
        runs=min(len(change.runs.get(primary, ())) for change, primary in stored) or 1,
    )


def _blind(timed: Mapping[Case, Timed], rules: Rules) -> Detectability | None:
    """Return what a gate's processes can detect if that is too little; None for two stored runs.

    Cases that are advisory are left out, since no number of processes could prove anything of them.
    """
    able = [one for one in timed.values() if one.change.count and not _advisory(one, rules)]
    stored = [one.change.stored(one.primary) for one in able]
    if not stored or not rules.confirm:
        return None
    detectability = Detectability(
        len(stored), min((number for number in stored if number is not None), default=None), rules.max_pairs
    )
    return None if detectability.enough else detectability


def _standing(comparison: Comparison, rules: Rules, case: Case) -> Verdict | None:
    """Return `exact.status_verdict`, except that nothing is fixed where base's own references do not run either."""
    found = exact.status_verdict(case, *comparison.sides(case))
    if found is None or found.kind is not VerdictKind.FIXED:
        return found
    broken = comparison.broken(case, (rules.reference, CONTROL))
    if broken is None:
        return found
    assert found.reason is not None
    reason = Reason(ReasonCode.BASE_BROKEN, {**found.reason.values, "reference": broken})
    return replace(found, kind=VerdictKind.INCOMPARABLE, reason=reason)


def _wants_another(comparison: Comparison, rules: Rules, case: Case, verdict: Verdict | None) -> bool:
    """Whether a case needs another pair, whatever its latencies show.

    Either it counts as fixed after a single failure of base, which the machine may have caused; or it does not have
    the samples yet that a p99 budget needs, and each pair adds some.
    """
    base, head = comparison.sides(case)
    if verdict is not None and verdict.kind is VerdictKind.FIXED and base is not None and len(base.rounds) < 2:
        return True
    limited = rules.budgets.latency_p99 is not None and rules.budgeted(case)
    if not limited or head is None or head.status != "ok" or len(head.rounds) >= rules.pairs:
        return False
    return head.tail(rules.budgets.confidence) is None


def _timed(comparison: Comparison, rules: Rules, cases: Iterable[Case], *, fresh: bool) -> dict[Case, Timed]:
    if comparison.incomparable_because:
        return {}
    timed = {}
    for case in cases:
        base, head = comparison.sides(case)
        if base is None or head is None or base.latency is None or base.status != "ok":
            continue
        if not comparison.one_environment(base, head):
            continue
        references = comparison.references(case, (rules.reference, CONTROL))
        if case.implementation != rules.reference and rules.reference not in references:
            continue  # without its reference a change cannot be distinguished from drift
        primary, seconds = None, base.latency.value
        if comparison.paired:
            change: Change = paired(base, head, references, fresh)
        else:
            primary = _beside(case, references, rules)
            beside = [references[primary][0].case] if primary else []
            change = stored = unpaired(base, head, references, fresh, comparison.repeats(base.case, *beside))
            seconds = stored.seconds
        if primary is not None and change.count and primary not in change.series:
            continue
        controls = tuple(name for name in references if name != primary and name in change.series)
        step = max(base.step_of_a_call, head.step_of_a_call)
        timed[case] = Timed(case, change, primary, controls, seconds, floor(case), step)
    return timed if comparison.paired else _moderated(timed, LOOKS if rules.confirm else 1)


def _beside(case: Case, references: Mapping[str, object], rules: Rules) -> str | None:
    """Return what the latencies of stored runs are divided by, which cancels how fast the machine was at each time.

    That is the reference. The reference itself is divided by the control, or by nothing where a side lacks that.
    """
    if case.implementation != rules.reference:
        return rules.reference
    return CONTROL if CONTROL in references else None


def _moderated(timed: Mapping[Case, Timed], looks: int) -> dict[Case, Timed]:
    known = moderated([one.change for one in timed.values() if isinstance(one.change, Unpaired)], looks)
    return {case: replace(one, change=change) for (case, one), change in zip(timed.items(), known, strict=True)}


def _compared(
    comparison: Comparison,
    rules: Rules,
    case: Case,
    first: Timed | None,
    second: Timed | None,
    latency_call: LatencyCall | None,
    called: LatencyCall | None,
) -> list[Verdict]:
    """All verdicts of a case that runs on both sides; `called` is what its first processes said, if fresh ones ask."""
    base, head = _sides(comparison, case)
    failed = Reason(ReasonCode.BASE_FAILED_SOMETIMES, {"base": exact.ending(base)}) if base.status != "ok" else None
    if failed:  # what was counted in the processes that ran still holds
        [base] = summarise(result for result in base.rounds if result.status == "ok")
    shown = second if second is not None and second.change.count else first
    if shown is None or latency_call is None or not shown.change.count:
        latency = _incomparable(base, head, rules, failed or _incomparable_because(comparison, base, head, rules))
    else:
        latency = _latency(head, rules, shown, latency_call)
        if shown is second and called is not None and latency_call is not called:
            then = latency.reason.code.value if latency.reason else None
            latency = replace(latency, reason=Reason(ReasonCode.NOT_CONFIRMED, {"then": then, "first": called.value}))
        if _advisory(shown, rules) and latency.kind in (VerdictKind.SLOWER, VerdictKind.FASTER):
            kind = VerdictKind.INCONCLUSIVE if latency.kind is VerdictKind.SLOWER else VerdictKind.PASS
            latency = replace(latency, kind=kind, reason=Reason(ReasonCode.RUN_TO_RUN, {"first": latency_call.value}))
    one_machine = comparison.one_environment(base, head)
    return [latency, *exact.counted(base, head, rules, one_machine), *exact.errors(base, head, rules)]


def _sides(comparison: Comparison, case: Case) -> tuple[Summary, Summary]:
    """Both sides of a case that runs on both."""
    base, head = comparison.sides(case)
    assert base is not None
    assert head is not None
    return base, head


def _incomparable_because(comparison: Comparison, base: Summary, head: Summary, rules: Rules) -> Reason:
    """Return why a latency cannot be compared; where nothing else forbids it, a side or the reference is lacking."""
    if not comparison.one_environment(base, head):
        return Reason(ReasonCode.OTHER_ENVIRONMENT)
    if comparison.incomparable_because is not None:
        return comparison.incomparable_because
    for name, one in (("base", base), ("head", head)):
        if one.latency is None:
            return Reason(ReasonCode.NOT_MEASURED, {"side": name})
    return Reason(ReasonCode.NO_REFERENCE, {"reference": rules.reference})


def _incomparable(base: Summary, head: Summary, rules: Rules, reason: Reason) -> Verdict:
    seconds = [summary.latency.value if summary.latency else None for summary in (base, head)]
    before, now = seconds
    raw = now / before if before and now else None
    allowed = rules.tolerance(head.case)
    return Verdict(head.case, LATENCY, VerdictKind.INCOMPARABLE, before, now, raw=raw, tolerance=allowed, reason=reason)


def _latency(head: Summary, rules: Rules, shown: Timed, latency_call: LatencyCall) -> Verdict:
    assert head.latency is not None
    interval = shown.change.interval(shown.primary)
    reason = _REASONS.get(latency_call)
    if latency_call is LatencyCall.UNPROVEN and isinstance(shown.change, Unpaired) and not shown.alone:
        reason = Reason(ReasonCode.TOO_FEW_RUNS)  # the test is over runs: more processes would prove nothing
    return Verdict(
        head.case,
        LATENCY,
        _KINDS[latency_call],
        shown.seconds,
        head.latency.value,
        effect=shown.change.effect(shown.primary),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        raw=shown.change.effect(None),
        tolerance=rules.tolerance(head.case),
        reason=reason,
    )


def _drift(comparison: Comparison, rules: Rules) -> dict[str, float]:
    """Return how the references changed: the median over the shapes at which they ran on both sides.

    Pairs are compared turn by turn, like everything else in them: a slow turn gives few samples and counts the same.
    """
    drift = {}
    for name in (rules.reference, CONTROL):
        changes = []
        for case, head in comparison.head.items():
            base = comparison.base.get(case)
            if case.implementation != name or base is None or not comparison.one_environment(base, head):
                continue
            if base.latency and head.latency:
                if comparison.paired:
                    change: Change = paired(base, head, {}, False)
                else:
                    change = unpaired(base, head, {}, False, comparison.repeats(case))
                changes += [change.effect(None)] if change.count else []
        if changes:
            drift[name] = statistics.median(changes)
    return drift
