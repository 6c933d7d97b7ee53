"""Choose the method to ship at one length, within budgets, from stored results or from results measured now."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from dctbench import analysis, catalog, errors
from dctbench.analysis import REFERENCE, Budgets, Choice, Ranking, Summary
from dctbench.analysis.accuracy import CONTROL, MARGIN, TaskResults, task_results, told_first, without_longer
from dctbench.analysis.decision import Accuracies
from dctbench.analysis.floors import Missed, keep_floors
from dctbench.analysis.in_model import in_models
from dctbench.analysis.model_choice import Decision, ModelChoice, choose_in_model
from dctbench.app.requests import ChooseRequest, RunRequest
from dctbench.app.run import RunOutcome, run
from dctbench.compare.check_settings import in_turns
from dctbench.model import Case, Run
from dctbench.runs.lookup import RecordedRun, known_reference, recorded, resolve
from dctbench.scheduler.events import Listener, ignore
from dctbench.spec.axes import of
from dctbench.spec.grid import expand_cases
from dctbench.spec.suites import NOISE
from dctbench.store import MissingError, masked, open_store
from dctbench.wording import recommendation
from dctbench.wording.commands import typed_value


class NotTrainedError(errors.CannotJudgeError):
    """No stored run has trained on a task that the question names."""


class NothingMeasuredError(errors.CannotJudgeError):
    """The run holds no latency for the question. Measuring gives an answer."""


@dataclass(frozen=True, slots=True)
class ChooseOutcome:
    """The answer, and the results that it is based on.

    Attributes:
        recorded: the run that answers.
        summaries: its cases at the length in question.
        planned: how many such cases it planned.
        answers: a choice for every shape that was measured at the length.
        measured: the run that was measured for this question, or None.
        accuracies: what stored runs learned on tasks.
        missed: for each answer, the floors of accuracy that methods do not keep.
        in_model: for each answer, the decision for the model that the question names; none without one.
        trained_in: the other runs of the store that accuracies of its methods come from.
    """

    recorded: RecordedRun
    summaries: Sequence[Summary]
    planned: int
    answers: Sequence[tuple[Ranking, Choice]]
    measured: RunOutcome | None
    accuracies: Accuracies
    missed: Sequence[Mapping[Case, Sequence[Missed]]]
    in_model: Sequence[ModelChoice] = ()
    trained_in: Sequence[Run] = ()

    @property
    def exit_code(self) -> int:
        """0 when a method can be named at every shape; 4 when measuring failed in part; else 3."""
        if self.measured is not None and self.measured.failed:
            return self.measured.exit_code
        if self.in_model:
            named = all(one.decision is not Decision.NOTHING for one in self.in_model)
        else:
            named = all(choice.within for _, choice in self.answers)
        return errors.EXIT_OK if named else errors.CannotJudgeError.exit_code


def choose(request: ChooseRequest, listener: Listener = ignore) -> ChooseOutcome:
    """Answer which method to ship at a length. Nothing is printed.

    Args:
        request: the length, the budgets, and where to look.
        listener: called with every event of a measurement.

    Raises:
        NothingMeasuredError: when the run holds no latency for the question, or there is no run that can answer.
        NotTrainedError: when no run has trained on a task that a floor names.
        UsageError: for a reference that is not among the methods.
        StoreError: when there is no store, or it cannot be read.
    """
    if not request.measure:
        return _answer(request, _stored(request), None)
    measured = _measure(request, listener)
    return _answer(request, measured.recorded, measured)


def _measure(request: ChooseRequest, listener: Listener) -> RunOutcome:
    """Measure the length of a request.

    Raises:
        NotTrainedError: when no stored run has trained on a task that a floor names.
        UsageError: for a reference that is not among the methods.
    """
    asked = RunRequest(
        suite="quick" if request.axes.model is None else "minilm",
        axes=replace(request.axes, seq=request.seq_len),
        samples=_samples(request.budgets),
        store=request.store,
        command=request.command,
    )
    axes = asked.resolved_suite.axes  # what cannot be answered is refused before minutes of measuring
    if request.reference is not None:
        methods = {name: catalog.implementation(name) for name in axes["impl"]}
        known_reference(request.reference, expand_cases(axes, methods))
    if request.floors:  # the new run trains on nothing
        _check_trained(request, chain.from_iterable(one for _, one in _stored_results(request.store)), axes["impl"])
    return run(asked, listener)


def _samples(budgets: Budgets) -> int | None:
    """Return the fewest samples that can show that a method keeps the budgets; None for the usual number."""
    return max((one for one in (budgets.samples, budgets.releases) if one is not None), default=None)


def _stored(request: ChooseRequest) -> RecordedRun:
    """Return the run to answer from.

    It is the named run or, by default, the latest that timed a method at the length, else the latest of those whose
    lengths are the nearest. Runs that were measured by themselves come before those that took turns with a base.

    Raises:
        NothingMeasuredError: when the store has no run that can answer.
    """
    if request.run is not None:
        return resolve(request.store, request.run)
    with open_store(request.store) as opened:
        # A run of the suite `noise` measures only two methods, many times, to learn about the machine.
        runs = [state.run for state in reversed(opened.runs([])) if state.stored and state.run.suite != NOISE]
        ids = [run.id for run in sorted(runs, key=in_turns)]
        lengths = {i: {c.seq_len for c in opened.plan(i, [])[0] if _matches(c, request)} for i in ids}
    planned = [i for i in ids if request.seq_len in lengths[i]]
    for run_id in planned:
        found = resolve(request.store, run_id)
        if analysis.rankings([s for s in found.summaries if _in_question(s.case, request)], None):
            return found
    if not ids:
        latest = resolve(request.store)  # which names a store that is empty or damaged
        if latest.run.suite != NOISE:
            return latest
        raise NothingMeasuredError(f"the store {masked(request.store)} holds only results of the suite {NOISE}")
    return resolve(request.store, min(ids, key=lambda i: _distance(request.seq_len, lengths[i])))


def _distance(n: int, lengths: Collection[int]) -> tuple[bool, float]:
    """Return a key that sorts runs: those with lengths on both sides of n come first, then those with the nearest."""
    around = any(m < n for m in lengths) and any(m > n for m in lengths)
    return not around, min((abs(math.log(m / n)) for m in lengths), default=math.inf)


def _in_question(case: Case, request: ChooseRequest) -> bool:
    return case.seq_len == request.seq_len and _matches(case, request)


def _matches(case: Case, request: ChooseRequest) -> bool:
    """Whether a case has what the question names. Without a model it is about layers: a model is no layer."""
    if request.axes.model is None and case.model is not None:
        return False
    return all(of(case, axis) == value for axis, [value] in request.axes.given.items())


def _answer(request: ChooseRequest, found: RecordedRun, measured: RunOutcome | None) -> ChooseOutcome:
    summaries = [s for s in found.summaries if _matches(s.case, request)]
    here = [s for s in summaries if s.case.seq_len == request.seq_len]
    if request.reference is not None:
        reference = found.reference(request.reference)
    else:
        reference = analysis.default_reference(s.case for s in summaries)
    lengths = {summary.case.shape for summary in here}
    rankings = [one for one in analysis.rankings(found.summaries, reference) if one.shape in lengths]
    if not rankings:
        raise _nothing_measured(request, found, summaries, here)
    planned = sum(_in_question(case, request) for case in found.plan)
    if request.axes.model is not None:
        return _answer_in_model(request, found, here, planned, rankings, measured)
    accuracies, trained_in = _learned(request, found)
    answers, missed = [], []
    for ranking in rankings:
        choice = analysis.choose(ranking, request.budgets)
        kept, misses = keep_floors(ranking, choice, request.floors, accuracies)
        answers.append((ranking, kept))
        missed.append(misses)
    return ChooseOutcome(found, here, planned, answers, measured, accuracies, missed, trained_in=trained_in)


def _answer_in_model(
    request: ChooseRequest,
    found: RecordedRun,
    here: Sequence[Summary],
    planned: int,
    rankings: Sequence[Ranking],
    measured: RunOutcome | None,
) -> ChooseOutcome:
    """Decide for a model.

    Raises:
        NothingMeasuredError: when the model as it is was not timed, so that nothing can be compared with it.
    """
    margin = MARGIN if request.max_loss is None else request.max_loss
    # The claims of a run hold together, so all of its models and lengths take part.
    shapes = [one for one in in_models(found.summaries) if any(one.original.case.shape == s.case.shape for s in here)]
    pairs = [(choose_in_model(one, rankings, request.budgets, margin), one) for one in shapes]
    decided = [choice for choice, one in pairs if choice is not None and one.original.timed]
    if not decided:
        ended = ", ".join(dict.fromkeys(one.original.status for one in shapes if one.original.timed is None))
        raise NothingMeasuredError(
            f"run {found.run.short_id}: at n = {request.seq_len} the model as it is ({REFERENCE}) was not timed"
            + (f" ({ended})" if ended else "")
        )
    answers = [(next(r for r in rankings if r.shape == one.found.original.case.shape), one.choice) for one in decided]
    return ChooseOutcome(found, here, planned, answers, measured, Accuracies(()), [{} for _ in answers], decided)


def _learned(request: ChooseRequest, found: RecordedRun) -> tuple[Accuracies, list[Run]]:
    """Return what was learned on each task by the run that answers, and the other runs that tell of it.

    Where it has trained on no task, or not on one that a floor names, other runs of the store tell: of each task and
    length the latest one that trained on it.

    Raises:
        NotTrainedError: when no run has trained on a task that a floor names.
    """
    wanted = {floor.task for floor in request.floors}
    own = _results(found)
    runs = [(found.run, own)]
    if not wanted <= {str(results.task) for results in own}:
        runs += _stored_results(request.store)
    elif not own:
        with suppress(errors.StoreError):  # what it tells is welcome, and nothing that was asked for
            runs += _stored_results(request.store)
    told = told_first(results for _, results in runs)
    known = list(chain.from_iterable(told))
    _check_trained(request, known, [summary.case.implementation for summary in found.summaries])
    accuracies = Accuracies(tuple(without_longer(known, wanted)))
    every = [one for summary in found.summaries for one in accuracies.on_each_task(summary)]
    telling = [results for results, compared in every if compared is not None or str(results.task) in wanted]
    others = zip(runs[1:], told[1:], strict=True)
    return accuracies, [run for (run, _), counted in others if any(results in telling for results in counted)]


def _check_trained(request: ChooseRequest, known: Iterable[TaskResults], methods: Iterable[str]) -> None:
    """Check that something was learned on every task that a floor names.

    Args:
        request: with its floors.
        known: what was learned.
        methods: those that the hint trains.

    Raises:
        NotTrainedError: naming the task.
    """
    tasks = {str(results.task) for results in known}
    for floor in request.floors:
        if floor.task not in tasks:
            raise NotTrainedError(
                f"no stored run has trained on {floor.task}",
                hint=f"train on it: dctbench run --task {floor.task} --impl "
                f"{','.join(dict.fromkeys([REFERENCE, *methods, CONTROL]))}",
            )


def _results(found: RecordedRun) -> list[TaskResults]:
    return task_results(found.summaries, margin=found.run.settings.margin)


def _stored_results(store: str) -> list[tuple[Run, list[TaskResults]]]:
    """Return the runs that trained on a task, the latest first, and what each of them learned."""
    try:
        with open_store(store) as opened:
            return [
                (state.run, _results(recorded(opened, state.run, [])))
                for state in reversed(opened.runs([]))
                if state.stored and any(case.task is not None for case in opened.plan(state.run.id, [])[0])
            ]
    except MissingError:
        return []


def _nothing_measured(
    request: ChooseRequest, found: RecordedRun, summaries: Sequence[Summary], here: Sequence[Summary]
) -> NothingMeasuredError:
    run = f"run {found.run.short_id}"
    lengths = sorted({s.case.seq_len for s in summaries if s.latency})
    if not lengths:
        models = list(dict.fromkeys(case.model for case in found.plan if case.model is not None))
        if request.axes.model is None and models:
            return NothingMeasuredError(f"{run} holds results of a model: ask for them with --model {models[0]}")
        return NothingMeasuredError(_unknown_value(request, found) or f"{run} has no results for this question")
    if here:
        failed = ", ".join(f"{s.case.name} {s.status}" for s in here)
        return NothingMeasuredError(f"{run}: at n = {request.seq_len} no method was timed ({failed})")
    return NothingMeasuredError(f"{run}: {recommendation.around(request.seq_len, lengths)}")


def _unknown_value(request: ChooseRequest, found: RecordedRun) -> str | None:
    """Return which value that was asked for no result has, and the values that there are; None if each has one."""
    cases = set(found.plan)
    if request.run is None:
        with open_store(request.store) as opened:
            cases.update(case for state in opened.runs([]) if state.stored for case in opened.plan(state.run.id, [])[0])
    for axis, [value] in request.axes.given.items():
        known = {of(case, axis) for case in cases}
        if value not in known:
            there = ", ".join(typed_value(axis, one) for one in sorted(known - {None}))
            flag = f"--{axis.replace('_', '-')}"
            where = "no stored result has" if request.run is None else f"no result of run {found.run.short_id} has"
            return f"{where} {flag} {typed_value(axis, value)}, {f'only {there}' if there else 'and none has any'}"
    return None
