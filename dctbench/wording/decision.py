"""The first screen of the report: what to ship, in a sentence, and the methods that nothing else beats, in a table."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from dctbench import analysis
from dctbench.analysis import Budgets, Choice, Ranking, Summary
from dctbench.analysis.accuracy import CONTROL, Standing
from dctbench.analysis.decision import Accuracies, Decision, Worth
from dctbench.analysis.in_model import ModelQuality
from dctbench.catalog import Kind
from dctbench.catalog.tasks import TASKS
from dctbench.model import Case, ratio_words
from dctbench.text.format import format_ratio, listed
from dctbench.wording import accuracy, cells, in_model, recommendation
from dctbench.wording.labels import Labels
from dctbench.wording.summary import speedup_with_interval
from dctbench.wording.timeliness import counted

IN_FLOATING_POINT = "trainings are in floating point"
TOO_SHORT = "a task of the suite accuracy is so short that it would keep all of it"
TEMPLATES = {
    "none_safe": "none within these limits is shown to be as good as exact attention",
    "none_at_all_safe": "none of them is shown to be as good as exact attention",
    "among_safe": " of those that are shown to be as good as exact attention",
    "faster": " {name} is faster ({latency}), but {why}.",
    "unknown": "its accuracy was not measured",
    "other_layer": "its latency leaves out what it was trained with",
    "not_measured": accuracy.NOT_MEASURED,
    "measure": " Its accuracy was not measured: {how}.",
    "measure_int8": f" Its accuracy in int8 was not measured: {IN_FLOATING_POINT}.",
    "nothing_timed": "Nothing was timed at {place}.",
    "recommended": "recommended",
    "unproven": "fastest; its accuracy was not measured",
    "unproven_tied": "may be the fastest; its accuracy was not measured",
    "least_time": "took the least time",
    "slower": "{factor} the time of {name}",
    "larger": "{factor} the memory of {name}",
    "over_budget": "over budget: {broken}",
    "not_shown": "And {count} more that nothing else beats; the table below has all.",
}
"""The sentences by their purpose, beside those of `recommendation`. The page's script fills in the same ones."""
_DOUBTFUL: Mapping[Standing, str] = {
    Standing.WORSE: "worse on {tasks}",
    Standing.SLOW: "slow to learn on {tasks}",
    Standing.UNDECIDED: "undecided on {tasks}",
}
_ALONE = f"as good on {{tasks}} {accuracy.ALONE}"
_WORSE_ALONE = "worse on {tasks} by itself, not in the joint test of all methods"
LARGER = 1.05
"""From this factor on, memory is a reason against a method."""


def measuring_command(case: Case) -> str | None:
    """Return the command that measures the accuracy of the method of a case, with what it keeps.

    None if a task is so short that the method would keep all of it.
    """
    lengths = [task.facts.seq_len for task in TASKS.values() if task.facts is not None]
    if case.kept is not None and case.kept >= min(lengths):
        return None
    words = ["dctbench", "run", "--suite", "accuracy"]
    words += ["--impl", ",".join(dict.fromkeys([analysis.REFERENCE, case.implementation, CONTROL]))]
    words += [] if case.ratio is None else ["--ratio", ratio_words(case.ratio)]
    words += [] if case.kept is None else ["--kept", str(case.kept)]
    return shlex.join(words)


def how_to_measure(case: Case) -> str:
    """`dctbench run ... measures it`, or why no task can tell the accuracy of the method of a case."""
    command = measuring_command(case)
    return TOO_SHORT if command is None else f"{command} measures it"


@dataclass(frozen=True, slots=True)
class Row:
    """A method of the decision, as text. `leading` marks what the sentence names."""

    name: str
    speedup: str
    latency: str
    late: str
    memory: str
    accuracy: str
    error: str
    why: str
    leading: bool


def sentence(ranking: Ranking, choice: Choice, decision: Decision, budgets: Budgets, labels: Labels,
             accuracies: Accuracies) -> str:  # fmt: skip
    """Return what to ship at one shape within budgets.

    Without a task that tells methods apart this is the answer of `dctbench choose`, and the accuracy that is missing.
    """
    if not decision.learned:
        return recommendation.verdict(ranking, choice, budgets, labels) + _lacking(decision)
    place = labels.place(ranking.ranked[0].case)
    limits = recommendation.limits(budgets, ranking.ranked[0].case)
    within = recommendation.TEMPLATES["within"].format(limits=limits) if budgets.given else ""
    if not choice.within:
        return recommendation.verdict(ranking, choice, budgets, labels)
    if not decision.leaders:
        nobody = recommendation.TEMPLATES["nobody"]
        return nobody.format(place=place, within=within, why=TEMPLATES["none_safe" if within else "none_at_all_safe"])
    costs = [recommendation.costs(summary, ranking.reference, budgets.confidence) for summary in decision.leaders]
    if not decision.told:
        among = TEMPLATES["among_safe"]
        answer = recommendation.least_time(place, within, decision.able, ranking, budgets, among)
    elif len(costs) == 1:
        answer = recommendation.TEMPLATES["ship"].format(place=place, within=within, costs=costs[0])
    else:
        answer = recommendation.TEMPLATES["no_winner"].format(
            place=place, within=within, names=", ".join(costs), unjudged=""
        )
    faster = decision.faster
    if faster is None:
        return answer
    latency, why = cells.latency_words(faster), worth_words(faster, accuracies)
    return answer + TEMPLATES["faster"].format(name=faster.case.name, latency=latency, why=why)


def _lacking(decision: Decision) -> str:
    """The sentence on the accuracy of the method that is recommended, where it is not known and would matter."""
    alone = decision.leaders[0] if len(decision.leaders) == 1 else None
    if alone is None or alone.method.kind is Kind.EXACT or alone.approximates:
        return ""
    if alone.quantised:
        return TEMPLATES["measure_int8"]
    return TEMPLATES["measure"].format(how=how_to_measure(alone.case))


def accuracy_cell(summary: Summary, accuracies: Accuracies) -> str:
    """`acuity 0.834, worse; mnist1d 0.860, better`, and with what the layer was trained that nothing else has.

    `not measured` for a method that was not trained.
    """
    if isinstance(accuracies, ModelQuality):
        return in_model.quality_cell(summary, accuracies)
    parts, trained_with = [], list[str]()
    for results, found in accuracies.on_each_task(summary):
        name = accuracy.task_words(results.task) + accuracy.place_of(results, accuracies.tasks)
        if found is not None and found.counted.mean is not None:
            parts.append(f"{name} {found.counted.mean:.3f}, {accuracy.STANDINGS[found.standing]}")
            trained_with = accuracy.trained_with(found.score)
        elif (score := results.score_of_reference(summary)) is not None:
            parts.append(f"{name} {score.mean:.3f}")
    return "; ".join([*parts, *trained_with]) or TEMPLATES["not_measured"]


def worth_words(summary: Summary, accuracies: Accuracies) -> str:
    """Why one would not take a method for its accuracy: `worse on acuity`.

    The text is empty for one that is as good, and where no task tells methods apart.
    """
    if isinstance(accuracies, ModelQuality):
        return in_model.worth_words(summary, accuracies)
    worth = accuracies.worth(summary)
    if worth in (Worth.EXACT, Worth.AS_GOOD) or not accuracies.telling:
        return ""
    if worth in (Worth.UNKNOWN, Worth.OTHER_LAYER):
        return TEMPLATES[worth.value]
    said: dict[str, list[str]] = {words: [] for words in (*_DOUBTFUL.values(), _WORSE_ALONE, _ALONE)}
    for results, one in accuracies.on_each_task(summary):
        if results.sensitive and one is not None and not one.held:
            name = accuracy.task_words(results.task) + accuracy.place_of(results, accuracies.tasks)
            alone = one.standing is Standing.WORSE and not one.held_worse
            said[_WORSE_ALONE if alone else _DOUBTFUL.get(one.standing, _ALONE)].append(name)
    return "; ".join(words.format(tasks=listed(names)) for words, names in said.items() if names)


def rows(ranking: Ranking, choice: Choice, decision: Decision, budgets: Budgets, accuracies: Accuracies) -> list[Row]:
    """Return the rows of the decision table, fastest first."""
    broken = {summary.case: breaches for summary, breaches in choice.over}
    first = decision.leaders[0] if decision.leaders else None
    found = []
    for summary in decision.shown:
        speedup = analysis.compare(summary, ranking.reference)
        same = ranking.reference is not None and summary.case == ranking.reference.case
        why = [recommendation.broken(breach) for breach in broken.get(summary.case, ())]
        leading = summary in decision.leaders
        reasons = [_leads(summary, decision, budgets)] if leading else []
        reasons += [TEMPLATES["over_budget"].format(broken=", ".join(why))] if why else []
        reasons += [words] if (words := worth_words(summary, accuracies)) else []
        found.append(
            Row(
                name=summary.case.name,
                speedup="1.00x" if same else "-" if speedup is None else speedup_with_interval(speedup),
                latency=cells.latency_words(summary),
                late="-" if summary.timeliness is None else counted(summary.timeliness),
                memory=cells.memory_words(summary),
                accuracy=accuracy_cell(summary, accuracies),
                error=cells.error_words(summary) if summary.approximates and not summary.exact else "-",
                why="; ".join([*reasons, *_dearer(summary, first, ranking.reference)]),
                leading=leading,
            )
        )
    return found


def _leads(summary: Summary, decision: Decision, budgets: Budgets) -> str:
    """Why a leader leads. Nobody recommends a method of which nothing says that it gives up little enough."""
    if not decision.told:
        return TEMPLATES["least_time"]
    if decision.learned or recommendation.error_settled(summary, budgets):
        return TEMPLATES["recommended"]
    return TEMPLATES["unproven" if len(decision.leaders) == 1 else "unproven_tied"]


def _dearer(summary: Summary, first: Summary | None, reference: Summary | None) -> list[str]:
    """How much more a method needs than the first that is recommended."""
    if first is None or first is summary or first.latency is None or summary.latency is None:
        return []
    name, lines = first.case.name, []
    own, best = (_times_as_fast(one, reference) for one in (summary, first))
    # The speed-ups of the table are paired by round, which matters where methods have different numbers of rounds.
    slower = summary.latency.value / first.latency.value if own is None or best is None else best / own
    if slower > 1:
        lines.append(TEMPLATES["slower"].format(factor=format_ratio(slower), name=name))
    if summary.memory and first.memory and summary.memory >= LARGER * first.memory:
        lines.append(TEMPLATES["larger"].format(factor=format_ratio(summary.memory / first.memory), name=name))
    return lines


def _times_as_fast(summary: Summary, reference: Summary | None) -> float | None:
    """How many times as fast as the reference a method is; None where the two cannot be compared."""
    if reference is not None and summary.case == reference.case:
        return 1.0
    speedup = analysis.compare(summary, reference)
    return None if speedup is None else speedup.ratio
