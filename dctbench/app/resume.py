"""Resume a stored run where it stopped, with the plan and the settings that are in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dctbench import __version__, errors
from dctbench.app.code_loading import check_stored_run
from dctbench.app.continuing import tell_of_code
from dctbench.app.requests import ResumeRequest, check_baseline_of_shard
from dctbench.app.run import RunOutcome, measure
from dctbench.app.runners import open_runner
from dctbench.app.session import session
from dctbench.app.shards import command_of_shard
from dctbench.importers.json_document import check_resumable
from dctbench.model import RETRYABLE, Case, Result, Run
from dctbench.runners import Runner
from dctbench.scheduler.events import Listener, ignore
from dctbench.scheduler.plan import plan_cases
from dctbench.scheduler.shards import is_sharded
from dctbench.text.untrusted import InvalidDataError

if TYPE_CHECKING:
    from dctbench.store import Store


def resume(request: ResumeRequest, listener: Listener = ignore) -> RunOutcome:
    """Measure what a stored run lacks. Nothing is printed.

    Args:
        request: which run, and where it is stored.
        listener: called with every event (`dctbench.scheduler.events`).

    Raises:
        UsageError: when there is nothing to resume, or the run cannot be resumed, such as one in shards.
        CannotJudgeError: when the run was started by another version, in another environment, or with other planner
            rates.
        StoreError: when the store cannot be read or written.
        InterruptedRunError: in place of KeyboardInterrupt; what was measured is stored.
    """
    with session(listener) as opened:
        store = opened.open(request.store)
        run = _run_to_resume(store, request.run, request.retry_failed)
        _check_version(run)
        _check_settings(run)
        rounds = store.planned_rounds(run.id)
        _check_shards(store, run, rounds)
        check_baseline_of_shard(run.settings.shard, request.save_baseline)
        check_stored_run(run)
        retry = ["--retry-failed"] if request.retry_failed else []
        opened.claim(run, request.save_baseline, [*request.where.flags, *retry])
        devices = list(dict.fromkeys(device for case in rounds for device in case.devices))
        with open_runner(request.where, run.settings, devices, listener) as runner:
            _check_environment(store, run, runner)
            tell_of_code(store, run, runner.environment, listener)
            stored = store.resume_run(run)
            _check_units(run, rounds, stored, runner)
            plan = plan_cases(rounds, run.settings, runner, stored, rounds)
            if request.retry_failed:
                stored = _without_what_is_retried(store, run, stored, runner)
            return measure(
                run,
                plan,
                runner,
                store,
                listener,
                stored=stored,
                baseline=request.save_baseline,
                retried=request.retry_failed,
            )


def _check_version(run: Run) -> None:
    if run.dctbench_version != __version__:
        raise errors.CannotJudgeError(
            f"run {run.short_id} was started by dctbench {run.dctbench_version}, this is {__version__}",
            hint="start a new run: results of two versions in one run would not be comparable",
        )


def _check_settings(run: Run) -> None:
    """Refuse a run with invalid settings: an imported one may be of another kind, or made by hand."""
    try:
        check_resumable(run.settings)
    except InvalidDataError as error:
        raise errors.UsageError(
            f"run {run.short_id} cannot be resumed: {error}", hint="it was imported; start a new run"
        ) from None


def _check_shards(store: Store, run: Run, rounds: Mapping[Case, int]) -> None:
    """Refuse a run in shards that lacks results: another machine may be measuring them.

    Once it has all of them, nobody else is at work, and failures can be tried again.
    """
    # Of the server itself: the process knows the progress of a run only once it measures it.
    if not store.state(run.id).complete and is_sharded(run, rounds):
        raise errors.UsageError(
            f"run {run.short_id} is divided into shards, and another machine may be measuring what it lacks",
            hint=f"continue each shard with its own command, such as: {command_of_shard(run)}",
        )


def _check_environment(store: Store, run: Run, runner: Runner) -> None:
    there = store.environments(run.id)
    here = [environment.fingerprint for environment in runner.environments]
    if there and not there.keys() & here:
        raise errors.CannotJudgeError(
            f"run {run.short_id} was started in another environment ({next(iter(there))}, here {' and '.join(here)})",
            hint="start a new run here, or resume on the machine and with the versions that it was started with",
        )


def _check_units(run: Run, rounds: Mapping[Case, int], stored: Sequence[Result], runner: Runner) -> None:
    """Refuse to finish on this machine what another one has begun: methods that are compared would mix the two.

    A cluster gives each unit back to a machine like the one that began it. What was skipped was measured nowhere.
    """
    if runner.several:
        return
    have = {(result.case, result.round) for result in stored}
    unfinished = {
        case.unit for case, most in rounds.items() for n in range(1, most + 1) if (case, n) not in have
    }  # fmt: skip
    here = runner.environment.fingerprint
    others = {
        result.fingerprint
        for result in stored
        if result.case.unit in unfinished and result.status != "skipped" and result.fingerprint != here
    }
    if others:
        raise errors.CannotJudgeError(
            f"run {run.short_id} has shapes that were begun in another environment ({min(others)}, here {here})",
            hint="resume it where these can go on: --runner ray --address HOST:PORT, or on that machine",
        )


def _without_what_is_retried(store: Store, run: Run, stored: Sequence[Result], runner: Runner) -> list[Result]:
    """Return the results that stay. A merged run keeps what failed elsewhere: its cases would mix two machines.

    Raises:
        UsageError: when all that the run has to retry is elsewhere.
    """
    here = {environment.fingerprint for environment in runner.environments}

    def stays(result: Result) -> bool:
        return result.status not in RETRYABLE or result.fingerprint not in here

    elsewhere = {result.fingerprint for result in stored if result.status in RETRYABLE and stays(result)}
    state = store.progress(run.id)
    if elsewhere and all(map(stays, stored)) and state is not None and state.complete:
        raise errors.UsageError(
            f"what failed in run {run.short_id} was measured in another environment ({min(elsewhere)})",
            hint="retry it where it was measured, or measure these cases here in a new run",
        )
    return list(filter(stays, stored))


def _run_to_resume(store: Store, reference: str | None, retry_failed: bool) -> Run:
    """Return the named run or, by default, the latest that is unfinished."""
    if reference:
        run = store.find_run(reference).run
        if run.is_check:
            raise errors.UsageError(
                f"run {run.short_id} belongs to a check, whose pairs must be near in time", hint="start the check again"
            )
        return run
    damage: list[str] = []
    for state in reversed(store.runs(damage)):
        wanted = state.unfinished or (retry_failed and (state.failed or _has_results_to_retry(store, state.run)))
        if wanted and not state.run.is_check:
            return state.run
    if damage:
        raise errors.StoreError(
            f"no other stored run is to be resumed, and {damage[0]}",
            hint="see what else is damaged: dctbench store check",
        )
    raise errors.UsageError("every stored run is complete: nothing to resume", hint="see dctbench list runs")


def _has_results_to_retry(store: Store, run: Run) -> bool:
    """Whether a run without failures has results that another try may replace.

    A retry that was killed leaves results that were skipped because of a failure that no longer exists. Results
    that stay skipped for another reason, such as a shorter length that did not fit, do not count.
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
