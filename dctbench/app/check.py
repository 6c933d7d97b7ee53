"""What `dctbench check` does once its flags are understood: both sides, measuring, verdicts, files."""

from __future__ import annotations

import datetime
import sys
import uuid
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from dctbench import __version__, catalog, errors
from dctbench.analysis import Summary
from dctbench.app import check_baseline
from dctbench.app.check_rules import rules as rules_of
from dctbench.app.check_rules import with_enough_pairs
from dctbench.cli.options import axes, baselines
from dctbench.cli.tables.comparison import print_outcome
from dctbench.cli.terminal.files import check_writable, write_whole
from dctbench.cli.terminal.gate_progress import GateProgress
from dctbench.cli.terminal.notices import say
from dctbench.cli.terminal.streams import outlive_readers, typed
from dctbench.compare import CONTROL, Judgement, Outcome, Rules, differences, incomparable_because
from dctbench.compare.check_settings import check_settings
from dctbench.compare.rules import device_kind
from dctbench.exporters.junit import junit_xml
from dctbench.machine import nvml
from dctbench.model import Case, Environment, Run, Suite
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.runs.lookup import RecordedRun, resolve
from dctbench.scheduler import pairs
from dctbench.scheduler.plan import Plan, make_plan, plan_cases
from dctbench.spec import suites
from dctbench.spec.axes import words
from dctbench.stats.robust import P99_SAMPLES
from dctbench.store import MissingError, Store, clean_label, masked, open_for_run, results_of_machine
from dctbench.text.format import format_duration, format_percent, pluralize
from dctbench.text.sanitize import sanitize_text
from dctbench.wording.verdict_numbers import by_device

SAMPLES_PER_PROCESS = 5
SAMPLING_SECONDS = 0.15
"""Of one process: what more samples of it would add, more pairs add better."""
WARMUP_OF_PAIRS = {"warmup_least": 0.02, "warmup_most": 0.06}
"""Seconds of a process in a pair: the machine is warm from the one before, and each turn begins untimed. Processes
against a stored run warm up as that one did.
"""


def check(flags: Mapping[str, Any], given: Container[str]) -> int:
    """Measure head, and base where it is not stored, until every verdict is reached; returns the exit code.

    Args:
        flags: of the command, by name.
        given: the names of those that are not as they are by default. Without the suite and every axis among them a
            stored baseline is measured again as it was; without the suite, in its own.
    """
    outlive_readers()
    baseline = None if flags["baseline"] is None else _baseline(flags["store"], flags["baseline"])
    cases: Sequence[Case] | None = None
    if baseline and "suite" not in given and not any(axis in given for axis in axes.AXES):
        wanted, cases = check_baseline.wanted(baseline)
    else:
        if baseline and "suite" not in given:
            check_baseline.check_suite_is_known(baseline)
            flags = {**flags, "suite": baseline.run.suite}
        wanted = axes.suite_from_flags(flags, prune=False)
    with ExitStack() as stack:
        runner = stack.enter_context(_runner(wanted, paired=baseline is None))
        nvml.require(wanted.axes["device"], runner.variables)
        prepared = _Check.prepare(wanted, cases, flags, runner)
        reached = with_enough_pairs(prepared.rules, prepared.judged, baseline, wanted, flags)
        prepared = replace(prepared, rules=reached)
        base = None if baseline else stack.enter_context(_runner(wanted, flags["base_python"], paired=True))
        store = stack.enter_context(open_for_run(flags["store"], say, create=True))
        if flags["junit"] is not None:  # now, since it may go into the folder that the store has just made
            check_writable(Path(flags["junit"]), "--junit")
        try:
            if base is None:
                assert baseline is not None
                outcome = prepared.against_stored(baseline, store)
            else:
                outcome = prepared.against_base(base, store)
        except KeyboardInterrupt:
            raise errors.InterruptedRunError(
                f"interrupted: what was measured is stored in {store.name}",
                hint="a check is not resumed, since its pairs must be near in time: start it again",
            ) from None
        print_outcome(outcome, flags["output_format"], everything=flags["everything"])
        if flags["junit"] is not None:
            write_whole(Path(flags["junit"]), junit_xml(outcome), "--junit")
        if flags["save_baseline"] is not None:
            baselines.save(store, outcome.head, flags["save_baseline"], refused=_refusal(outcome))
        return outcome.exit_code


def _refusal(outcome: Outcome) -> str | None:
    return None if outcome.exit_code == errors.EXIT_OK else "the check did not pass"


@dataclass(frozen=True)
class _Check:
    """A check that is ready to measure."""

    suite: Suite
    flags: Mapping[str, Any]
    runner: LocalRunner
    rules: Rules
    plan: Plan
    judged: tuple[Case, ...]
    beside: tuple[Case, ...]
    counterparts: Mapping[Case, Case]

    @classmethod
    def prepare(
        cls, wanted: Suite, cases: Sequence[Case] | None, flags: Mapping[str, Any], runner: LocalRunner
    ) -> _Check:
        """Rules and plan; references that were not asked for are planned beside the cases that are judged.

        The cases are those of the suite's axes, unless others are given.
        """
        rules = rules_of(wanted, flags, runner.environment.fingerprint)
        asked = list(wanted.axes["impl"])
        names = list(dict.fromkeys([*asked, rules.reference, CONTROL]))
        wanted = suites.override(wanted, {"impl": names}, replace(wanted.settings, rounds=rules.pairs))
        known = results_of_machine(flags["store"], runner.environment.fingerprint)
        if cases is None:
            plan = make_plan(wanted, runner, known)
        else:
            added = [case for name in (rules.reference, CONTROL) for case in _beside(cases, name, runner)]
            plan = plan_cases(dict.fromkeys([*cases, *added]), wanted.settings, runner, known)
        judged = tuple(case for case in plan.cases if case.implementation in asked)
        beside = tuple(case for case in plan.cases if case.implementation not in asked)
        if rules.at and not any(rules.budgeted(case) for case in judged):
            there = ", ".join(f"{axis} = {value}" for axis, value in rules.at.items())
            raise errors.UsageError(f"--at: no case of this check has {there}", hint="name a place that is measured")
        return cls(
            wanted, flags, runner, rules, plan, judged, beside, _counterparts(flags["base_impl"], judged, runner)
        )

    def against_base(self, base_runner: LocalRunner, store: Store) -> Outcome:
        """Pairs of processes, base and head in turn."""
        name = self.flags["base_impl"]
        lacking, warnings = (frozenset[Case](), []) if name else self._look_at(base_runner)
        self.runner.sampling_of = base_runner.sampling_of = self._sampling(lacking)
        planned = dict.fromkeys([*(self.counterparts[c] for c in self.judged if c not in lacking), *self.beside])
        base = self._run("base", base_runner, base_impl=name)
        head = self._run("head", self.runner, warnings, base=base.id, base_impl=name)
        base_side = self._side(base, base_runner, list(planned), store)
        head_side = self._side(head, self.runner, self.plan.cases, store)
        with self._progress("pair", store) as progress:
            judgement = pairs.check_pairs(
                base_side, head_side, self.counterparts, self.beside, lacking, self.rules, progress
            )
        return self._outcome(base, head, judgement, [base_runner.environment])

    def against_stored(self, baseline: RecordedRun, store: Store) -> Outcome:
        """Processes of head, beside those of a stored run."""
        head = self._run("head", self.runner, base=baseline.run.id)
        here = self.runner.environment.fingerprint
        fingerprints = {result.fingerprint for result in baseline.results}
        known = set(self.plan.cases)
        another = incomparable_because(baseline.run, head, (fingerprints, {here}))
        self.runner.sampling_of = self._sampling(self.judged if another else self._untimed(baseline.summaries))
        side = self._side(head, self.runner, self.plan.cases, store)
        with self._progress("process", store) as progress:
            judgement = pairs.check_stored(
                side,
                baseline.summaries,
                self.judged,
                self.beside,
                [summary.case for summary in baseline.summaries if summary.case not in known],
                another,
                here in fingerprints,
                self.rules,
                progress,
            )
        return self._outcome(baseline.run, head, judgement, list(baseline.environments.values()))

    def _outcome(self, base: Run, head: Run, judgement: Judgement, places: Sequence[Environment]) -> Outcome:
        code = judgement.exit_code(self.flags["inconclusive"])
        return Outcome(base, head, judgement, self.rules, differences(places, [self.runner.environment]), code)

    def _sampling(self, alone: Container[Case]) -> dict[str, dict[str, int]]:
        """By case id, samples enough for a p99 where one has a budget: the same on both sides, whose turns are alike.

        They are spread over the processes that every case gets at least; those `alone` get no more than one.
        """
        if self.rules.budgets.latency_p99 is None:
            return {}
        share = -(-P99_SAMPLES // self.rules.pairs)
        return {
            one.id: {"samples_least": P99_SAMPLES if case in alone else share}
            for case in self.judged
            if self.rules.budgeted(case)
            for one in (case, self.counterparts[case])
        }

    def _untimed(self, stored: Sequence[Summary]) -> list[Case]:
        """The cases whose latency a baseline says nothing of: it lacks them, or the reference beside them."""
        ran = [summary.case for summary in stored if summary.status == "ok"]
        beside = {case.shape for case in ran if case.implementation == self.rules.reference}
        return [case for case in self.judged if case not in ran or case.shape not in beside]

    def _look_at(self, base: LocalRunner) -> tuple[frozenset[Case], list[str]]:
        """The cases whose implementation base does not know, which are new; and warnings of code that is head's own.

        What else keeps an implementation from loading is base's failure, which measuring it there says in a result.
        """
        unknown, sources = set(), dict[str, str]()
        for name in dict.fromkeys(case.implementation for case in self.judged):
            try:
                sources |= base.describe([name], ()).sources
            except errors.AbsentError:
                unknown.add(name)
            except errors.UsageError:
                continue
        remedy = "install the base version there, not in editable mode"
        warnings = [f"{sanitize_text(text)}; {remedy}" for text in self._same(base, sources)]
        for warning in warnings:
            say(f"warning: {warning}")
        return frozenset(case for case in self.judged if case.implementation in unknown), warnings

    def _same(self, base: LocalRunner, sources: Mapping[str, str]) -> Iterator[str]:
        """What base imports from head's own files: a gate that cannot fail."""
        if base.package == self.runner.package and any(name in catalog.IMPLEMENTATIONS for name in sources):
            yield f"--base-python imports the same dctbench as head, from {base.package}: nothing can differ"
        own = {name: path for name, path in sources.items() if name not in catalog.IMPLEMENTATIONS}
        for name, path in self.runner.describe(list(own), ()).sources.items() if own else ():
            if path == own[name]:
                yield f"--base-python imports {name} from the same file as head, {path}: nothing in it can differ"

    def _run(
        self, side: Literal["base", "head"], runner: LocalRunner, warnings: Sequence[str] = (), **about: str | None
    ) -> Run:
        asked = list(dict.fromkeys(case.implementation for case in self.judged))
        label = clean_label(typed(self.flags["label"] or "")) or "check"
        return Run(
            id=uuid.uuid4().hex[:16],
            label=label if side == "head" else f"{label} (base)",
            suite=self.suite.name,
            argv=tuple(sanitize_text(masked(typed(word))) for word in sys.argv[1:]),
            started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
            dctbench_version=__version__ if side == "head" else runner.version or "unknown",
            settings=replace(self.suite.settings, check=check_settings(side, asked, self.rules, warnings, **about)),
        )

    def _side(self, run: Run, runner: LocalRunner, cases: Sequence[Case], store: Store) -> pairs.Side:
        """The run stored, and its runner given this machine's rates: the same for both sides, so that plans agree."""
        calibrations = store.calibrations(self.runner.environment.fingerprint)
        runner.calibrations = calibrations
        store.add_run(run, cases, self.rules.pairs)
        store.add_environment(run.id, runner.environment)
        return pairs.Side(run, runner, store, calibrations)

    def _progress(self, unit: str, store: Store) -> GateProgress:
        facts = self.runner.environment.facts
        took = self.plan.seconds * (2 if unit == "pair" else 1)
        caveat = self.plan.estimate.caveat and f" ({self.plan.estimate.caveat})"
        tolerance = by_device({device_kind(c): self.rules.tolerance(c) for c in self.judged}, format_percent)
        header = (
            f"dctbench check   {facts['cpu']}, {facts['cores_usable']} cores · "
            f"{pluralize(len(self.judged), 'case')} judged · tolerance {tolerance} · "
            f"est. {format_duration(took)}{caveat}   {store.name}"
        )
        return GateProgress(header, self.flags["progress"], unit)


def _counterparts(base_impl: str | None, judged: Sequence[Case], runner: LocalRunner) -> dict[Case, Case]:
    """What each case is compared with: itself, or the same shape of the method that --base-impl names."""
    if base_impl is None:
        return {case: case for case in judged}
    names = words("impl", [base_impl])
    if len(names) != 1:
        raise errors.UsageError(f"--base-impl {base_impl!r}: {len(names)} implementations", hint="name one: dct-x")
    return _same_shapes(judged, names[0], runner)


def _beside(cases: Sequence[Case], reference: str, runner: LocalRunner) -> list[Case]:
    """A reference at the shapes of some cases, but for those at which it is one of them."""
    there = {case.shape for case in cases if case.implementation == reference}
    return list(_same_shapes([case for case in cases if case.shape not in there], reference, runner).values())


def _same_shapes(cases: Sequence[Case], name: str, runner: LocalRunner) -> dict[Case, Case]:
    """By case, that of the named implementation at its shape and, where it has one, ratio."""
    uses_ratio = catalog.implementation(name).uses_ratio
    if uses_ratio is None:
        uses_ratio = runner.describe([name], ()).uses_ratio[name]
    return {case: replace(case, implementation=name, ratio=case.ratio if uses_ratio else None) for case in cases}


def _baseline(store: str, reference: str) -> RecordedRun:
    """The stored run to compare with.

    Raises:
        UsageError: when there is none: a missing baseline is never a pass.
        CannotJudgeError: when there is nothing in it.
    """
    try:
        found = resolve(store, reference)
    except MissingError as error:
        raise errors.UsageError(
            f"there is no baseline {reference!r}: {error.message}",
            hint="measure one: dctbench run --suite ci --save-baseline NAME",
        ) from None
    if not found.results:
        raise errors.CannotJudgeError(
            f"the baseline {reference!r} (run {found.run.short_id}) holds no results", hint="measure it again"
        )
    return found


def _runner(suite: Suite, python: str | None = None, *, paired: bool) -> LocalRunner:
    sampling = {"samples_least": SAMPLES_PER_PROCESS, "budget": SAMPLING_SECONDS, **(WARMUP_OF_PAIRS if paired else {})}
    given = suite.settings
    settings = LocalSettings(given.case_timeout, given.env, sampling, given.isolation, given.cache)
    return LocalRunner(settings, on_wait=say, python=python)
