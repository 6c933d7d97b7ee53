"""Accuracy in words: how good a method is beside exact attention, how sure that is, and what a task does not say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dctbench.analysis import Summary
from dctbench.analysis.accuracy import CLAIM, SENSITIVE, Compared, Doubt, Standing, TaskResults
from dctbench.analysis.floors import AccuracyFloor, Miss, Missed
from dctbench.analysis.scores import Score
from dctbench.model import Case, TaskName
from dctbench.stats.midpoint import Midpoint
from dctbench.stats.robust import Interval
from dctbench.text.format import listed, pluralize
from dctbench.wording.labels import Labels

STANDINGS: Mapping[Standing, str] = {
    Standing.BETTER: "better",
    Standing.AS_GOOD: "as good",
    Standing.WORSE: "worse",
    Standing.SLOW: "slow",
    Standing.UNDECIDED: "undecided",
    Standing.SILENT: "task says nothing",
}
"""The verdict in one or two words, as tables show it."""
SLOW_MEANS = "worse after the usual steps, but within the margin after longer training"
DOUBTS: Mapping[Doubt, str] = {
    Doubt.WIDE: "these seeds do not tell",
    Doubt.ONE_SEED: "one seed tells nothing apart",
    Doubt.FAILED: "trainings of exact attention or of none failed",
    Doubt.NO_REFERENCE: "exact attention was not trained beside it",
    Doubt.NO_CONTROL: "none was not trained, so nothing shows whether the task needs attention",
    Doubt.BLIND: "its learning rates were chosen blindly in half of the seeds or more; longer training tells",
    Doubt.NOT_TRAINED: "no training ended",
}
NOT_MEASURED = "not measured"
ALONE = "by itself, but not in the joint test of all methods"
BETTER_ALONE = "by itself, but only as good in the joint test of all methods"


def task_title(results: TaskResults) -> str:
    """`mnist1d scrambled, n = 40`."""
    return f"{task_words(results.task)}, n = {results.case.seq_len}"


def task_words(task: TaskName) -> str:
    """`mnist1d scrambled`: a task without a slash."""
    words = [task.base, *task.variants]
    words += ["scrambled"] if task.scrambled else []
    words += [f"{task.patience}x"] if task.patience > 1 else []
    return " ".join(words)


def place_of(results: TaskResults, tasks: Iterable[TaskResults]) -> str:
    """` at n = 64` where a task was trained at several shapes; else an empty text."""
    same = [one.case for one in tasks if one.task == results.task]
    return f" at {Labels(same).place(results.case)}" if len(same) > 1 else ""


def lengths_note(tasks: Iterable[TaskResults], decided: Iterable[int]) -> str | None:
    """`accuracy is of trainings at n = 40 (mnist1d) and n = 64 (acuity, recall), and not shown at other lengths`.

    None where every task that tells methods apart was trained on at the lengths that are decided for, and no others.

    Args:
        tasks: what was learned.
        decided: the lengths at which a method is to be chosen.
    """
    trained: dict[int, list[str]] = {}
    lengths: dict[TaskName, set[int]] = {}
    for results in tasks:
        if results.sensitive:
            trained.setdefault(results.case.seq_len, []).append(task_words(results.task))
            lengths.setdefault(results.task, set()).add(results.case.seq_len)
    if all(known == set(decided) for known in lengths.values()):
        return None
    places = [f"n = {length} ({', '.join(dict.fromkeys(names))})" for length, names in sorted(trained.items())]
    return f"accuracy is of trainings at {listed(places)}, and not shown at other lengths"


def accuracy_words(score: Score) -> str:
    """`0.842 ±0.013`; the mean alone for one seed; `not measured` without any."""
    if score.mean is None:
        return NOT_MEASURED
    if score.interval is None:
        return f"{score.mean:.3f}"
    return f"{score.mean:.3f} ±{(score.interval.high - score.interval.low) / 2:.3f}"


def points(share: float) -> str:
    """A difference of accuracies in points, with its sign: `+0.3`, `-4.2`."""
    text = f"{share * 100:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def difference_words(found: Interval, unit: str = " points") -> str:
    """`-4.2 points (-6.4 to -2.0)`."""
    return f"{points(found.value)}{unit} ({points(found.low)} to {points(found.high)})"


def kept_words(found: Interval) -> str:
    """`81% (79% to 83%)`."""
    return f"{_percent(found.value)} ({_percent(found.low)} to {_percent(found.high)})"


def _percent(share: float) -> str:
    text = f"{share * 100:.0f}%"
    return "0%" if text == "-0%" else text


def seeds_words(count: int) -> str:
    """`3 seeds, a look` or `10 seeds`: fewer than ten are no claim."""
    return range_of_seeds([count])


def range_of_seeds(counts: Sequence[int]) -> str:
    """`3 to 10 seeds, a look` where methods have different numbers; else as `seeds_words`."""
    fewest, most = min(counts), max(counts)
    words = pluralize(most, "seed")
    return (words if fewest == most else f"{fewest} to {words}") + ("" if fewest >= CLAIM else ", a look")


def standing_words(found: Compared) -> str:
    """`as good, -0.3 points (-1.2 to +0.6)`, or why there is no verdict."""
    words = STANDINGS[found.standing]
    if found.standing is Standing.SILENT:
        return words
    parts = [words]
    if found.standing is Standing.SLOW and found.patient is not None:
        parts.append(f"{points(found.patient)} points after longer training")
    if found.difference is not None:
        parts.append(difference_words(found.difference))
    if found.doubt is not None:
        parts.append(DOUBTS[found.doubt])
    return ", ".join(parts)


def remarks(score: Score) -> list[str]:
    """What should be known of the trainings of a method: what its layer had, failures, and how rates were chosen."""
    count, lines = len(score.seeds), trained_with(score)
    if score.failed:
        reasons = sorted({str(r.details.training.failure) for r in score.summary.rounds
                          if r.details.training and r.details.training.failure})  # fmt: skip
        why = f" ({' and '.join(reasons)})" if reasons else ""
        lines.append(f"{score.failed} of {pluralize(count, 'training')} failed{why} and counted at the floor")
    if score.at_edge:
        lines.append(f"the best learning rate was at the edge of the grid in {score.at_edge} of {count}")
    if score.blind:
        lines.append(f"no learning rate did better than a guess when one was chosen, in {score.blind} of {count}")
    return lines


def trained_with(score: Score) -> list[str]:
    """`trained with a convolution of 33 taps, which latency and error leave out`; empty for a layer without options."""
    options = _options(score)
    return [f"trained {options}, which latency and error leave out"] if options else []


def training_notes(summaries: Iterable[Summary]) -> list[str]:
    """Return what a layer was trained with but not measured with, once for each method and its options."""
    notes = [
        f"{summary.case.implementation}: {words}" for summary in summaries for words in trained_with(Score(summary, ()))
    ]
    return list(dict.fromkeys(notes))


def _options(score: Score) -> str:
    """`with a convolution of 33 taps`; empty for a layer without options."""
    named = [
        f"a convolution of {value} taps" if name == "convolution" else f"{name} {value}"
        for name, value in score.options.items()
    ]
    return f"with {listed(named)}" if named else ""


def doubts(found: Compared) -> list[str]:
    """What a verdict in one word leaves out: why it is undecided, what `slow` means, what is good only by itself, and
    seeds in two groups.
    """
    lines = [] if found.doubt is None else [DOUBTS[found.doubt]]
    if found.standing in (Standing.BETTER, Standing.AS_GOOD) and not found.held:
        lines.append(f"{STANDINGS[found.standing]} {ALONE}")
    elif found.standing is Standing.BETTER and not found.held_better:
        lines.append(f"better {BETTER_ALONE}")
    elif found.standing is Standing.WORSE and not found.held_worse:
        lines.append(f"worse {ALONE}")
    lines += [SLOW_MEANS] if found.standing is Standing.SLOW else []
    if found.shared is not None:
        own, other = (f"{score.mean:.3f}" for score in found.shared)
        lines.append(f"compared by {pluralize(found.pairs, 'seed')} of both: {own} against {other}")
    if found.solved is not None:
        lines.append(f"solved in {found.solved} of {len(found.score.seeds)}")
    return lines


def headline(results: TaskResults) -> str:
    """The answer of a task in a sentence: which methods are as good as exact attention, at which ratios."""
    where = f"On {task_title(results)}"
    if results.reference is None:
        return f"{where}, exact attention was not trained, so no method can be judged"
    if not results.sensitive:
        return f"{where}, {_why_silent(results, results.reference)}"
    reference = results.reference.case.name
    held = [_as_measured(results, cases) for cases in results.held.values() if cases]
    named = {case for cases in results.held.values() for case in cases}
    counts = [found.pairs for found in results.methods if found.case in named or (not named and found.pairs > 1)]
    seeds = seeds_words(min(counts, default=0))
    margin = f"within {points_of(results.margin)}"
    if not held:
        return f"{where}, no method is shown to be as good as {reference}, {margin} ({seeds})"
    verb = "is" if len(held) == 1 else "are"
    return f"{where}, {listed(held)} {verb} as good as {reference}, {margin} ({seeds})"


def _why_silent(results: TaskResults, reference: Score) -> str:
    """Return why a task does not tell methods apart."""
    if results.control is None:
        return "none was not trained, so nothing shows whether the task needs attention"
    both = {score.case.name: score for score in (reference, results.control) if score.failed}
    if both:
        failures = [f"{s.failed} of {pluralize(len(s.seeds), 'training')} of {name} failed" for name, s in both.items()]
        return f"{listed(failures)}, so no method can be judged"
    if results.gain is None:
        return "one seed tells nothing apart"
    gains = f"{reference.case.name} gains {difference_words(results.gain)} over none"
    needed = f"a task must surely show more than {points_of(SENSITIVE * results.margin)}"
    return f"this task says nothing: {gains}, and {needed}"


def points_of(share: float) -> str:
    """An amount of accuracy: `1 point`, `0.5 points`."""
    number = f"{share * 100:.1f}".removesuffix(".0")
    return f"{number} point{'' if number == '1' else 's'}"


def _as_measured(results: TaskResults, held: Sequence[Case]) -> str:
    """`dct-x r=4`, or `dct-x (r=2, r=4)` for several, with the options of the layer. Others are not named."""
    first = held[0]
    options = _options(next(found.score for found in results.methods if found.case == first))
    if len(held) == 1:
        return f"{first.name} ({options})" if options else first.name
    kept = ", ".join(case.name.removeprefix(f"{first.implementation} ") for case in held)
    return f"{first.implementation} ({kept}; {options})" if options else f"{first.implementation} ({kept})"


def floor_words(floor: AccuracyFloor) -> str:
    """`accuracy on mnist1d at most 2 points below sdpa`, `accuracy on mnist1d of at least 0.9`."""
    on = f"accuracy on {task_words(TaskName.parse(floor.task))}"
    if floor.reference is None:
        return f"{on} of at least {floor.amount:g}"
    return f"{on} at most {points_of(floor.amount)} below {floor.reference}"


_SURE: Mapping[Miss, str] = {
    Miss.BELOW: "",
    Miss.NOT_SHOWN: "not shown to be enough: ",
    Miss.ALONE: f"enough {ALONE}: ",
    Miss.OTHER_LAYER: "enough: ",
}


def missed_words(name: str, missed: Sequence[Missed], tasks: Sequence[TaskResults]) -> str:
    """`accuracy: dct-x r=8, -2.1 points (-2.6 to -1.6) against sdpa on mnist1d`: why a method misses its floors.

    Args:
        name: of the method.
        missed: its floors.
        tasks: all trainings, so that those on a task at several shapes are told apart.
    """
    parts = []
    for one in missed:
        place = "" if one.results is None else place_of(one.results, tasks)
        task = f"{task_words(TaskName.parse(one.floor.task))}{place}"
        if one.why is Miss.NOT_MEASURED:
            parts.append(f"not measured on {task}")
        elif one.why is Miss.SILENT:
            parts.append(f"the task {task} says nothing")
        else:
            parts.append(f"{_SURE[one.why]}{_measured(one)} on {task}")
            if one.why is Miss.OTHER_LAYER and one.score is not None:
                parts[-1] += f", but {listed(trained_with(one.score))}"
    return f"accuracy: {name}, {'; '.join(parts)}"


def _measured(missed: Missed) -> str:
    if missed.difference is not None:
        return f"{difference_words(missed.difference)} against {missed.floor.reference}"
    return "its accuracy" if missed.score is None else accuracy_words(missed.score)


def resolution_words(found: Midpoint | None) -> str:
    """`3.1 tokens (2.8 to 3.4)`, `finer than 1 token`, or `not measured`."""
    if found is None:
        return NOT_MEASURED
    finer = found.beyond == "finer"
    shown = f"finer than {_tokens(found.narrowest)}" if finer else f"coarser than {_tokens(found.widest)}"
    if found.value is not None:
        shown = f"{_short(found.value)} tokens"
    elif found.proven:
        return shown
    if found.curves < 2:
        return shown if found.value is not None else f"{shown} (one seed)"
    low = f"below {found.narrowest:g}" if found.low is None else _short(found.low)
    high = f"above {found.widest:g}" if found.high is None else _short(found.high)
    return f"{shown} ({low} to {high})"


def _short(tokens: float) -> str:
    return f"{tokens:.1f}"


def _tokens(width: float) -> str:
    return f"{width:g} token{'' if width == 1 else 's'}"
