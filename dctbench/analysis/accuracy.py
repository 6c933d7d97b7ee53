"""What attention is worth: the accuracy that a method reaches on a task, beside that of exact attention.

A round of a case with a task is a seed. All methods of a round share it, so differences are taken within a seed. A
training that failed counts at the task's floor. Nothing is averaged over tasks.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise, takewhile

from dctbench.analysis.reference import default_reference
from dctbench.analysis.scores import Score, difference, only_shared, score_of, shared_seeds
from dctbench.analysis.summary import Summary, method_order, same_length
from dctbench.catalog import Kind, recorded_implementation
from dctbench.catalog.tasks import TASKS
from dctbench.model import Case, TaskName
from dctbench.stats.chains import chains
from dctbench.stats.multiple import holm
from dctbench.stats.paired import Mean, quotient
from dctbench.stats.robust import Interval

MARGIN = 0.02
"""A loss of accuracy that does not matter: two points. A suite may declare another one."""
SENSITIVE = 4
"""A task tells methods apart if exact attention surely gains this many margins over no attention."""
CLAIM = 10
"""The fewest seeds of a claim. Fewer are a look."""
ALPHA = 0.025
"""The one-sided level of "as good", for one method and for all methods of a task together."""
CONTROL = "none"
"""The method without attention: what a task gives away for nothing."""


class Standing(Enum):
    """How the accuracy of a method compares with that of the reference."""

    BETTER = "better"
    """Surely above the reference."""
    AS_GOOD = "as_good"
    """Surely not more than the margin below it."""
    WORSE = "worse"
    """Surely below it, and not shown to be within the margin."""
    SLOW = "slow"
    """Worse, but within the margin when the training is several times as long."""
    UNDECIDED = "undecided"
    """The seeds do not tell; `Doubt` says why."""
    SILENT = "silent"
    """The task says nothing: exact attention does not surely gain enough over no attention."""


class Doubt(Enum):
    """Why a standing is undecided."""

    WIDE = "wide"
    """The interval holds both a loss beyond the margin and none."""
    ONE_SEED = "one_seed"
    """Fewer than two seeds were trained with both methods, for as many steps."""
    NO_REFERENCE = "no_reference"
    """The reference was not trained."""
    FAILED = "failed"
    """A training of the reference or of `none` failed: what they reach together is not known."""
    NO_CONTROL = "no_control"
    """`none` was not trained, so that nothing shows whether the task needs attention."""
    BLIND = "blind"
    """It falls short, but in at least half of its seeds no learning rate had learned anything when one was chosen."""
    NOT_TRAINED = "not_trained"
    """No training of the method ended: it does not run at this shape, or was not tried."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A method beside the reference.

    Attributes:
        score: of the method.
        standing: the verdict.
        doubt: why it is undecided; else None.
        pairs: seeds that both were trained with.
        difference: mean accuracy above that of the reference, with its interval; None under two pairs, and where a
            training of the reference failed.
        held: whether it is as good in the joint test of all methods of the task, and not only by itself.
        held_better: whether it is better in the joint test of all methods.
        held_worse: whether it is worse in the joint test of all methods.
        kept: the share of what exact attention gains over no attention that the method keeps, with Fieller's interval;
            None where the task is not sensitive.
        solved: of a method whose seeds fall into two groups, how many solve the task; else None.
        patient: mean difference in the longer trainings; None if there are none.
        shared: the scores of the method and of the reference in the seeds that both were trained with, where one of
            them has further seeds; else None.
    """

    score: Score
    standing: Standing
    doubt: Doubt | None
    pairs: int
    difference: Interval | None
    held: bool
    held_better: bool
    held_worse: bool
    kept: Interval | None
    solved: int | None
    patient: float | None
    shared: tuple[Score, Score] | None

    @property
    def counted(self) -> Score:
        """The score over the seeds that the verdict compares."""
        return self.score if self.shared is None else self.shared[0]

    @property
    def case(self) -> Case:
        """The case of the method."""
        return self.score.case


@dataclass(frozen=True, slots=True)
class TaskResults:
    """The methods that were trained on one task, at one shape.

    Attributes:
        task: its name; with the patience of the shortest trainings, which methods are compared in.
        guess: accuracy of the best guess that does not solve it; None where this is not known.
        reference: the score of exact attention; None if it was not trained.
        control: the score of `none`; None if it was not trained.
        gain: accuracy of exact attention above `none`; None where this is unknown: for lack of seeds, or since some of
            these trainings failed.
        sensitive: whether the gain is surely above `SENSITIVE` margins; None where this is unknown.
        margin: the loss that does not matter.
        methods: all but the reference, in the order of tables.
        held: by method, the cases that are as good all together: from the lowest compression up to the last that held.
    """

    task: TaskName
    guess: float | None
    reference: Score | None
    control: Score | None
    gain: Interval | None
    sensitive: bool | None
    margin: float
    methods: tuple[Compared, ...]
    held: Mapping[str, tuple[Case, ...]]

    @property
    def case(self) -> Case:
        """One of its cases, for the shape that all share."""
        scores = [self.reference, self.control, *(found.score for found in self.methods)]
        return next(score.case for score in scores if score is not None)

    @property
    def question(self) -> str | None:
        """What the task asks, in one line; None for a task that is not dctbench's own."""
        entry = TASKS.get(self.task.base)
        return entry.summary if entry else None

    @property
    def scores(self) -> list[Score]:
        """All scores, the reference first."""
        return [*([self.reference] if self.reference else []), *(found.score for found in self.methods)]

    def score_of_reference(self, summary: Summary) -> Score | None:
        """The score of the reference if a summary is of the same method in floating point; else None."""
        if self.reference is None or summary.quantised:
            return None
        return self.reference if self.reference.case.implementation == summary.case.implementation else None

    @property
    def solved_without_attention(self) -> bool:
        """Whether `none` surely comes so close to the reference that the task does not need attention.

        It must also be well above a guess: where nothing was learned, nothing is solved.
        """
        if self.gain is None or self.control is None or self.control.mean is None:
            return False
        near = SENSITIVE * self.margin
        return self.gain.high <= near and self.control.mean > (self.guess or 0.0) + near


def without_longer(found: Iterable[TaskResults], asked: Collection[str] = ()) -> list[TaskResults]:
    """Leave out tasks that are there with fewer steps as well, unless they are asked for by name.

    Of several runs, one may have trained on `mnist1d`, and another one on `mnist1d/4x` alone.
    """
    every = list(found)
    least: dict[tuple[TaskName, int], int] = {}
    for results in every:
        key = (replace(results.task, patience=1), results.case.seq_len)
        least[key] = min(results.task.patience, least.get(key, results.task.patience))
    return [
        results
        for results in every
        if str(results.task) in asked
        or results.task.patience == least[replace(results.task, patience=1), results.case.seq_len]
    ]


def told_first(runs: Iterable[Sequence[TaskResults]]) -> list[list[TaskResults]]:
    """Return what counts of several runs: of those that trained on a task at one length, the first one tells."""
    told: set[tuple[TaskName, int]] = set()
    counted = []
    for results in runs:
        new = [one for one in results if (one.task, one.case.seq_len) not in told]
        told.update((one.task, one.case.seq_len) for one in new)
        counted.append(new)
    return counted


def task_results(
    summaries: Iterable[Summary], reference: str | None = None, margin: float | None = None
) -> list[TaskResults]:
    """Return what was learned on each task, in the order of the catalog; a scrambled task follows its own.

    Args:
        summaries: of one run; those without a task are passed over, and those of a task that has no valid name.
        reference: the exact attention that the others are compared with; None for the default, which also takes the
            place of a method that is not exact or was not trained on the task.
        margin: the loss of accuracy that does not matter, 0.02 for two points; None for the default.
    """
    groups: dict[tuple[object, ...], dict[int, list[Summary]]] = {}
    for summary in summaries:
        if summary.case.task is not None:
            try:
                name = TaskName.parse(summary.case.task)
            except ValueError:  # a store of an older version may hold any text
                continue
            at = replace(summary.case, task=str(replace(name, patience=1))).shape
            groups.setdefault(at, {}).setdefault(name.patience, []).append(summary)
    found = [_results(members, reference, margin or MARGIN) for members in groups.values()]
    order = {name: place for place, name in enumerate(TASKS)}

    def place(results: TaskResults) -> tuple[object, ...]:
        task = results.task
        return (order.get(task.base, len(order)), task.base, task.variants, results.case.seq_len, task.scrambled)

    return sorted(found, key=place)


def _results(groups: Mapping[int, Sequence[Summary]], name: str | None, margin: float) -> TaskResults:
    """Compare the shortest trainings, usually those of patience 1, beside the longer ones of the same task."""
    patience, usual = min(groups.items())
    task = TaskName.parse(str(usual[0].case.task))
    floor, guess = _floor_and_guess(task, usual)
    scores = {summary.case: score_of(summary, floor, guess) for summary in usual}
    trained = {case.implementation for case, score in scores.items() if score.seeds}
    chosen = name if name in trained and _is_exact(name) else None
    reference_name = chosen or default_reference(s.case for s in usual)
    reference = _named(scores.values(), reference_name)
    control = _named(scores.values(), CONTROL)
    gain = _gain(reference, control)
    sensitive = None if gain is None else gain.interval().low > SENSITIVE * margin
    slower = {
        times: [score_of(s, floor, guess) for s in members] for times, members in groups.items() if times > patience
    }
    held, better = (_held(scores.values(), reference, bound) if sensitive else {} for bound in (-margin, 0.0))
    worse = _shown_worse(scores.values(), reference) if sensitive else ()
    bound = (reference, control, sensitive, margin)
    order = method_order({case.implementation for case in scores}, reference_name)
    ordered = sorted(scores.values(), key=lambda s: (order[s.case.implementation], s.case.compression))
    methods = tuple(
        _compared(
            score,
            *bound,
            slower,
            reference_name,
            held=score.case in held.get(score.case.implementation, ()),
            held_better=score.case in better.get(score.case.implementation, ()),
            held_worse=score.case in worse,
        )
        for score in ordered
        if score is not reference
    )
    return TaskResults(
        task=task,
        guess=guess,
        reference=reference,
        control=control,
        gain=None if gain is None else gain.interval(),
        sensitive=sensitive,
        margin=margin,
        methods=methods,
        held=held,
    )


def _floor_and_guess(task: TaskName, summaries: Iterable[Summary]) -> tuple[float, float | None]:
    """What a failed training on a task counts as, and what a guess reaches, of a user's own task as its results say."""
    entry = TASKS.get(task.base)
    if entry is not None and entry.facts is not None:
        return entry.facts.floor, entry.facts.guess
    recorded = (result.details.training for summary in summaries for result in summary.rounds)
    return next(((one.floor, one.guess) for one in recorded if one is not None), (0.0, None))


def _is_exact(name: str) -> bool:
    return recorded_implementation(name).kind is Kind.EXACT


def _named(scores: Iterable[Score], name: str | None) -> Score | None:
    return next((score for score in scores if score.case.implementation == name and score.seeds), None)


def _gain(reference: Score | None, control: Score | None) -> Mean | None:
    """A training that failed says nothing of the task, so that no gain is known beside one."""
    if reference is None or control is None or reference.failed or control.failed:
        return None
    return difference(reference, control)


def _compared(
    score: Score,
    reference: Score | None,
    control: Score | None,
    sensitive: bool | None,
    margin: float,
    slower: Mapping[int, Sequence[Score]],
    reference_name: str | None,
    *,
    held: bool,
    held_better: bool,
    held_worse: bool,
) -> Compared:
    found = None if reference is None or reference.failed else difference(score, reference)
    interval = None if found is None else found.interval()
    patient = _patient(score, slower, reference_name)
    doubt = _doubt(score, reference, control, interval, sensitive)
    if sensitive is False and score.seeds:
        standing, doubt = Standing.SILENT, None
    elif doubt is not None or interval is None:
        standing = Standing.UNDECIDED
    else:
        standing = _standing(interval, margin, patient)
        doubt = Doubt.WIDE if standing is Standing.UNDECIDED else None
        blind = score is not control and 2 * score.blind >= len(score.seeds)
        if standing is Standing.WORSE and patient is None and blind:
            standing, doubt = Standing.UNDECIDED, Doubt.BLIND
    return Compared(
        score=score,
        standing=standing,
        doubt=doubt,
        pairs=0 if reference is None else len(shared_seeds(score, reference)),
        shared=None if found is None or reference is None else only_shared(score, reference),
        difference=interval,
        held=held,
        held_better=held_better,
        held_worse=held_worse,
        kept=_kept(score, reference, control) if sensitive else None,
        solved=_solved(score, reference, control) if sensitive else None,
        patient=patient,
    )


def _doubt(
    score: Score, reference: Score | None, control: Score | None, interval: Interval | None, sensitive: bool | None
) -> Doubt | None:
    if not score.seeds:
        return Doubt.NOT_TRAINED
    if reference is None:
        return Doubt.NO_REFERENCE
    if reference.failed or (control is not None and control.failed):
        return Doubt.FAILED
    if interval is None:
        return Doubt.ONE_SEED
    return Doubt.NO_CONTROL if sensitive is None else None


def _standing(interval: Interval, margin: float, patient: float | None) -> Standing:
    if interval.low > 0:
        return Standing.BETTER
    if interval.low > -margin:
        return Standing.AS_GOOD
    if interval.high < 0:
        return Standing.SLOW if patient is not None and patient > -margin else Standing.WORSE
    return Standing.UNDECIDED


def _patient(score: Score, slower: Mapping[int, Sequence[Score]], reference_name: str | None) -> float | None:
    """The mean difference to the reference in the longest trainings of both."""
    method = replace(score.case, task=None)
    for _, scores in sorted(slower.items(), reverse=True):
        reference = _named(scores, reference_name)
        same = next((s for s in scores if replace(s.case, task=None) == method), None)
        if reference is None or reference.failed or same is None:
            continue
        if shared := shared_seeds(same, reference):
            return statistics.fmean(a.accuracy - b.accuracy for a, b in shared)
    return None


def _kept(score: Score, reference: Score | None, control: Score | None) -> Interval | None:
    """(method - none) / (full - none) over the seeds that all three have."""
    if reference is None or control is None:
        return None
    full, none = ({seed.round: seed for seed in one.seeds} for one in (reference, control))
    shared = [(s, full[s.round], none[s.round]) for s in score.seeds if s.round in full and s.round in none]
    shared = [seeds for seeds in shared if same_length(*(seed.steps for seed in seeds))]
    if len(shared) < 2:
        return None
    return quotient(
        [own.accuracy - least.accuracy for own, _, least in shared],
        [most.accuracy - least.accuracy for _, most, least in shared],
        step=max(one.summary.accuracy_step for one in (score, reference, control)),
    )


def _solved(score: Score, reference: Score | None, control: Score | None) -> int | None:
    """How many seeds solve the task, where a gap of half the gain of attention parts those that do from the others.

    Those that do are near exact attention: on the average they have three quarters of its gain.
    """
    if reference is None or control is None or reference.mean is None or control.mean is None:
        return None
    gap = (reference.mean - control.mean) / 2
    ordered = sorted(seed.accuracy for seed in score.seeds)
    parted = [count for count, (low, high) in enumerate(pairwise(ordered), 1) if high - low > gap]
    if not parted:
        return None
    upper = ordered[parted[0] :]
    return len(upper) if statistics.fmean(upper) > reference.mean - gap / 2 else None


def _held(scores: Iterable[Score], reference: Score | None, bound: float) -> Mapping[str, tuple[Case, ...]]:
    """By method, the cases whose difference to the reference is above a bound, proven together."""
    others = [score for score in scores if score is not reference]
    return shown_above(
        {score.case: None if reference is None else difference(score, reference) for score in others}, bound
    )


def _shown_worse(scores: Iterable[Score], reference: Score | None) -> Collection[Case]:
    """The cases whose accuracy is below that of the reference, proven together."""
    if reference is None:
        return ()
    means = {score.case: difference(score, reference) for score in scores if score is not reference}
    known = {case: mean for case, mean in means.items() if mean is not None}
    held = holm([mean.p_below(0.0) for mean in known.values()], ALPHA)
    return [case for case, below in zip(known, held, strict=True) if below]


def shown_above(means: Mapping[Case, Mean | None], bound: float) -> Mapping[str, tuple[Case, ...]]:
    """Return by method the cases whose mean is above a bound, proven for all methods together at the level `ALPHA`.

    The compressions of a method are tested in sequence, from the lowest up to the first that is not above, or whose
    mean is not known: "up to r = 8" is no claim where r = 4 could not be trained.
    """
    by_method: dict[str, list[Case]] = {}
    for case in sorted(means, key=lambda case: -(case.n_kept or 0)):
        by_method.setdefault(case.implementation, []).append(case)
    tested: dict[str, list[tuple[Case, float]]] = {}
    for name, cases in by_method.items():
        known = takewhile(lambda pair: pair[1] is not None, ((case, means[case]) for case in cases))
        tested[name] = [(case, mean.p_above(bound)) for case, mean in known if mean is not None]
    counts = chains([[p for _, p in cases] for cases in tested.values()], ALPHA)
    return {
        name: tuple(case for case, _ in cases[:count])
        for (name, cases), count in zip(tested.items(), counts, strict=True)
    }
