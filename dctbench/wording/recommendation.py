"""The core question in a sentence: which method to ship at this length within these budgets, and what it costs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from dctbench import analysis
from dctbench.analysis import Breach, Budgets, Choice, Ranking, Summary
from dctbench.analysis.budgets import QUANTITIES
from dctbench.analysis.floors import AccuracyFloor
from dctbench.catalog import Kind
from dctbench.model import Case
from dctbench.spec import suites
from dctbench.stats.binomial import trials_for
from dctbench.stats.tail import LEAST_PROCESSES
from dctbench.text.format import format_relative_error, format_seconds
from dctbench.wording import cells
from dctbench.wording.accuracy import floor_words
from dctbench.wording.commands import method_flags, shape_flags
from dctbench.wording.labels import Labels
from dctbench.wording.summary import ONE_ROUND, in_one_round, speedup_with_interval
from dctbench.wording.timeliness import counted

P99_SUITE = "quick"
"""The shipped suite whose axes the command that takes enough samples to bound a p99 starts from."""
BUDGETS = {
    "latency_p99": "p99 latency",
    "memory": "memory",
    "memory_process": "process memory",
    "error_smooth": "error on the smooth input",
    "error_noise": "error on the noise input",
    "error_input": "error on its input",
    "miss_rate": "miss rate",
}
MEAN = "latency (p99 was not measured)"
"""What the page compares with a latency budget where no method has a p99."""
TEMPLATES = {
    **ONE_ROUND,
    "within": " within {limits}",
    "limit": "{budget} {amount}",
    "limit_late": "{budget} {amount} (due in {deadline})",
    "nobody": "At {place}{within}, no method can be recommended: {why}.",
    "none_keeps": "none is shown to stay within these limits",
    "none_measured": "no method has every figure that these limits need",
    "one_breaks": "1 breaks them; for {unmeasured}, a figure that they need is missing",
    "some_break": "{over} break them; for {unmeasured}, a figure that they need is missing",
    "no_winner": "At {place}{within}: no clear winner among {names}{unjudged}.",
    "ship": "At {place}{within}: ship {costs}.",
    "least": "At {place}{within}: {costs} took the least time{among}; {why}: measure with dctbench run --rounds 3.",
    "fastest": "At {place}{within}: the fastest is {costs}{unjudged}.",
    "leader_unjudged": "; the error of {names} is not judged",
    "leader_unjudged_but": "; the error of {names} is not judged, and of those shown to keep the limit, "
    "{judged} took the least time",
    "costs": "{name} ({parts})",
    "as_fast": "{speedup} as fast as {reference}",
    "no_memory": "memory not measured",
    "exact": "exact",
    "quantised": "exact but for int8, relative error {error}",
    "quantised_only": "exact but for int8",
    "error": "relative error {error}",
    "no_error": "error not measured",
    "other": "another function than softmax attention",
    "untrained": "error unknown before training",
    "fastest_exact": "fastest exact method: {costs}",
    "fastest_judged": "fastest method with a meaningful error: {costs}",
    "least_exact": "exact method that took the least time: {costs}",
    "least_judged": "method with a meaningful error that took the least time: {costs}",
    "over": "over budget: {name}, {broken}",
    "broken": "{budget} {amount} > {limit}",
    "broken_late": "{budget} up to {amount} > {limit}",
    "unmeasured": "not measured: {budgets} of {name}",
    "unjudged": "not judged by its error: {name} ({why}); accuracy after training shows its worth",
}
"""The sentences by their purpose. The page's script fills in the same ones when the reader sets a budget."""


def verdict(
    ranking: Ranking, choice: Choice, budgets: Budgets, labels: Labels, floors: Sequence[AccuracyFloor] = ()
) -> str:
    """`At n = 4096 within memory 64.0 MiB: ship sdpa (4.00 ms (3.96-4.04), 16.0 MiB, exact).`"""
    place = labels.place(ranking.ranked[0].case)
    kept = [*([limits(budgets, ranking.ranked[0].case)] if budgets.given else []), *map(floor_words, floors)]
    within = _fill("within", limits=", ".join(kept)) if kept else ""
    if not choice.within:
        return _fill("nobody", place=place, within=within, why=_fill("none_keeps") if floors else _why_none(choice))
    leaders = choice.leaders
    if not ranking.tells(choice.within):
        return least_time(place, within, choice.within, ranking, budgets)
    unjudged = _unjudged(choice) if budgets.limits_error and not floors else ""
    if len(leaders) > 1:
        names = ", ".join(costs(summary, ranking.reference, budgets.confidence) for summary in leaders)
        return _fill("no_winner", place=place, within=within, names=names, unjudged=unjudged)
    template = "ship" if floors or error_settled(leaders[0], budgets) else "fastest"
    named = costs(leaders[0], ranking.reference, budgets.confidence)
    return _fill(template, place=place, within=within, costs=named, unjudged=unjudged)


def least_time(
    place: str, within: str, compared: Sequence[Summary], ranking: Ranking, budgets: Budgets, among: str = ""
) -> str:
    """Return which of some methods took the least time, and why that does not tell which one is the fastest.

    Args:
        place: the shape.
        within: the budgets, as text.
        compared: the methods, in order of latency.
        ranking: of the shape.
        budgets: for the confidence of bounds.
        among: what the methods have in common, as text.
    """
    named = costs(compared[0], ranking.reference, budgets.confidence)
    return _fill("least", place=place, within=within, costs=named, among=among, why=in_one_round(compared))


def _fill(template: str, **values: object) -> str:
    return TEMPLATES[template].format(**values)


def _why_none(choice: Choice) -> str:
    """Return why no method can be recommended: how many break the budgets, and how many lack a value."""
    over, unmeasured = len(choice.over), len(choice.unmeasured)
    if not unmeasured:
        return _fill("none_keeps")
    if not over:
        return _fill("none_measured")
    return _fill("one_breaks" if over == 1 else "some_break", over=over, unmeasured=unmeasured)


def _unjudged(choice: Choice) -> str:
    """Return of which leaders a limit of the error says nothing, and which method that keeps it took the least time."""
    names = ", ".join(s.case.name for s in choice.leaders if not _judged(s))
    judged = next((s.case.name for s in choice.within if _judged(s)), None)
    if not names:
        return ""
    return _fill("leader_unjudged" if judged is None else "leader_unjudged_but", names=names, judged=judged)


def _judged(summary: Summary) -> bool:
    return summary.approximates or summary.exact


def error_settled(summary: Summary, budgets: Budgets) -> bool:
    """Whether an error budget was set and says something of the method, or the method is exact."""
    return (budgets.limits_error and summary.approximates) or summary.exact


def costs(summary: Summary, reference: Summary | None, confidence: float = 0.95) -> str:
    """Return a method with its costs: latency, late calls by a bound of that confidence, speed-up, memory, error."""
    parts = [cells.latency_words(summary)]
    if summary.timeliness is not None:
        parts.append(counted(summary.timeliness, confidence))
    speedup = analysis.compare(summary, reference)
    if speedup and reference and summary.case != reference.case:
        parts.append(_fill("as_fast", speedup=speedup_with_interval(speedup), reference=reference.case.name))
    words = cells.memory_words(summary)
    parts.append(_fill("no_memory") if words == "-" else words)
    parts.append(error_costs(summary))
    return _fill("costs", name=summary.case.name, parts=", ".join(parts))


def error_costs(summary: Summary) -> str:
    """`exact`, `relative error 0.03`, or why the method has no error."""
    if summary.exact:
        return _fill("exact")
    if summary.method.kind is Kind.EXACT:
        if summary.int8_error is None:
            return _fill("quantised_only")
        return _fill("quantised", error=format_relative_error(summary.int8_error))
    if summary.approximates:
        return _fill("error" if "error.smooth" in summary.values else "no_error", error=cells.error_words(summary))
    return _fill(summary.error_means.value)


def limits(budgets: Budgets, case: Case) -> str:
    """`p99 latency 10.0 ms, memory 64.0 MiB`, for cases of the same shape as this one."""
    parts = []
    for name, limit in budgets.given.items():
        late = name == "miss_rate" and case.deadline is not None
        deadline = format_seconds(case.deadline) if late and case.deadline else ""
        template = "limit_late" if late else "limit"
        parts.append(_fill(template, budget=BUDGETS[name], amount=QUANTITIES[name].format(limit), deadline=deadline))
    return ", ".join(parts)


def named_in_answer(ranking: Ranking, choice: Choice) -> Sequence[Summary]:
    """Return the methods that the answer names: the leaders, or what took the least time if rounds do not tell."""
    return choice.leaders if ranking.tells(choice.within) else choice.within[:1]


def remarks(ranking: Ranking, choice: Choice, budgets: Budgets) -> list[str]:
    """Return what the answer leaves out: the fastest exact method, excluded methods and why, what was not measured."""
    lines = []
    named = named_in_answer(ranking, choice)
    exact = [s for s in choice.within if s.method.kind is Kind.EXACT]
    if exact and exact[0] not in named:
        template = "fastest_exact" if ranking.tells_one(exact) else "least_exact"
        lines.append(_fill(template, costs=costs(exact[0], ranking.reference, budgets.confidence)))
    judged = [s for s in choice.within if s.approximates]
    if budgets.limits_error and judged and judged[0] not in (*exact[:1], *named):
        template = "fastest_judged" if ranking.tells_one(judged) else "least_judged"
        lines.append(_fill(template, costs=costs(judged[0], ranking.reference, budgets.confidence)))
    for summary, breaches in choice.over:
        lines.append(_fill("over", name=summary.case.name, broken=", ".join(broken(breach) for breach in breaches)))
    for summary, breaches in choice.unmeasured:
        lacking = ", ".join(BUDGETS[breach.budget] for breach in breaches)
        lines.append(_fill("unmeasured", budgets=lacking, name=summary.case.name))
    if budgets.limits_error:
        unjudged = [s for s in choice.within if not s.approximates]
        lines += [_fill("unjudged", name=s.case.name, why=error_costs(s)) for s in unjudged]
    asked = ranking.ranked if "latency_p99" in budgets.given else named
    if any(s.tail(budgets.confidence) is None for s in asked):
        lines.append(f"p99 not measured: {p99_takes([s.case for s in ranking.ranked], budgets.confidence)}")
    few = [len(s.medians) for s in choice.within if not s.tail_is_bound]
    if "latency_p99" in budgets.given and few:
        ran = "process" if max(few) == 1 else "processes"
        lines.append(
            f"the p99 covers only the {ran} that ran; --rounds {LEAST_PROCESSES} gives a bound for others as well"
        )
    waiting = [s.case.name for s in choice.within if s.launch_bound]
    if waiting:
        lines.append(f"launch-bound, a time of the host: {', '.join(waiting)}; --engine cudagraph shows the GPU's")
    if any(s.approximates and not error_settled(s, budgets) for s in named):
        lines.append("no error budget was given: --max-error 5% admits only what is close to exact attention")
    return lines if budgets.limits_error else [*lines, *cells.error_notes(named)]


def p99_takes(cases: Sequence[Case], confidence: float = 0.95) -> str:
    """Return how many samples a p99 needs, and the command that takes them of some cases of one shape, in as many
    processes as a bound for other processes needs.
    """
    samples = trials_for(0.01, confidence)
    words = ["dctbench", "run", "--suite", P99_SUITE, "--samples", str(samples), "--rounds", str(LEAST_PROCESSES)]
    words += [*method_flags(cases), "--seq", str(cases[0].seq_len)]
    words += shape_flags(cases[0], suites.load(P99_SUITE).axes)
    return f"it needs {samples} samples: {shlex.join(words)}"


def around(n: int, lengths: Sequence[int]) -> str:
    """Return a sentence on a length that was not measured: it names the nearest measured lengths."""
    below, above = [m for m in lengths if m < n], [m for m in lengths if m > n]
    if below and above:
        return f"n = {n} was not measured; the nearest measured lengths are {max(below)} and {min(above)}"
    nearest = max(below) if below else min(above)
    return f"n = {n} was not measured, and lies outside the measured lengths (the nearest is {nearest})"


def broken(breach: Breach) -> str:
    """`memory 64.0 MiB > 32.0 MiB`; of a miss rate its upper bound, `miss rate up to 2.6% > 1.0%`."""
    assert breach.value is not None
    amount, limit = QUANTITIES[breach.budget].format_apart(breach.value, breach.limit)
    template = "broken_late" if breach.budget == "miss_rate" else "broken"
    return _fill(template, budget=BUDGETS[breach.budget], amount=amount, limit=limit)
