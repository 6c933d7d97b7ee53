"""Which attention to ship in a model, in words: what it gains and costs, or why the model keeps its own."""

from __future__ import annotations

import shlex
from dataclasses import replace

from dctbench.analysis import Budgets
from dctbench.analysis.in_model import Replaced
from dctbench.analysis.model_choice import Decision, ModelChoice
from dctbench.spec import suites
from dctbench.text.format import format_size, listed
from dctbench.wording import in_model as words
from dctbench.wording import recommendation
from dctbench.wording.cells import latency_words
from dctbench.wording.commands import method_flags, shape_flags
from dctbench.wording.labels import Labels
from dctbench.wording.summary import speedup_with_interval

SUITE = "quick"
"""What `dctbench run` measures without a name: its axes need no flags."""
RECOVER_STEPS = 200
"""Of the training that is suggested where methods lose too much: as in docs/in-your-model.md."""


def verdict(one: ModelChoice, budgets: Budgets, labels: Labels) -> str:
    """Return the decision in one sentence.

    `At n = 512: replace sdpa by dct-kv r=2: it makes minilm 1.40x (1.35-1.45) as fast (12.0 ms (11.9-12.1), 90.0 MiB)
    and keeps recall: +0.0 points (-1.0 to +1.0).`
    """
    original = one.found.original.case
    within = f" within {recommendation.limits(budgets, original)}" if budgets.given else ""
    at = f"At {words.place(one.found, labels)}{within}"
    if one.chosen is not None:
        return f"{at}: replace {original.name} by {_chosen(one, one.chosen)}."
    if one.decision is Decision.KEEP:
        return f"{at}: keep {original.name}: nothing in {original.model} is worth replacing, because {_why_kept(one)}."
    if one.within and not one.found.evaluated:
        names = listed(method.summary.case.name for method in one.within)
        stay, cost = ("stays", "it costs") if len(one.within) == 1 else ("stay", "they cost")
        return f"{at}, no method can be recommended: {names} {stay} within the budgets, but {_unknown_cost(one, cost)}."
    kept = f" and to keep {words.judged_words(one.found)}" if one.found.evaluated else ""
    none = f"none that was measured in {original.model} is shown to stay within the budgets{kept}"
    return f"{at}, no method can be recommended: {none}."


def _chosen(one: ModelChoice, chosen: Replaced) -> str:
    summary, model = chosen.summary, one.found.original.case.model
    costs = [latency_words(summary), *([] if summary.memory is None else [format_size(summary.memory)])]
    gain = "" if chosen.speedup is None else f"it makes {model} {speedup_with_interval(chosen.speedup)} as fast "
    return f"{summary.case.name}: {gain}({', '.join(costs)}) and keeps {_changes(one, chosen)}"


def _changes(one: ModelChoice, method: Replaced) -> str:
    """`recall: -0.3 points (-1.0 to +0.4)`: the change of each figure that judges."""
    return words.changes(one.figures(method), one.found.judged)


def _why_kept(one: ModelChoice) -> str:
    """Return why no method takes the place of the attention."""
    if not one.faster:
        over = any(method.faster and not method.control for method in one.found.methods)
        among = " within the budgets" if over else ""
        return f"no method{among} is shown to make it faster"
    best = one.faster[0]
    assert best.speedup is not None
    gain = f"{best.summary.case.name} makes it {speedup_with_interval(best.speedup)} as fast"
    if one.found.evaluated:
        return (
            f"no faster method is shown to lose less than {100 * one.margin:g} points of "
            f"{words.judged_words(one.found)} ({gain}, {_changes(one, best)})"
        )
    return f"{gain}, but {_unknown_cost(one, 'that costs')}"


def _unknown_cost(one: ModelChoice, cost: str) -> str:
    """Return why nothing says what some methods cost: no evaluation, or one whose figures are no shares."""
    model = one.found.original.case.model
    return words.no_shares(one.found) or f"nothing says what {cost}: evaluate(model) beside {model} would"


def remarks(one: ModelChoice, budgets: Budgets, labels: Labels) -> list[str]:
    """Return what the decision leaves out: the limit, what breaks budgets, what loses too much, and what would help."""
    limit = words.limit(one.found, labels)
    lines = [] if limit is None else [limit]
    if one.chosen is not None:
        drift = one.figures(one.chosen).values.get("drift.cosine")
        lines += (
            [] if drift is None else [f"its outputs have a cosine of {words.quality_words(drift)} to the original's"]
        )
    for summary, breaches in one.choice.over:
        lines.append(f"over budget: {summary.case.name}, {', '.join(map(recommendation.broken, breaches))}")
    for summary, breaches in one.choice.unmeasured:
        lacking = ", ".join(recommendation.BUDGETS[breach.budget] for breach in breaches)
        lines.append(f"not measured: {lacking} of {summary.case.name}")
    if any(breach.budget == "latency_p99" for _, breaches in one.choice.unmeasured for breach in breaches):
        cases = [one.found.original.case, *(method.summary.case for method in one.found.methods)]
        lines.append(f"p99 not measured: {recommendation.p99_takes(cases, budgets.confidence)}")
    lossy = [method for method in one.within if method is not one.chosen and _lossy(one, method)]
    for method in lossy:
        lines.append(_why_lossy(one, method))
    if one.chosen is None and lossy and not any(method.recovered for method in one.found.methods):
        lines.append(f"training may bring it back: {recover_command(one, lossy)}")
    return [*lines, *words.notes([one.found], labels)]


def _why_lossy(one: ModelChoice, method: Replaced) -> str:
    """Return why a method that is faster is not chosen for what it does to the model."""
    figures, name = one.figures(method), method.summary.case.name
    if not figures.known(one.found.judged):
        why = words.why_not_evaluated(method.summary)
        return f"faster, but {_changes(one, method)}: {name}{'' if why is None else f' ({why})'}"
    why = "loses quality" if figures.lose(one.found.judged, one.margin) else "not surely as good"
    return f"faster, but {why}: {name}, {_changes(one, method)}"


def _lossy(one: ModelChoice, method: Replaced) -> bool:
    return method.faster and one.found.evaluated and not method.keeps(one.found.judged, one.margin)


def recover_command(one: ModelChoice, methods: list[Replaced]) -> str:
    """Return the command that measures some methods after a training."""
    case = one.found.original.case
    trained = [replace(method.summary.case, recover=RECOVER_STEPS) for method in methods]
    flags = [*method_flags([case, *trained]), "--seq", str(case.seq_len)]
    return shlex.join(["dctbench", "run", *flags, *shape_flags(case, suites.load(SUITE).axes)])
