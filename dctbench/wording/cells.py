"""A result as the cells of a table row, the same in the terminal, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dctbench import analysis
from dctbench.analysis import Speedup, Summary, Winner
from dctbench.catalog import ErrorMeans, Family
from dctbench.stats.robust import Interval
from dctbench.text.format import format_percent, format_ratio, format_relative_error, format_seconds, format_size
from dctbench.wording.labels import Labels

MARKS = {Winner.FASTER: "▲", Winner.SLOWER: "▼", Winner.TIE: "="}
WITHOUT_ERROR = {
    ErrorMeans.OTHER: "another function than softmax attention{among}, so the difference from that is no error",
    ErrorMeans.UNTRAINED: "with learned projections, so the error says nothing before training",
}
"""The kinds of methods that have no error, and why."""


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """The texts of one row; `failure` takes the place of the figures if there are none."""

    case: str
    seq_len: str
    latency: str
    speedup: str
    memory: str
    error: str
    failure: str | None = None


def row(summary: Summary, reference: Summary | None, labels: Labels) -> SummaryRow:
    """The row of one case beside the reference of its shape, named among the cases of `labels`."""
    case = summary.case
    failure = None if summary.timed else failure_words(summary)
    return SummaryRow(
        case=labels.curve(case),
        seq_len=str(case.seq_len),
        latency=latency_words(summary),
        speedup=speedup_words(summary, reference),
        memory="-" if summary.memory is None else format_size(summary.memory),
        error=error_words(summary),
        failure=failure,
    )


def latency_words(summary: Summary) -> str:
    """`171 µs ±1%`: the latency and half of its 95% interval."""
    return "-" if summary.timed is None else interval_words(summary.timed)


def interval_words(latency: Interval) -> str:
    """`171 µs ±1%`: a time and half of its 95% interval."""
    return f"{format_seconds(latency.value)} {width_words(latency.relative_half_width)}"


def width_words(relative_half_width: float) -> str:
    """`±2%`; `±>100%` for an interval wider than its value."""
    return f"±{format_percent(relative_half_width)}" if relative_half_width < 1 else "±>100%"


def speedup_words(summary: Summary, reference: Summary | None) -> str:
    """`▲ 3.20x` faster, `▼ 0.74x` slower, `= 1.05x` no clear difference; `1.00x` for the reference itself."""
    if reference is not None and summary.case == reference.case and summary.timed:
        return format_ratio(1.0)
    return marked(analysis.compare(summary, reference))


def marked(speedup: Speedup | None) -> str:
    """`▲ 3.20x`, `▼ 0.74x`, `= 1.05x`; `1.05x` for a single round; `-` where nothing could be compared."""
    if speedup is None or speedup.low is None:
        return "-" if speedup is None else format_ratio(speedup.ratio)
    return f"{MARKS[speedup.winner]} {format_ratio(speedup.ratio)}"


def error_words(summary: Summary, metric: str = "error.smooth") -> str:
    """The relative error, or `other` or `untrained` for a method whose difference from exact attention is none."""
    error = summary.values.get(metric)
    if error is None:
        return "-"
    return format_relative_error(error) if summary.approximates else summary.error_means.value


def error_notes(summaries: Iterable[Summary]) -> list[str]:
    """Return a sentence for each word that stands in place of an error: why, and what shows the worth of the method."""
    members: dict[ErrorMeans, dict[str, Family]] = {}
    for summary in summaries:
        members.setdefault(summary.error_means, {})[summary.case.implementation] = summary.method.family
    notes = []
    for meaning, why in WITHOUT_ERROR.items():
        if meaning in members:
            dct = [name for name, family in members[meaning].items() if family is Family.DCT]
            among = f" ({' and '.join(dct)}: attention among frequencies, not positions)" if dct else ""
            names = ", ".join(members[meaning])
            notes.append(
                f"{meaning.value} ({names}): {why.format(among=among)}; accuracy after training shows its worth"
            )
    return notes


def failure_words(summary: Summary) -> str:
    """`OOM (needs about 1.0 TiB of 131 GiB)`, `error (SIGSEGV)`; with the latency in the processes that ran."""
    name = "OOM" if summary.status == "oom" else summary.status
    failed = f"{name} ({summary.message})" if summary.message else name
    if summary.latency is None:
        return failed
    ran = len(summary.medians)
    return f"{failed}; {interval_words(summary.latency)} in the {f'{ran} processes' if ran > 1 else 'one'} that ran"
