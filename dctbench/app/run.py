"""Measure a suite as a new run: plan it, measure it, and store each result as soon as it is there."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dctbench import errors
from dctbench.app.baselines import SavedBaseline, save_baseline
from dctbench.app.clocks import tell_of_clocks
from dctbench.app.continuing import check_rates, tell_of_code
from dctbench.app.new_run import new_run
from dctbench.app.requests import RunRequest
from dctbench.app.runners import open_runner
from dctbench.app.session import session
from dctbench.app.shards import stored_of_shard
from dctbench.catalog import engines
from dctbench.model import FAILED, Result, Run
from dctbench.runners import Runner
from dctbench.runs.lookup import RecordedRun, recorded
from dctbench.scheduler.events import Listener, Notice, RunPlanned, ignore
from dctbench.scheduler.patience import longer_trainings
from dctbench.scheduler.plan import Plan, make_plan, plan_cases
from dctbench.scheduler.shards import as_shard, shard_of
from dctbench.scheduler.specs import Specs
from dctbench.scheduler.sweep import run_sweep
from dctbench.spec.suites import Suite
from dctbench.store import results_of_machine
from dctbench.text.format import format_duration, pluralize

if TYPE_CHECKING:
    from dctbench.store import Store


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A run that was measured.

    Attributes:
        recorded: the run with everything that is stored of it.
        plan: what was planned.
        failed: whether some cases ended in error or timeout, other than longer trainings that the run added.
        baseline: whether the requested baseline was saved, or None if none was requested.
    """

    recorded: RecordedRun
    plan: Plan
    failed: bool
    baseline: SavedBaseline | None

    @property
    def exit_code(self) -> int:
        """4 when some cases ended in error or timeout, else 0."""
        return errors.EXIT_CASES_FAILED if self.failed else errors.EXIT_OK


def run(request: RunRequest, listener: Listener = ignore) -> RunOutcome:
    """Measure a suite as a new run. Nothing is printed.

    Args:
        request: what to measure, and where to store it.
        listener: called with every event (`dctbench.scheduler.events`).

    Raises:
        UsageError: for a suite, an implementation or axes that give no case.
        UnavailableError: when none of the devices is available.
        StoreError: when the store cannot be written.
        InterruptedRunError: in place of KeyboardInterrupt; what was measured is stored.
    """
    suite = request.resolved_suite
    with (
        session(listener) as opened,
        open_runner(request.where, suite.settings, suite.devices, listener) as runner,
    ):
        whole = _planned(suite, request, runner)
        started = new_run(suite.name, suite.settings, request.label, request.command)
        planned = whole
        if request.shard is not None:
            started, planned = as_shard(started, whole, request.shard), shard_of(whole, request.shard)
        _tell_of_time(request, planned, listener)
        store = opened.open(request.store, create=True)
        opened.claim(started, request.save_baseline, request.where.flags)
        stored: Sequence[Result] = ()
        if request.shard is not None:
            stored = stored_of_shard(store, started, planned, runner.environments)
            tell_of_code(store, started, runner.environment, listener)
        tell_of_clocks(store, started, listener)
        store.add_run(started, planned.cases, planned.rounds)
        return measure(started, planned, runner, store, listener, stored=stored, baseline=request.save_baseline)


def plan(request: RunRequest, listener: Listener = ignore) -> Plan:
    """Return the plan of what `run` would measure, with an estimate of the time. Raises the same errors."""
    suite = request.resolved_suite
    with open_runner(request.where, suite.settings, suite.devices, listener) as runner:
        planned = _planned(suite, request, runner)
        planned = planned if request.shard is None else shard_of(planned, request.shard)
        _tell_of_time(request, planned, listener)
        return planned


def measure(
    run: Run,
    plan: Plan,
    runner: Runner,
    store: Store,
    listener: Listener,
    *,
    stored: Sequence[Result] = (),
    baseline: str | None = None,
    retried: bool = False,
) -> RunOutcome:
    """Measure what a stored run has no result of yet.

    Args:
        run: of the store.
        plan: everything that the run measures.
        runner, store, listener: where cases run, where results go, and what is called with events.
        stored: the results that the run has already.
        baseline: a name that points to the run if no case fails, or None.
        retried: whether failures in the store that are not among `stored` are measured again.
    """
    budget = run.settings.budget
    budgets = {} if budget is None else plan.sampling_budgets(budget)
    specs = Specs({}, store.calibrations(runner.environment.fingerprint), plan.estimate.pace, budgets)
    for here in runner.environments:
        check_rates(run, stored, here, replace(specs, calibrations=store.calibrations(here.fingerprint)))
    listener(RunPlanned(plan, runner.environment, store.name, budget, stored))
    sweep = run_sweep(
        run, plan.orders(), runner, store, listener, specs, stored=stored, prune=run.settings.prune, retried=retried
    )
    found = recorded(store, run)
    _refuse_lost_results(store, found, sum(sweep.statuses.values()))
    extended = _extended(run, plan, found, runner)
    if extended is not None:
        listener(Notice("some methods fall short of exact attention: longer trainings show which are only slow"))
        store.add_run(run, extended.cases, extended.rounds)
        return measure(run, extended, runner, store, listener, stored=found.results, baseline=baseline)
    if run.settings.shard is not None:
        found = found.only(plan.cases)  # other shards may be in the store, too
    # Longer trainings were not asked for: without one, a verdict stands as it is.
    failed = any(result.status in FAILED and result.case not in found.longer for result in found.results)
    saved = None
    if baseline is not None:
        saved = save_baseline(store, run, baseline, refused="some cases failed" if failed else None)
    return RunOutcome(found, plan, failed, saved)


def _extended(run: Run, plan: Plan, found: RecordedRun, runner: Runner) -> Plan | None:
    """Return the plan with longer trainings of what falls short, which are not in it yet; None if there are none.

    A budget is for the plan that was estimated, and a shard has its part of that plan.
    """
    times = run.settings.patience
    if times is None or run.settings.budget is not None or run.settings.shard is not None:
        return None
    longer = [one for one in longer_trainings(found.summaries, times, run.settings.margin) if one not in plan.rounds]
    if not longer:
        return None
    rounds = {**plan.rounds, **dict.fromkeys(longer, 1)}
    return plan_cases(rounds, run.settings, runner, found.results, rounds)


def _refuse_lost_results(store: Store, found: RecordedRun, stored: int) -> None:
    """Refuse a store that has fewer results of the run than it confirmed: another file is in its place.

    Raises:
        StoreError: naming the place of the file that has them.
    """
    lost = stored - len(found.results)
    if lost <= 0:
        return
    place = store.place_of_held_file()
    if place is None:
        hint = "the file that held them cannot be found; take it from a backup, or measure again"
    else:
        hint = f"they are in {place}: {shlex.join(['dctbench', 'store', 'merge', place, '--into', store.name])}"
    raise errors.StoreError(
        f"{lost} of {stored} results of run {found.run.short_id} are no longer in {store.name}: it was replaced during "
        "the run",
        hint=hint,
    )


def _planned(suite: Suite, request: RunRequest, runner: Runner) -> Plan:
    runner.require(suite.axes["device"])
    engines.require(suite.axes["engine"])
    return make_plan(suite, runner, results_of_machine(request.store, runner.environment.fingerprint))


def _tell_of_time(request: RunRequest, planned: Plan, listener: Listener) -> None:
    """Say what of the plan is not expected to be measured in its time: cases beyond their limit, and the budget."""
    unending = planned.unending
    if unending:
        first = unending[0].title
        more = f" and {pluralize(len(unending) - 1, 'more case')}" if len(unending) > 1 else ""
        longer = len(planned.estimate.left_out)
        then = f"; {pluralize(longer, 'longer case')} will be left out then" if longer else ""
        limit = format_duration(planned.estimate.pace.limit)
        what = "a call" if unending[0].task is None else "a training"
        listener(
            Notice(
                f"{first}{more}: {what} is predicted to take longer than the time limit of {limit}, and to end in a "
                f"timeout{then}. --case-timeout sets the limit"
            )
        )
    if request.budget is not None and request.budget < planned.least_seconds:
        least, budget = format_duration(planned.least_seconds), format_duration(request.budget)
        listener(Notice(f"--budget {budget} cannot be kept: the least samples take about {least}"))
