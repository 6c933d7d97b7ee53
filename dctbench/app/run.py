"""What `dctbench run` does once its flags are understood: start or resume a run, show it, end it well."""

from __future__ import annotations

import datetime
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from dctbench import __version__, errors
from dctbench.app.code_loading import check_stored_run
from dctbench.app.resume import resumable
from dctbench.cli.options import baselines
from dctbench.cli.tables import output
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.layout import Layout
from dctbench.cli.terminal.notices import say
from dctbench.cli.terminal.progress import Live, make_progress
from dctbench.cli.terminal.streams import outlive_readers, typed
from dctbench.exporters.json_document import dumps, plan_document
from dctbench.importers.json_document import check_resumable
from dctbench.machine import nvml
from dctbench.model import Result, Run, RunSettings, Suite
from dctbench.runners.local import LocalRunner, LocalSettings
from dctbench.scheduler.plan import SAMPLES_PER_CASE, Plan, make_plan, plan_cases, samples_per_round, sampling_seconds
from dctbench.scheduler.sweep import run_sweep
from dctbench.store import RETRYABLE, Store, clean_label, masked, results_of_machine
from dctbench.text.format import format_duration, pluralize
from dctbench.text.sanitize import sanitize_text
from dctbench.text.untrusted import InvalidDataError

Present = Callable[[Store, Run], None]


def start(suite: Suite, flags: Mapping[str, Any], present: Present | None = None) -> int:
    """Plan a suite and, unless it is a dry run, measure it as a new run; returns the exit code.

    `present` prints what was measured, in place of the results themselves.
    """
    outlive_readers()
    with resumable(say) as begun, _runner(suite.settings) as runner:
        nvml.require(suite.axes["device"], runner.variables)
        plan = make_plan(suite, runner, results_of_machine(flags["store"], runner.environment.fingerprint))
        _check_budget(plan, suite.settings.budget)
        if flags["dry_run"]:
            return _print_plan(plan, suite.settings.budget, flags["output_format"])
        run = Run(
            id=uuid.uuid4().hex[:16],
            label=clean_label(typed(flags["label"] or "")) or None,
            suite=suite.name,
            argv=tuple(sanitize_text(masked(typed(word))) for word in sys.argv[1:]),
            started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
            dctbench_version=__version__,
            settings=suite.settings,
        )
        store = begun.open(flags["store"], create=True)
        begun.claim(run, flags.get("save_baseline"))
        store.add_run(run, plan.cases, plan.rounds)
        return _measure(run, plan, runner, store, (), flags, present)


def resume(flags: Mapping[str, Any]) -> int:
    """Go on where a run stopped, with the plan and settings that are in the store; returns the exit code."""
    outlive_readers()
    with resumable(say) as begun:
        store = begun.open(flags["store"])
        run = _run_to_resume(store, flags["resume"], flags["retry_failed"])
        if run.dctbench_version != __version__:
            raise errors.CannotJudgeError(
                f"run {run.short_id} was begun by dctbench {run.dctbench_version}, this is {__version__}",
                hint="start a new run: results of two versions in one would not be comparable",
            )
        _check_settings(run)
        cases, _ = store.plan(run.id)
        check_stored_run(run)
        begun.claim(run, flags.get("save_baseline"), ["--retry-failed"] if flags["retry_failed"] else [])
        with _runner(run.settings) as runner:
            here, there = runner.environment.fingerprint, store.environments(run.id)
            if there and here not in there:
                raise errors.CannotJudgeError(
                    f"run {run.short_id} was begun in another environment ({next(iter(there))}, here {here})",
                    hint="start a new run here, or resume on the machine and versions it was begun with",
                )
            stored = store.resume_run(run)
            plan = plan_cases(cases, run.settings, runner, stored)
            if flags["retry_failed"]:
                stored = [result for result in stored if result.status not in RETRYABLE]
            return _measure(run, plan, runner, store, stored, flags)


def _check_settings(run: Run) -> None:
    """Whether more of a run can be measured: one that was imported may be of another kind, or made by hand."""
    try:
        check_resumable(run.settings)
    except InvalidDataError as bad:
        raise errors.UsageError(
            f"run {run.short_id} cannot be resumed: {bad}", hint="it was imported; start a new run"
        ) from None


def _run_to_resume(store: Store, reference: str, retry_failed: bool) -> Run:
    """The run that is named or, by default, the latest that has something left to do."""
    if reference:
        run = store.find_run(reference).run
        if run.is_check:
            raise errors.UsageError(
                f"run {run.short_id} belongs to a check, whose pairs must be near in time", hint="start the check again"
            )
        return run
    for state in reversed(store.runs()):
        wanted = state.unfinished or (retry_failed and (state.failed or _left_out(store, state.run)))
        if wanted and not state.run.is_check:
            return state.run
    raise errors.UsageError("every stored run is complete: nothing to resume", hint="see dctbench list runs")


def _left_out(store: Store, run: Run) -> bool:
    """Whether a run without failures holds results that trying again may replace.

    A retry that was killed leaves what an earlier failure, mended since, had kept from running. What a result that
    stays accounts for, such as a shorter length that did not fit, is left out again.
    """
    results = store.results(run.id)
    settled = {result.case for result in results if result.status not in RETRYABLE and result.status != "ok"}
    limits: dict[tuple[object, ...], int] = {}
    for result in results:
        if result.status == "oom":
            limits[result.case.row] = min(result.case.seq_len, limits.get(result.case.row, result.case.seq_len))
    return any(
        result.status in RETRYABLE
        and result.case not in settled
        and result.case.seq_len <= limits.get(result.case.row, result.case.seq_len)
        for result in results
    )


def _measure(
    run: Run,
    plan: Plan,
    runner: LocalRunner,
    store: Store,
    stored: Sequence[Result],
    flags: Mapping[str, Any],
    present: Present | None = None,
) -> int:
    calibrations = {
        device: found
        for device in {case.device for case in plan.cases}
        if (found := store.calibration(runner.environment.fingerprint, device)) is not None
    }
    runner.calibrations = calibrations
    if run.settings.budget is not None:
        budgets = plan.sampling_budgets(run.settings.budget)
        runner.sampling_of = {case: {"budget": seconds} for case, seconds in budgets.items()}
    style = "none" if flags["quiet"] else flags["progress"]
    layout = Layout(plan.cases, plan.reference)
    header = f"dctbench run   {_headline(plan, runner, run.settings.budget, stored)}   {store.name}"
    progress = make_progress(style, header, plan, stored)
    with progress:
        outcome = run_sweep(
            run,
            plan.orders(),
            runner,
            store,
            progress,
            stored=stored,
            calibrations=calibrations,
            prune=run.settings.prune,
            retried=flags.get("retry_failed", False),
        )
    if flags.get("save_baseline") is not None:
        refused = "some cases failed" if outcome.failed else None
        baselines.save(store, run, flags["save_baseline"], refused=refused)
    shown = isinstance(progress, Live) and sys.stdout.isatty() and plan.rounds == 1 and not stored
    if present is not None:
        present(store, run)
    else:
        output.print_run(store, run, flags["output_format"], layout, rows_shown=shown)
    return errors.EXIT_CASES_FAILED if outcome.failed else errors.EXIT_OK


def _runner(settings: RunSettings) -> LocalRunner:
    rounds = settings.rounds
    least = samples_per_round(rounds, settings.samples or SAMPLES_PER_CASE)
    sampling = {"samples_least": least, "budget": sampling_seconds(rounds)}
    return LocalRunner(
        LocalSettings(settings.case_timeout, settings.env, sampling, settings.isolation, settings.cache),
        on_wait=say,
    )


def _headline(plan: Plan, runner: LocalRunner, budget: float | None, stored: Sequence[Result]) -> str:
    facts = runner.environment.facts
    dtypes = ", ".join(dict.fromkeys(case.dtype for case in plan.cases))
    caveat = plan.estimate.caveat and f" ({plan.estimate.caveat})"
    count = f"{pluralize(len(plan.cases), 'case')} x {pluralize(plan.rounds, 'round')}"
    took = format_duration(plan.seconds_left(budget, stored))
    return f"{facts['cpu']}, {facts['cores_usable']} cores · {dtypes} · {count} · est. {took}{caveat}"


def _check_budget(plan: Plan, budget: float | None) -> None:
    if budget is not None and budget < plan.least_seconds:
        least = format_duration(plan.least_seconds)
        say(f"--budget {format_duration(budget)} cannot be kept: the least samples take about {least}")


def _print_plan(plan: Plan, budget: float | None, output_format: str) -> int:
    whole = plan.seconds_left(budget)
    figures = {"seconds": round(whole, 3), "rates_measured_here": plan.estimate.measured}
    if output_format == "json":
        print_document(dumps(plan_document(plan.cases, figures)))
        return errors.EXIT_OK
    took = {case: sum(plan.estimate.seconds(case, n) for n in range(1, plan.rounds + 1)) for case in plan.cases}
    if output_format == "csv":
        rows: list[dict[str, Any]] = [
            {"case_id": case.id, "case": case.to_json(), "seconds": round(took[case], 3)} for case in plan.cases
        ]
    else:
        rows = [
            {
                "case": case.name,
                "n": case.seq_len,
                "n_kept": case.n_kept,
                "batch": case.batch,
                "heads": f"{case.heads} x {case.head_dim}",
                "dtype": case.dtype,
                "device": case.device,
                "estimate": format_duration(took[case]),
            }
            for case in plan.cases
        ]
    print_records(rows, output_format)
    basis = plan.estimate.caveat or "from what was measured in this environment"
    click.echo(
        f"{len(plan.cases)} cases x {pluralize(plan.rounds, 'round')}, about {format_duration(whole)} ({basis})",
        err=True,
    )
    return errors.EXIT_OK
