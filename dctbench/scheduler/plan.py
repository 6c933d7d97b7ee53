"""Suite -> plan: which cases a run will measure, in which order, and how long that should take."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product, repeat
from typing import Any

from dctbench import catalog
from dctbench.analysis import default_reference
from dctbench.catalog.inputs import HEAD_DIM, HEADS, layer_of
from dctbench.catalog.tasks import Task, task
from dctbench.errors import UsageError
from dctbench.machine import power_meters
from dctbench.model import Case, Result, RunSettings, TaskName
from dctbench.runners import Facts, Runner
from dctbench.scheduler.estimate import Estimate, estimate
from dctbench.scheduler.pace import most_rounds, pace_of, rounds_by_case
from dctbench.spec import grid
from dctbench.spec.suites import Suite
from dctbench.spec.trainings import check_trainable, expand_trainings, with_controls
from dctbench.text.format import pluralize
from dctbench.text.layers import chosen_layers

ORDER_SEED = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run measures.

    Attributes:
        rounds: the number of rounds of each case; the cases in the order of the first round.
        reference: the implementation that rows are compared with.
        estimate: how long it takes.
        repeats: how often each round of a case is measured, if not once: a case of base is measured beside every case
            of head that is compared with it.
        unanswered: why some method could not be asked for its FLOPs, so that other machines may plan differently; None
            if all of them were.
    """

    rounds: Mapping[Case, int]
    reference: str | None
    estimate: Estimate
    repeats: Mapping[Case, int] = field(default_factory=dict)
    unanswered: str | None = None

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases in the order of the first round."""
        return tuple(self.rounds)

    @property
    def most_rounds(self) -> int:
        """The largest number of rounds of a case."""
        return most_rounds(self.rounds)

    @property
    def processes(self) -> Iterator[tuple[Case, int]]:
        """Every case with the number of every round of it, as often as that is measured.

        There may be many millions of them, so none is kept.
        """
        for case, most in self.rounds.items():
            for number in range(1, most + 1):
                yield from repeat((case, number), self.repeats.get(case, 1))

    @property
    def number_of_processes(self) -> int:
        """How many processes there are."""
        return sum(most * self.repeats.get(case, 1) for case, most in self.rounds.items())

    @property
    def unending(self) -> list[Case]:
        """The cases that will time out: one call, or a training, is predicted to take longer than the time limit."""
        return [case for case in self.rounds if case not in self.estimate.left_out and not self.estimate.ends(case)]

    @property
    def seconds(self) -> float:
        """Predicted duration of the whole plan."""
        return self.estimate.total(self.rounds, self.repeats)

    def sampling_budgets(self, total: float) -> dict[tuple[str, int], float]:
        """Seconds of sampling for each case id and round, so that the plan takes about `total` seconds.

        What processes cost beside sampling is set aside first; the rest goes to the cases by their predicted cost.
        The least number of samples is taken all the same, so a budget can be too small to be kept.
        """
        sampling = {(case.id, number): self.estimate.sampling(case, number) for case, number in self.processes}
        if not sum(sampling.values()):  # trainings only: they sample nothing
            return {}
        rest = max(0.0, total - (self.seconds - sum(sampling.values())))
        share = rest / sum(sampling.values())
        return {process: share * cost for process, cost in sampling.items()}

    @property
    def least_seconds(self) -> float:
        """Duration with the least number of samples everywhere: no smaller budget can be kept."""
        least = replace(self.estimate, pace=replace(self.estimate.pace, budget=0.0, later_budget=0.0))
        return least.total(self.rounds, self.repeats)

    def seconds_left(self, budget: float | None = None, stored: Iterable[Result] = ()) -> float:
        """Predicted duration of what has no result yet.

        Args:
            budget: seconds for the whole plan, which may be more than it takes, or less than it can take.
            stored: results that are there already.
        """
        whole = self.seconds if budget is None else max(self.least_seconds, min(self.seconds, budget))
        done = sum(self.estimate.seconds(result.case, result.round) for result in stored if result.case in self.rounds)
        every = sum(self.repeats.get(case, 1) * self.estimate.in_rounds(case, n) for case, n in self.rounds.items())
        return whole * max(0.0, 1 - done / every) if every else 0.0

    def orders(self) -> list[tuple[Case, ...]]:
        """The cases of each round in the order in which they are measured.

        The first round goes by length (`ordered`). Later ones are shuffled, so that no method is confounded with the
        moment at which it runs.
        """
        later = []
        for number in range(2, self.most_rounds + 1):
            shuffled = sorted((case for case, most in self.rounds.items() if most >= number), key=lambda case: case.id)
            random.Random(ORDER_SEED + number).shuffle(shuffled)
            later.append(tuple(sorted(shuffled, key=lambda case: case.task is None)))
        return [self.cases, *later]


def make_plan(suite: Suite, runner: Runner, stored: Iterable[Result] = ()) -> Plan:
    """Plan a suite.

    Args:
        suite: what to measure.
        runner: it asks what only the implementations' own code knows.
        stored: earlier results of this machine, for the estimate.

    Raises:
        UsageError: for implementations and tasks that cannot be loaded, axes that give no case, and axes that do not go
            together.
    """
    if suite.axes["task"]:
        for axes in suite.sweeps:
            check_trainable(axes)
    _check_treatments(suite.axes)
    sweeps = [with_controls(axes) if suite.axes["task"] else axes for axes in suite.sweeps]
    entries = {name: catalog.implementation(name) for axes in sweeps for name in axes["impl"]}
    inputs = list(dict.fromkeys(name for axes in sweeps for name in _checked_inputs(axes)))
    own = [name for name, entry in entries.items() if entry.uses_ratio is None]
    tasks = {base: task(base) for base in (TaskName.parse(text).base for text in suite.axes["task"])}
    _check_devices(tasks.values(), suite.axes["device"])
    own_tasks = [base for base, entry in tasks.items() if entry.facts is None]
    facts = runner.describe(own, (), own_tasks, inputs) if own or own_tasks or inputs else Facts({}, {})
    methods: dict[str, grid.Compression] = {**entries, **facts.methods}
    known = {base: entry.facts or facts.tasks[base] for base, entry in tasks.items()}
    cases: dict[Case, None] = {}
    for axes in sweeps:
        if tasks:
            found = expand_trainings(axes, methods, known)
        else:
            known_axes = _with_models(axes, runner)
            found = [case for part in _with_layers(known_axes) for case in grid.expand_cases(part, methods)]
        cases |= dict.fromkeys(found)
        grid.check_number_of_cases(len(cases))  # each part of a suite may have as many as a suite
    return plan_cases(cases, suite.settings, runner, stored)


def _check_treatments(axes: Mapping[str, Sequence[Any]]) -> None:
    """Refuse what is done to a model without one, which would otherwise be ignored.

    Raises:
        UsageError: naming the flag.
    """
    given = next((axis for axis in ("layers", "keep_first", "recover") if axes.get(axis)), None)
    if given is not None and not any(axes.get("model") or ()):
        flag = f"--{given.replace('_', '-')}"
        raise UsageError(f"{flag} is for a model", hint="add --model, such as --model minilm")


def _check_devices(tasks: Iterable[Task], devices: Iterable[str]) -> None:
    """Refuse a device on which the trainings of a task would not end in time.

    Raises:
        UsageError: naming both.
    """
    for entry, device in product(tasks, devices):
        if entry.device not in (None, device.partition(":")[0]):
            raise UsageError(
                f"--device {device}: trainings on {entry.name} take too long there",
                hint=f"give --device {entry.device}:0, or leave out {entry.name}",
            )


def _checked_inputs(axes: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the inputs on which errors are measured.

    Raises:
        UsageError: for a scope in which there is no error, and for trainings.
    """
    inputs = [name for name in axes.get("input") or () if name is not None]
    other = next((scope for scope in axes["scope"] if scope not in ("attention", "layer")), None)
    if inputs and (axes["task"] or other is not None):
        what = "--task" if axes["task"] else "--model" if other == "model" else f"--scope {other}"
        raise UsageError(
            f"--input is for the error of a layer, which {what} does not have",
            hint=f"leave out --input, or {what}",
        )
    return inputs


def _with_layers(axes: Mapping[str, Sequence[Any]]) -> list[Mapping[str, Sequence[Any]]]:
    """Return the axes, apart for the inputs that are layers of a model: these have its heads, and no other ones."""
    inputs = axes.get("input") or ()
    layers = [name for name in inputs if name is not None and layer_of(name) is not None]
    if not layers:
        return [axes]
    of_layers = {**axes, "input": layers, "heads": (HEADS,), "head_dim": (HEAD_DIM,)}
    others = [name for name in inputs if name not in layers]
    return [*([{**axes, "input": others}] if others else []), of_layers]


def _with_models(axes: Mapping[str, Sequence[Any]], runner: Runner) -> Mapping[str, Sequence[Any]]:
    """Return the axes with the heads of the model that is measured, which only the model itself knows.

    Raises:
        UsageError: for scope `model` without a model, the other way round, and more than one model; for other heads
            than those of the model, and for layers that it does not have.
        UnavailableError: for a model that is not on this machine.
    """
    models = axes.get("model") or ()
    if ("model" in axes["scope"]) != bool(models) or (models and tuple(axes["scope"]) != ("model",)):
        raise UsageError(
            "--scope model and --model go together, and with no other scope",
            hint="such as --model minilm, or --model package.module:function",
        )
    if not models:
        return axes
    if len(models) > 1:
        raise UsageError("--model: one model is measured at a time", hint="run the command once for each model")
    facts = runner.model_facts(models[0], min(axes["seq"]), min(axes["batch"]))
    own = {"heads": facts.heads, "head_dim": facts.head_dim}
    for axis, value in own.items():
        other = next((one for one in axes[axis] if one != value), None)
        if other is not None:
            flag = f"--{axis.replace('_', '-')}"
            raise UsageError(f"{flag} {other}: the model was built with {flag} {value}", hint=f"leave out {flag}")
    for text in axes.get("layers") or ():
        chosen_layers(text, facts.attentions)
    most = max(axes.get("keep_first") or (0,))
    if most >= facts.attentions:
        raise UsageError(
            f"--keep-first {most}: the model has {pluralize(facts.attentions, 'attention')} that can be replaced",
            hint=f"leave one to replace: --keep-first {facts.attentions - 1} at most",
        )
    return {**axes, **{axis: (value,) for axis, value in own.items()}}


def plan_cases(
    cases: Iterable[Case],
    settings: RunSettings,
    runner: Runner,
    stored: Iterable[Result] = (),
    rounds: Mapping[Case, int] | None = None,
) -> Plan:
    """Plan cases that are known already, for a run with those settings.

    Args:
        cases: what to measure.
        settings: of the run.
        runner: it asks for the FLOPs of the cases.
        stored: earlier results of this machine, for the estimate.
        rounds: of each case, where they are decided already; None to decide by the estimate.

    Raises:
        UsageError: when two installed packages use one name for different metrics.
    """
    catalog.metrics()  # a name that two packages claim stops the run here, not each case after its timing
    reference = default_reference(cases := list(cases))
    order = tuple(ordered(cases, reference, ORDER_SEED))
    # Which meters the nodes of a cluster have is not known here.
    metered = settings.energy and not runner.several and any(case.device_kind == "cpu" for case in order)
    meter = power_meters.pass_seconds() if metered else 0.0
    pace = replace(pace_of(settings), cpu_energy=meter)
    facts = runner.describe((), order)
    predicted = estimate(order, facts.flops, stored, pace)
    if rounds is None:
        rounds = rounds_by_case(order, reference, predicted.anywhere.__getitem__, settings)
    trainings = [case for case in order if case.task is not None]
    # What is timed runs alone, between the trainings of two rounds.
    at_once = sum(map(rounds.__getitem__, trainings)) if len(trainings) == len(order) else len(trainings)
    jobs = max(1, min(max(map(runner.jobs, order), default=1), at_once))
    predicted = replace(predicted, pace=replace(pace, jobs=jobs))
    if settings.prune:
        predicted = replace(predicted, left_out=predicted.longer_than_unending(order))
    return Plan({case: rounds[case] for case in order}, reference, predicted, unanswered=facts.unanswered)


def ordered(cases: Iterable[Case], reference: str | None, seed: int) -> list[Case]:
    """Return the order of a first round: by length, so that the first case that does not fit spares the longer ones.

    Within a length methods are shuffled, so that none always runs on a machine that the same other one has
    heated. The reference comes first at its length, because the other rows are read as ratios to it. Trainings, which
    run side by side, come before all that needs the machine for itself.
    """
    shuffled = sorted(cases, key=lambda case: case.id)
    random.Random(seed).shuffle(shuffled)
    return sorted(shuffled, key=lambda case: (case.task is None, case.seq_len, case.implementation != reference))
