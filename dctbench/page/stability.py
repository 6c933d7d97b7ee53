"""The section "Can I trust it?": which cases are steady and which are not, and the samples themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from dctbench import analysis
from dctbench.analysis import Instability, Stability, Summary
from dctbench.analysis.stability import DRIFTED, MANY_OUTLIERS
from dctbench.model import Case
from dctbench.page.charts import samples
from dctbench.page.charts.axes import Figure
from dctbench.page.palette import Look
from dctbench.stats.moderated import LEAST_CASES
from dctbench.text.format import format_percent, format_ratio, format_three_digits, pluralize
from dctbench.wording.cells import factor_words, mode_words
from dctbench.wording.labels import Labels
from dctbench.wording.recommendation import p99_takes

NAMED, LISTED = 3, 8
"""How many unsteady cases the first sentence names, and how many are listed with their reasons."""
MOST_LENGTHS = 6
"""The samples of this many lengths are drawn, the longest ones. The table and an exported file have all samples."""
_ALIKE = 0.05
CRITERIA = (
    f"A case is unsteady if its latency is not known to {factor_words(analysis.WIDE)}; if it became "
    f"{format_percent(DRIFTED)} slower or faster within its processes (last third of the samples against the first, "
    "with a trend that is significant at 1% by Spearman's test within processes); if more than "
    f"{format_percent(MANY_OUTLIERS)} of its samples are outliers; if its processes have two speeds; or if its samples "
    "were still disturbed when taken again"
)
_STOPS = {
    "precise": "the median was precise enough",
    "settled": "more samples would not have changed the interval",
    "long": "calls were long, so that few samples suffice",
    "limit": "the time limit of the case was reached",
    "budget": "the time budget was used up",
    "count": "the largest number of samples was taken",
}


@dataclass(frozen=True, slots=True)
class LengthSamples:
    """The samples of one length: the names of its two figures in the page, and a caption that explains them."""

    place: str
    strips: str
    in_order: str
    caption: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class StabilitySection:
    """The sentences and figures of the section.

    Attributes:
        sentence: how many cases are steady, and which ones are not.
        unsteady: the least steady cases, each with its reasons.
        criteria: when a case is unsteady.
        facts: what the latencies are based on.
        undrawn: the number of timed cases whose samples are in no figure.
        lengths: those whose samples are drawn, shortest first; the `chosen` one is open.
        figures: by name.
    """

    sentence: str
    unsteady: list[str]
    criteria: str
    facts: list[str]
    undrawn: int
    lengths: list[LengthSamples]
    figures: dict[str, Figure]


def stability_section(
    summaries: Sequence[Summary],
    styles: Mapping[Case, Look],
    labels: Labels,
    *,
    prefix: str = "",
    most_lengths: int = MOST_LENGTHS,
) -> StabilitySection | None:
    """Return the section for a run, or None if nothing was timed.

    Args:
        summaries: of the run.
        styles: of each case.
        labels: names of the curves.
        prefix: of the names of figures, so that those of several runs differ.
        most_lengths: the most lengths whose samples are drawn.
    """
    found = [one for summary in summaries if (one := analysis.stability(summary))]
    shape = analysis.common_shape(summaries)
    if not found or shape is None:
        return None
    unsteady = sorted((one for one in found if one.troubles), key=_severity)
    chosen = next(one.summary.case for one in found if one.summary.case.shape == shape)
    lengths, figures, drawn = _samples(found, chosen, styles, labels, prefix, most_lengths)
    return StabilitySection(
        sentence=_sentence(found, unsteady, labels),
        unsteady=[_unsteady_line(one, labels) for one in unsteady[:LISTED]],
        criteria=CRITERIA,
        facts=_facts(found, chosen),
        undrawn=len(found) - drawn,
        lengths=lengths,
        figures=figures,
    )


def _severity(one: Stability) -> tuple[bool, float]:
    """A sort key: unsteady cases first, then those with the widest interval; one sample is of unknown precision."""
    assert one.summary.latency is not None
    return (not one.troubles, -math.inf if len(one.summary.samples) == 1 else -one.summary.latency.factor)


def _sentence(found: Sequence[Stability], unsteady: Sequence[Stability], labels: Labels) -> str:
    if not unsteady:
        return "The one case is steady" if len(found) == 1 else f"All {len(found)} cases are steady"
    names = [_name(one, labels) for one in unsteady[:NAMED]]
    more = f" and {len(unsteady) - NAMED} more" if len(unsteady) > NAMED else ""
    steady = len(found) - len(unsteady)
    are, rest = "is" if steady == 1 else "are", "is" if len(unsteady) == 1 else "are"
    return f"{steady} of {len(found)} cases {are} steady; {len(unsteady)} {rest} not: {', '.join(names)}{more}"


def _name(one: Stability, labels: Labels) -> str:
    case = one.summary.case
    return f"{labels.curve(case)} at n = {case.seq_len}"


def _unsteady_line(one: Stability, labels: Labels) -> str:
    """`dct-x r=8 at n = 512: its latency is only known to a factor of 1.4 (its processes vary by 15%, ...)`."""
    latency = one.summary.latency
    assert latency is not None
    reasons = []
    for trouble in one.troubles:
        if trouble is Instability.WIDE and len(one.summary.samples) == 1:
            reasons.append("one sample, so nothing tells how precise its latency is")
        elif trouble is Instability.WIDE:
            known = f"its latency is only known to {factor_words(latency.factor)}"
            within = format_percent(one.within)
            if one.between is None:
                reasons.append(f"{known} (one process, whose samples vary by {within})")
            else:
                between = _deviation(one.between)
                reasons.append(f"{known} (its processes vary by {between}, the samples of each by {within})")
        elif trouble is Instability.DRIFT and one.drift is not None:
            way = "slower" if one.drift > 0 else "faster"
            reasons.append(f"{format_percent(abs(one.drift))} {way} at the end of a process than at its start")
        elif trouble is Instability.OUTLIERS:
            share = len(one.flagged) / len(one.summary.samples)
            reasons.append(f"{format_percent(share)} of its samples are outliers")
        elif trouble is Instability.TWO_MODES and one.modes is not None:
            reasons.append(mode_words(one.modes))
        elif trouble is Instability.DISTURBED:
            reasons.append(next(r.details.noisy for r in one.summary.rounds if r.details.noisy is not None))
    return f"{_name(one, labels)}: {'; '.join(reasons)}"


def _facts(found: Sequence[Stability], chosen: Case) -> list[str]:
    facts = [*_spreads(found), *_rounds(found)]
    turned = sum(any(result.details.turns is not None for result in one.summary.rounds) for one in found)
    if turned:
        facts.append(
            f"{pluralize(turned, 'case')} took turns with base: these latencies are comparable with base, but a "
            "method on its own may be faster"
        )
    stops = analysis.stop_reasons(one.summary for one in found)
    if stops:
        ends = ", ".join(f"{_STOPS.get(reason, reason)} in {count}" for reason, count in stops.most_common())
        facts.append(f"Sampling ended because {ends} of {stops.total()} processes")
    taken, flagged = sum(len(one.summary.samples) for one in found), sum(len(one.flagged) for one in found)
    facts.append(
        f"{flagged} of {taken} samples lie more than 5 scaled MADs above the median of their process: they are "
        "flagged as outliers and never dropped"
    )
    retaken = [one for one in found if one.retaken]
    if retaken:
        again, cases = sum(len(one.retaken) for one in retaken), len(retaken)
        facts.append(
            f"{again} disturbed sample{'s' if again > 1 else ''} of {cases} case{'s' if cases > 1 else ''} "
            f"{'were' if again > 1 else 'was'} taken again; the disturbed times are kept, but used in no statistic"
        )
    untailed = sum(one.summary.p99 is None for one in found)
    if untailed:
        there = [one.summary.case for one in found if one.summary.case.shape == chosen.shape]
        facts.append(f"p99 not measured for {untailed} of {len(found)} cases: {p99_takes(there)}")
    return facts


def _spreads(found: Sequence[Stability]) -> list[str]:
    """How much processes and the samples within each vary, and thus what would narrow the intervals."""
    paired = [(one.between, analysis.by_luck(one), one.within) for one in found if one.between is not None]
    if not paired:
        return ["One process was timed per case, so the variation between processes is not known"]
    between, luck, within = (median(values) for values in zip(*paired, strict=True))
    remedy = "longer sampling would narrow the intervals too"
    if between > 2 * luck:
        remedy = "more rounds would narrow the intervals, longer sampling would not"
    return [
        f"In the median case, the medians of the processes vary by {_deviation(between)}. The variation of their "
        f"samples ({format_percent(within)}) alone would give {_deviation(luck)}: {remedy}"
    ]


def _deviation(deviation: float) -> str:
    """A standard deviation of logarithms as `15%`, or as `a factor of 4.2` where a percentage would mislead."""
    share = math.expm1(deviation)
    return format_percent(share) if share < 1 else f"a factor of {format_three_digits(1 + share)}"


def _rounds(found: Sequence[Stability]) -> list[str]:
    """Whether a round was slower in the median over the cases: of enough cases, the machine may have caused it."""
    compared = [one.summary for one in found if len(one.summary.medians) > 1]
    levels = analysis.round_levels(compared)
    if len(levels) < 2:
        return []
    slow, fast = max(levels, key=levels.__getitem__), min(levels, key=levels.__getitem__)
    if levels[slow] / levels[fast] - 1 <= _ALIKE:
        return [
            f"In the median over the cases, all {len(levels)} rounds took the same time within {format_percent(_ALIKE)}"
        ]
    ratio = format_ratio(levels[slow] / levels[fast])
    fact = f"In the median over the cases, round {slow} took {ratio} the time of round {fast}"
    if sum(summary.medians.keys() >= {slow, fast} for summary in compared) < LEAST_CASES:
        return [fact]
    return [
        f"{fact}: the clock or the load of the machine may have changed; ratios paired by round would cancel this out"
    ]


def _samples(
    found: Sequence[Stability],
    chosen: Case,
    styles: Mapping[Case, Look],
    labels: Labels,
    prefix: str,
    most_lengths: int,
) -> tuple[list[LengthSamples], dict[str, Figure], int]:
    """The samples of the lengths in the facet of the chosen case, their figures, and the number of cases drawn."""
    by_length: dict[int, list[Stability]] = {}
    for one in found:
        if one.summary.case.facet == chosen.facet:
            by_length.setdefault(one.summary.case.seq_len, []).append(one)
    longest = sorted(by_length)[-most_lengths:]
    shown = longest if chosen.seq_len in longest else [chosen.seq_len, *longest[1:]]
    lengths: list[LengthSamples] = []
    figures: dict[str, Figure] = {}
    drawn = 0
    for n in shown:
        lanes = _lanes(by_length[n], styles)
        drawn += len(lanes)
        ordered, span = samples.in_order(lanes)
        names = f"{prefix}strips-{n}", f"{prefix}order-{n}"
        figures |= dict(zip(names, (samples.strips(lanes), ordered), strict=True))
        place = labels.place(by_length[n][0].summary.case)
        lengths.append(LengthSamples(place, *names, _caption(lanes, span), n == chosen.seq_len))
    return lengths, figures, drawn


def _lanes(found: Sequence[Stability], styles: Mapping[Case, Look]) -> list[samples.Lane]:
    """A lane per case, fastest first. If there are too many, the steadiest ones are left out."""
    kept = sorted(found, key=_severity)[: samples.MOST_LANES]
    ordered = sorted(kept, key=lambda one: one.summary.latency.value if one.summary.latency else 0.0)
    return [samples.Lane(o.summary.case.name, styles[o.summary.case], o) for o in ordered]


def _caption(lanes: Sequence[samples.Lane], span: float) -> str:
    ends = f"{format_ratio(1 / (1 + span))} to {format_ratio(1 + span)}"
    caption = f"a lane covers {ends} the latency of its case, and marks beyond are drawn at its edge"
    most, per_lane = max(len(lane.stability.summary.samples) for lane in lanes), samples.marks_per_lane(lanes)
    if most > per_lane:
        caption += f"; {per_lane} of up to {most} samples per case are drawn, including the outliers"
    return caption
