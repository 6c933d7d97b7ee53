"""Measure now, and judge against a base: a stored run, another environment or another implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dctbench import errors
from dctbench.app import check_baseline
from dctbench.app.baselines import SavedBaseline, save_baseline
from dctbench.app.check_plan import CheckPlan, DryRun, plan_check
from dctbench.app.check_sides import inspect_base, measure_head, measure_pairs, run_of_head
from dctbench.app.requests import CheckRequest
from dctbench.catalog import engines
from dctbench.compare import ComparisonOutcome
from dctbench.machine import nvml
from dctbench.model import Case
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.runs.lookup import RecordedRun, resolve
from dctbench.scheduler.events import Listener, Notice, ignore
from dctbench.spec import suites
from dctbench.spec.suites import Suite
from dctbench.store import MissingError, open_for_run

if TYPE_CHECKING:
    from dctbench.store import Store

SAMPLES_PER_PROCESS = 5
SAMPLING_SECONDS = 0.15
"""Of one process. More pairs improve a verdict more than more samples of each process do."""
WARMUP_OF_PAIRS = {"warmup_least": 0.02, "warmup_most": 0.06}
"""Seconds of warm-up of a process in a pair. The machine is warm from the process before, and each turn begins with an
untimed call. Processes that are compared with a stored run warm up like those of that run.
"""
DEFAULT_SUITE = "ci"


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """A check that reached its verdicts.

    Attributes:
        comparison: both runs, the verdicts, and the exit code.
        baseline: whether the requested baseline was saved, or None if none was requested.
    """

    comparison: ComparisonOutcome
    baseline: SavedBaseline | None

    @property
    def exit_code(self) -> int:
        """0 when nothing got worse, 1 when something did, 3 when there is no verdict on something."""
        return self.comparison.exit_code


def check(request: CheckRequest, listener: Listener = ignore) -> CheckOutcome:
    """Measure head, and base where it is not stored, until every verdict is reached. Nothing is printed.

    Args:
        request: the base, what to measure, and the rules.
        listener: called with every event (`dctbench.scheduler.events`).

    Raises:
        UsageError: for a base that does not exist, and for invalid suites, axes and rules.
        CannotJudgeError: for a baseline without results.
        UnavailableError: when none of the devices is there.
        StoreError: when the store cannot be written.
        InterruptedRunError: in place of KeyboardInterrupt; what was measured is stored.
    """
    with ExitStack() as stack:
        ready = _ready(request, stack, listener)
        store = stack.enter_context(open_for_run(request.store, lambda text: listener(Notice(text)), create=True))
        try:
            outcome = _measured(ready, request, store, listener)
        except KeyboardInterrupt:
            raise errors.InterruptedRunError(
                f"interrupted: what was measured is stored in {store.name}",
                hint="a check is not resumed, since its pairs must be near in time: start it again",
            ) from None
        saved = None
        if request.save_baseline is not None:
            refused = None if outcome.exit_code == errors.EXIT_OK else "the check did not pass"
            saved = save_baseline(store, outcome.head, request.save_baseline, refused=refused)
        return CheckOutcome(outcome, saved)


def dry_run(request: CheckRequest, listener: Listener = ignore) -> DryRun:
    """Return what `check` would measure if no verdict needs more processes, with an estimate of the time.

    Raises the same errors, but opens no store to write to.
    """
    with ExitStack() as stack:
        ready = _ready(request, stack, listener)
        if ready.base is None:
            _, because = run_of_head(ready.plan, request, ready.baselines, ready.head)
            return ready.plan.beside_stored(ready.baselines[0].summaries, comparable=because is None)
        lacking, _ = inspect_base(ready.plan, request, ready.base, ready.head, listener)
        return ready.plan.in_pairs(lacking)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A check up to its first measurement: its plan, stored runs of base or else the runner of base, that of head."""

    plan: CheckPlan
    baselines: Sequence[RecordedRun]
    base: LocalRunner | None
    head: LocalRunner


def _ready(request: CheckRequest, stack: ExitStack, listener: Listener) -> _Ready:
    """Plan a check, with its runners on the stack."""
    baselines = [_baseline(request.store, reference) for reference in request.baselines]
    check_baseline.check_runs_of_base(baselines)
    baseline = baselines[0] if baselines else None
    suite, cases = _suite(request, baseline)
    head = stack.enter_context(paired_runner(suite, listener) if baseline is None else _runner(suite, listener))
    nvml.require(suite.axes["device"], head.variables, head.unusable)
    engines.require(suite.axes["engine"])
    planned = plan_check(suite, cases, request, baseline, head, listener)
    base = None
    if baseline is None:
        base = stack.enter_context(paired_runner(suite, listener, request.base_python))
    return _Ready(planned, baselines, base, head)


def _measured(ready: _Ready, request: CheckRequest, store: Store, listener: Listener) -> ComparisonOutcome:
    if ready.base is None:
        return measure_head(ready.plan, request, ready.baselines, ready.head, store, listener)
    return measure_pairs(ready.plan, request, ready.base, ready.head, store, listener)


def _suite(request: CheckRequest, baseline: RecordedRun | None) -> tuple[Suite, Sequence[Case] | None]:
    """Return the suite to measure, and its cases if they are those of a baseline.

    Raises:
        UsageError: for no suite of that name, for axes that it cannot have, and for the suite `noise` in pairs: what
            differs between base and head would pass for the noise of the machine in later checks.
    """
    named = request.suite
    if baseline is not None and named is None:
        if not request.axes.given:
            return check_baseline.suite_of_baseline(baseline)
        check_baseline.check_suite_is_known(baseline)
        named = baseline.run.suite
    suite = suites.load(named or DEFAULT_SUITE) if not isinstance(named, Suite) else named
    if baseline is None and suite.name == suites.NOISE:
        raise errors.UsageError(
            f"suite {suites.NOISE!r} is for `dctbench noise`, which measures the same code twice",
            hint="check with another suite, such as --suite ci",
        )
    suite = suites.override(suite, request.axes, prune=False)
    return (suite if baseline is not None else _for_pairs(suite)), None


def _for_pairs(suite: Suite) -> Suite:
    """Return the suite under the conditions of the suite `ci`, unless it sets the same variables itself.

    Without them, processes of the same code differ, and the process that waits slows down the one that is timed. Head
    beside a stored run has the conditions of that run.
    """
    conditions = suites.load(DEFAULT_SUITE).settings.env
    return replace(suite, settings=replace(suite.settings, env={**conditions, **suite.settings.env}))


def _baseline(store: str, reference: str) -> RecordedRun:
    """Return the stored run to compare with.

    Raises:
        UsageError: when there is none. A missing baseline never passes.
        CannotJudgeError: when it has no results.
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


def paired_runner(suite: Suite, listener: Listener, python: str | None = None) -> LocalRunner:
    """Return the runner of one of two sides whose processes take turns; `python` as in `LocalRunner`."""
    return _runner(suite, listener, WARMUP_OF_PAIRS, python)


def _runner(
    suite: Suite, listener: Listener, warmup: Mapping[str, float] | None = None, python: str | None = None
) -> LocalRunner:
    sampling = {"samples_least": SAMPLES_PER_PROCESS, "budget": SAMPLING_SECONDS, **(warmup or {})}
    own = suite.settings
    sampling |= {"priority": 1} if own.priority else {}
    # A side trains one model after the other.
    settings = LocalSettings(own.case_timeout, own.env, sampling, own.isolation, own.cache, jobs=1, energy=own.energy)
    return LocalRunner(settings, on_wait=lambda text: listener(Notice(text)), python=python)
