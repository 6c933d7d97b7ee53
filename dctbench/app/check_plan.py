"""What a check will measure: its cases, the references beside them, and what each is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from dctbench import catalog, errors
from dctbench.analysis import REFERENCE, Summary
from dctbench.app.check_rules import default_tolerances, resolve_rules, with_enough_pairs
from dctbench.app.requests import CheckRequest
from dctbench.catalog import ACCURACY
from dctbench.compare import CONTROL, Rules
from dctbench.model import Case
from dctbench.runners.local import LocalRunner
from dctbench.runs.lookup import RecordedRun
from dctbench.scheduler.events import Listener, Notice, SideName
from dctbench.scheduler.plan import Plan, make_plan, plan_cases
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues
from dctbench.spec.gate import GateRules
from dctbench.spec.grid import Compression
from dctbench.spec.suites import Suite
from dctbench.store import results_of_machine

_ONCE = range(1, 2)
"""The numbers of processes that a case may have if further ones could not decide it."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a check measures if no verdict needs more processes.

    Attributes:
        sides: the plan of head and, unless it is a stored run, of base.
        most: how many processes a case has at most where it stays undecided.
    """

    sides: Mapping[SideName, Plan]
    most: int


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """A check that is ready to be measured.

    Attributes:
        suite: with the settings of both sides.
        rules: of the verdicts.
        plan: every case of head. How often it is measured depends on base: see `in_pairs` and `beside_stored`.
        base: every case of base; None where base is a stored run.
        judged: the cases that get a verdict.
        beside: the references that are measured beside them.
        counterparts: base's case for each judged one.
        fingerprint: of the environment in which head is measured.
    """

    suite: Suite
    rules: Rules
    plan: Plan
    base: Plan | None
    judged: tuple[Case, ...]
    beside: tuple[Case, ...]
    counterparts: Mapping[Case, Case]
    fingerprint: str

    def in_pairs(self, lacking: Container[Case]) -> DryRun:
        """Return what both sides measure in turns. Those in `lacking`, which base does not have, have no pairs.

        A case of base that several cases of head are compared with is measured beside each of them.
        """
        assert self.base is not None
        pairs = range(self.rules.pairs, self.rules.max_pairs + 1)
        numbers = {case: _ONCE if case in lacking else pairs for case in self.judged}
        head = self._rounds(numbers)
        of_base = [(self.counterparts.get(case, case), number) for case, number in head.items() if case not in lacking]
        repeats, rounds = Counter(case for case, _ in of_base), dict(of_base)
        base = replace(
            self.base, rounds={case: rounds[case] for case in self.base.cases if case in rounds}, repeats=repeats
        )
        sides: dict[SideName, Plan] = {"base": base, "head": replace(self.plan, rounds=head)}
        return DryRun({name: _beside_the_other(side) for name, side in sides.items()}, _most(numbers))

    def beside_stored(self, stored: Sequence[Summary], *, comparable: bool) -> DryRun:
        """Return what head measures beside a stored run. Its latencies of head's environment are `comparable` or not.

        A case whose latency compares with none has one process, and a training no more seeds than base.
        """
        pairs = range(self.rules.pairs, self.rules.max_pairs + 1)
        alone = self.untimed(stored) if comparable else frozenset(self.judged)
        seeds = {summary.case: max(summary.seeds(ACCURACY), default=1) for summary in stored}
        numbers = {
            case: _at_most(pairs, seeds.get(case, 1)) if case.task is not None else _ONCE if case in alone else pairs
            for case in self.judged
        }
        return DryRun({"head": replace(self.plan, rounds=self._rounds(numbers))}, _most(numbers))

    def _rounds(self, numbers: Mapping[Case, range]) -> dict[Case, int]:
        """Return the fewest processes of each case of head that has any, by the numbers that judged ones may have.

        References are measured beside the timed cases of their shape, and so as often as the one that is most.
        """
        fewest = {case: number.start for case, number in numbers.items()}
        beside: dict[tuple[object, ...], int] = {}
        for case, number in fewest.items():
            if case.task is None:
                beside[case.shape] = max(number, beside.get(case.shape, 0))
        rounds = {case: fewest.get(case, 0) for case in self.plan.cases}
        for case in self.plan.cases:
            if case.implementation in (self.rules.reference, CONTROL):
                rounds[case] = max(rounds[case], beside.get(case.shape, 0))
        return {case: number for case, number in rounds.items() if number}

    def sampling(self, alone: Container[Case]) -> dict[str, dict[str, float]]:
        """Return, by case id, how many samples the budgets of p99 and miss rate need. Both sides get the same.

        They are spread over the processes that every case gets at least. Cases in `alone` get one process only.
        """
        limits = self.rules.budgets
        needed = {} if limits.samples is None else {"samples_least": limits.samples}
        single = {"calls_most": 1.0} if needed else {}  # the mean of several calls has no tail
        needed |= {} if limits.releases is None else {"releases": limits.releases}
        if not needed:
            return {}
        shares = {name: -(-number // self.rules.pairs) for name, number in needed.items()}
        return {
            one.id: {**(needed if case in alone else shares), **single}
            for case in self.judged
            if self.rules.budgeted(case)
            for one in (case, self.counterparts[case])
        }

    def untimed(self, stored: Sequence[Summary]) -> frozenset[Case]:
        """Return the judged cases without a latency in a baseline, or without one of the reference beside them.

        Latencies of another environment do not count.
        """
        ran = {one.case for one in stored if one.status == "ok" and one.fingerprint == self.fingerprint}
        beside = {case.shape for case in ran if case.implementation == self.rules.reference}
        return frozenset(case for case in self.judged if case not in ran or case.shape not in beside)


def plan_check(
    suite: Suite,
    cases: Sequence[Case] | None,
    request: CheckRequest,
    baseline: RecordedRun | None,
    runner: LocalRunner,
    listener: Listener,
) -> CheckPlan:
    """Plan a check. References that were not requested are planned beside the judged cases that are timed.

    Args:
        suite: what to measure.
        cases: those of a baseline, or None for those of the suite's axes.
        request: for its rules, its store and its base.
        baseline: what head is compared with, or None where base is measured too.
        runner: of head.
        listener: called with a warning about rules that cannot prove anything.

    Raises:
        UsageError: for implementations that cannot be loaded, and for invalid rules.
    """
    fingerprint = runner.environment.fingerprint
    given = request.rules.over(suite.gate)
    rules = resolve_rules(given, default_tolerances(suite, request.store, fingerprint))
    added = (rules.reference, CONTROL)
    asked = _judged(suite.axes["impl"], added, request.base_impl)
    known = results_of_machine(request.store, fingerprint)
    if cases is None:  # the controls that a task brings with it say what a method is worth, and not whether it fell
        cases = [case for case in make_plan(suite, runner, known).cases if case.implementation in asked]
    # A reference shows how the machine changed. An accuracy does not depend on that: base and head share their seeds.
    timed = [case for case in cases if case.task is None]
    suite = suites.override(
        suite, AxisValues(impl=list(dict.fromkeys([*asked, *added]))), rounds=rules.pairs, short_rounds=None
    )
    references = [case for name in added for case in _beside(timed, name, runner)]
    settings = replace(suite.settings, protocol=None)  # a check starts no process by another protocol
    plan = plan_cases(dict.fromkeys([*cases, *references]), settings, runner, known)
    judged = tuple(case for case in plan.cases if case.implementation in asked)
    beside = tuple(case for case in plan.cases if case.implementation not in asked)
    if rules.at and not any(rules.budgeted(case) for case in judged):
        there = ", ".join(f"{axis} = {value}" for axis, value in rules.at.items())
        raise errors.UsageError(f"--at: no case of this check has {there}", hint="name a place that is measured")
    for text in _without_effect(given, judged):
        listener(Notice(f"warning: {text}"))
    counterparts = _counterparts(request.base_impl, judged, runner)
    if baseline is None or request.further_baselines:  # beside one stored run latencies are advisory anyway
        stored = None if baseline is None else [one for one in baseline.summaries if one.fingerprint == fingerprint]
        rules = with_enough_pairs(rules, judged, stored, given, listener)
    base = None
    if baseline is None:
        base = plan_cases(dict.fromkeys([*counterparts.values(), *beside]), settings, runner, known)
    return CheckPlan(suite, rules, plan, base, judged, beside, counterparts, fingerprint)


def _without_effect(given: GateRules, judged: Sequence[Case]) -> list[str]:
    """Name the rules that change no verdict of these cases, in a sentence each."""
    found = []
    if given.at and not given.limits:
        found.append("--at has no effect: it says where budgets apply, and none is given")
    if given.confidence is not None and not given.limits.keys() & {"latency_p99", "miss_rate"}:
        found.append("--confidence has no effect without --max-latency-p99 or --max-miss-rate")
    if given.max_accuracy_drop is not None and all(case.task is None for case in judged):
        found.append("--max-accuracy-drop has no effect: this check trains no model (--task)")
    return found


def _beside_the_other(side: Plan) -> Plan:
    """Return the plan of a side whose trainings run beside those of the other, so that each counts for half."""
    pace = replace(side.estimate.pace, jobs=2)
    return replace(side, estimate=replace(side.estimate, pace=pace))


def _at_most(numbers: range, limit: int) -> range:
    return range(min(numbers.start, limit), min(numbers.stop - 1, limit) + 1)


def _most(numbers: Mapping[Case, range]) -> int:
    return max((number.stop - 1 for number in numbers.values()), default=1)


def _judged(asked: Sequence[str], references: Sequence[str], base_impl: str | None) -> list[str]:
    """Return the implementations that get a verdict.

    Where one implementation stands for every base, references among others are measured beside them instead: what they
    show of the machine needs the same reference on both sides.
    """
    others = [name for name in asked if base_impl is None or name not in references]
    return others or list(asked)


def _counterparts(base_impl: str | None, judged: Sequence[Case], runner: LocalRunner) -> dict[Case, Case]:
    """Return what each case is compared with: itself, or the same shape of the method that --base-impl names."""
    if base_impl is None:
        return {case: case for case in judged}
    method = _compression(base_impl, runner)
    return {case: _same_shape(case, base_impl, method, "--base-impl") for case in judged}


def _beside(cases: Sequence[Case], reference: str, runner: LocalRunner) -> list[Case]:
    """Return a reference at the shapes of some cases, unless it is one of them at that shape.

    A case that does not say how much a reference should keep has that of another case of its shape.
    """
    there = {case.shape for case in cases if case.implementation == reference}
    alone = [case for case in cases if case.shape not in there]
    method = _compression(reference, runner)
    served = {case.shape for case in alone if _says_how_much(case, method)}
    wanted = [case for case in alone if _says_how_much(case, method) or case.shape not in served]
    return [_same_shape(case, reference, method, "--reference") for case in wanted]


def _compression(name: str, runner: LocalRunner) -> Compression:
    """Return how an implementation compresses, which for one that is not of the catalog only the runner knows."""
    method: Compression = catalog.implementation(name)
    if method.uses_ratio is None:
        method = runner.describe([name], ()).methods.get(name, method)
    return method


def _says_how_much(case: Case, method: Compression) -> bool:
    """Whether it is known how much a method keeps beside a case: it compresses nothing, or has a number of its own."""
    return not method.uses_ratio or (case.ratio or case.kept or method.default_kept) is not None


def _same_shape(case: Case, name: str, method: Compression, flag: str) -> Case:
    """Return the case of the named implementation at the same shape and, if it compresses, with as much kept.

    Raises:
        UsageError: naming the flag, if it compresses and nothing says how much.
    """
    if not _says_how_much(case, method):
        raise errors.UsageError(
            f"{flag} {name}: it compresses, and {case.name} at n = {case.seq_len} has no ratio for it",
            hint="name a method that does not compress, or check only methods that do",
        )
    if name == REFERENCE:  # the model as it is, whichever layers a method replaces
        case = replace(case, layers=None, recover=None)
    if not method.uses_ratio:
        return replace(case, implementation=name, ratio=None, kept=None)
    kept = method.default_kept if case.ratio is None and case.kept is None else case.kept
    return replace(case, implementation=name, kept=kept)
