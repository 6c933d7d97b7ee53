"""The main sentences on a run, made from the analysis, the same in terminal, Markdown and page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from dctbench import analysis
from dctbench.analysis import Feasible, Payoff, PayoffRange, Placed, Ranking, Scaling, Summary, Winner
from dctbench.analysis.scaling import LEAST_POINTS, NoPowerLaw
from dctbench.model import Status
from dctbench.text.format import (
    format_count,
    format_percent,
    format_ratio,
    format_ratio_with_interval,
    format_seconds,
    format_size,
    format_three_digits,
    pluralize,
)
from dctbench.wording.cells import factor_words, median_known_words
from dctbench.wording.labels import Labels

MOST_NAMES = 3
"""The most methods that a sentence names; it counts the others."""


def fastest(ranking: Ranking) -> str:
    """Return which method is fastest at one shape and by how much, with ties and methods too noisy to rule out."""
    first = ranking.ranked[0]
    assert first.latency is not None
    took = format_seconds(first.latency.value)
    reference = ranking.reference
    if len(ranking.ranked) == 1:
        return f"only {first.case.name} has a latency to compare, {took}"
    if not ranking.tells(ranking.ranked):
        return f"{first.case.name} took the least time, {took}; {in_one_round(ranking.ranked)}"
    leaders = ranking.leaders
    if len(leaders) > 1:
        close = [s.case.name for s in leaders if s.latency and s.latency.value < analysis.CLOSE * first.latency.value]
        if len(close) > 1:
            text = f"no clear winner among {_some(close)}, about {took}"
        else:
            text = f"{first.case.name} took the least time, {took}"
        unruly = [s.case.name for s in leaders if s.case.name not in close]
        verb = "is" if len(unruly) == 1 else "are"
        return f"{text}; {_some(unruly)} {verb} too noisy to rule out" if unruly else text
    if reference is None:
        return f"{first.case.name} is fastest, {took}"
    if first is reference:
        second = ranking.ranked[1]
        speedup = analysis.compare(second, reference)
        behind = f"; {second.case.name} is next at {speedup_with_interval(speedup)}" if speedup else ""
        return f"keep {first.case.name}: fastest, {took}{behind}"
    speedup = analysis.compare(first, reference)
    gain = f", {speedup_with_interval(speedup)} as fast as {reference.case.name}" if speedup else ""
    return f"{first.case.name} is fastest, {took}{gain}"


ONE_ROUND = {
    "one_round": "one round tells nothing apart",
    "few_rounds": "{count} of {number} cases ran in one round only, which tells nothing apart",
}
"""Why nothing is said to be the fastest. The page's script fills in the same words."""


def in_one_round(compared: Sequence[Summary]) -> str:
    """Return why rounds do not tell which of some cases is the fastest, where that is so."""
    count = sum(summary.in_one_round for summary in compared)
    return ONE_ROUND["one_round" if count == len(compared) else "few_rounds"].format(count=count, number=len(compared))


def _some(names: Sequence[str]) -> str:
    """`a and b`, `a, b, c and 2 more`."""
    shown = list(names) if len(names) <= MOST_NAMES else [*names[:MOST_NAMES], f"{len(names) - MOST_NAMES} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def speedup_with_interval(speedup: analysis.Speedup) -> str:
    """`0.70x (0.66-0.74)`; the ratio alone for a single round."""
    return format_ratio_with_interval(speedup.ratio, speedup.low, speedup.high)


def payoff(found: PayoffRange, reference: str, labels: Labels) -> str:
    """Return at which of the measured lengths a method is faster or slower than the reference, or not told apart."""
    name = labels.curve(found.case)
    if found.kind is Payoff.UNKNOWN:
        return f"{name} and {reference} were not measured at a common length"
    if found.kind is not Payoff.PARTLY:
        first, last = found.points[0], found.points[-1]
        ratios = [point.speedup.ratio for point in found.points]
        low, high = format_ratio(min(ratios)), format_ratio(max(ratios))
        what = {
            Payoff.ALWAYS: f"is faster than {reference}",
            Payoff.NEVER: f"is slower than {reference}",
            Payoff.UNTOLD: f"is not told apart from {reference}",
        }[found.kind]
        if first is last:
            return f"{name} {what} at n = {first.length}, the only measured length ({low})"
        where = "at any measured length" if found.kind is Payoff.UNTOLD else "at every measured length"
        return f"{name} {what} {where}, n = {first.length} to {last.length} ({low} to {high})"
    parts: list[str] = []
    for state, words in (
        (Winner.FASTER, f"is faster than {reference}"),
        (Winner.SLOWER, f"is slower than {reference}"),
        (Winner.TIE, "is not told apart"),
    ):
        where = _where([point.state is state for point in found.points], [point.length for point in found.points])
        if where:
            parts.append(
                f"{words if not parts else words.removeprefix('is ').removesuffix(f' than {reference}')} {where}"
            )
    text = f"{name} {', '.join(parts)}"
    crossing = found.crossings[0] if len(found.crossings) == 1 else None
    if crossing is None:
        return text
    passes = (
        f"the latencies cross near {round(crossing.estimate)} ({round(crossing.earliest)}-{round(crossing.latest)})"
    )
    return f"{text}; {passes}"


def _where(chosen: Sequence[bool], lengths: Sequence[int]) -> str:
    """`at n = 64`, `from n = 64 to 256`, `at n = 64, 256 to 1024`; an empty text for none."""
    runs: list[list[int]] = []
    before = False
    for take, length in zip(chosen, lengths, strict=True):
        if take:
            if before:
                runs[-1].append(length)
            else:
                runs.append([length])
        before = take
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    if len(runs) == 1 and len(runs[0]) > 1:
        return f"from n = {texts[0]}"
    return f"at n = {', '.join(texts)}" if texts else ""


def scaling(found: Scaling, labels: Labels) -> str:
    """Return how a method's latency grows: the fitted exponent with its interval, or why there is no fit."""
    name = labels.curve(found.case)
    if found.exponent is None:
        return f"{name}: no fit, {_refusal(found)}"
    last = found.steps[-1]
    if found.exponent.high < 2:
        text = "below quadratic on this range"
    elif found.exponent.low > 2:
        text = "above quadratic"
    else:
        text = "not distinguishable from quadratic"
    span = f"over n = {found.fitted[0]} to {found.fitted[-1]}"
    fitted = _exponent(found.exponent.value, found.exponent.low, found.exponent.high)
    step = f"{_exponent(last.exponent, last.low, last.high)} from n = {last.shorter} to {last.longer}"
    return f"{name}: time grows as {fitted} {span}, {text}; {step}"


def _exponent(value: float, low: float | None, high: float | None) -> str:
    """`n^1.96 (1.90 to 2.03)`; the exponent alone where its interval is not known."""
    return f"n^{value:.2f}" if low is None or high is None else f"n^{value:.2f} ({low:.2f} to {high:.2f})"


def _refusal(found: Scaling) -> str:
    if isinstance(found.refused, NoPowerLaw):
        return f"no single power law: the best one misses a length by {found.refused.worst * 100:.0f}%"
    assert found.refused is not None
    less = f", {found.refused.on_plateau} more on the overhead plateau" if found.refused.on_plateau else ""
    return f"{found.refused.lengths} lengths, and a fit needs {LEAST_POINTS}{less}"


def feasible(found: Feasible, labels: Labels) -> str | None:
    """Return up to which length a method fits; None if every measured length does."""
    if found.first_over is None:
        return None
    name = labels.curve(found.case)
    needs = "" if found.needed is None else f", which needs {format_size(found.needed)} (estimate)"
    if found.longest is None:
        return f"{name}: does not fit at n = {found.first_over}{needs}"
    return f"{name}: fits up to n = {found.longest}, not n = {found.first_over}{needs}"


CEILINGS = {"compute": "compute", "bandwidth": "memory bandwidth", "cache": "compute, from cache"}
"""The names of the ceilings, by what limits a case."""
ROOF_TEMPLATE = "{rate}, {share} of the {ceiling} ceiling, at {intensity} FLOP per byte"
"""The template of `roof_words`; the page's script fills it in too."""


def roof_words(placed: Placed) -> str:
    """`150 GFLOP/s, 72% of the compute ceiling, at 63.4 FLOP per byte`."""
    return ROOF_TEMPLATE.format(
        rate=format_count(placed.rate, "FLOP/s"),
        share=format_percent(placed.share),
        ceiling=CEILINGS[placed.bound],
        intensity=format_three_digits(placed.intensity),
    )


def nearest_roof(placed: Sequence[Placed]) -> str:
    """Return which case is nearest to its ceiling, which is furthest below, and what limits how many cases."""
    nearest, furthest = (choose(placed, key=lambda one: one.share) for choose in (max, min))
    text = f"{nearest.summary.case.name} comes nearest to its ceiling, {format_percent(nearest.share)}"
    if len(placed) > 1:
        text += f"; {furthest.summary.case.name} stays furthest below it, {format_percent(furthest.share)}"
    bounds = Counter(CEILINGS[one.bound] for one in placed).most_common()
    limits = bounds[0][0] if len(bounds) == 1 else ", ".join(f"{name} for {count}" for name, count in bounds)
    return f"{text}. The limit at best is {limits}"


def coverage(summaries: Sequence[Summary], planned: int) -> str:
    """`205 of 209 measured, 4 out of memory`."""
    words: dict[Status, str] = {
        "oom": "out of memory",
        "timeout": "timed out",
        "unsupported": "unsupported",
        "error": "failed",
        "skipped": "skipped",
    }
    statuses = Counter(summary.status for summary in summaries)
    parts = [f"{statuses['ok']} of {planned} measured"]
    parts += [f"{statuses[status]} {word}" for status, word in words.items() if statuses[status]]
    missing = planned - len(summaries)
    if missing > 0:
        parts.append(f"{missing} not run yet")
    return ", ".join(parts)


def stability(summaries: Iterable[Summary]) -> str:
    """Return how precisely the latencies are known, and from how many processes."""
    timed = [s for s in summaries if s.timed]
    widths = sorted(s.timed.factor if len(s.samples) > 1 else math.inf for s in timed if s.timed)
    if not widths:
        return "nothing was timed"
    rounds = [len(summary.medians) for summary in timed]
    half = median_known_words(widths[len(widths) // 2])
    wide = sum(width > analysis.WIDE for width in widths)
    spread = f"; {wide} of {len(widths)} not to {factor_words(analysis.WIDE)}" if wide else ""
    if max(rounds) < 2:
        one_round = "one round tells nothing of the differences between processes, so no ratio is marked"
        if max(len(summary.samples) for summary in timed) == 1:
            return f"latencies of one sample per case, so nothing tells how precise they are; {one_round}"
        return f"latencies of one process per case, {half} within it; {one_round}{spread}"
    several = [number for number in rounds if number > 1]
    few, most = min(several), max(several)
    over = f"latencies over {few if few == most else f'{few} to {most}'} processes per case"
    alone = len(rounds) - len(several)
    if not alone:
        return f"{over}, {half}{spread}"
    which = "its ratio is" if alone == 1 else "their ratios are"
    return f"{over}, {half}{spread}; {pluralize(alone, 'case')} ran in one process only, so {which} not marked"
