"""A result as the cells of a table row, the same in the terminal, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dctbench.analysis import Speedup, Summary, Winner
from dctbench.catalog import ACCURACY, ErrorMeans, Family
from dctbench.model import Case
from dctbench.stats.modes import TwoModes
from dctbench.stats.robust import Interval
from dctbench.text.format import (
    format_factor,
    format_ratio,
    format_relative_error,
    format_seconds,
    format_seconds_with_interval,
    format_size,
)
from dctbench.wording.labels import Labels

MARKS = {Winner.FASTER: "▲", Winner.SLOWER: "▼", Winner.TIE: "="}
_UNKNOWN = 10
WITHOUT_ERROR = {
    ErrorMeans.OTHER: "another function than softmax attention{among}, so the difference from that is no error",
    ErrorMeans.UNTRAINED: "with learned projections, so the error says nothing before training",
}
"""The kinds of methods that have no error, and why."""


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """The texts of one row; `failure` takes the place of the figures if there are none.

    A training has its accuracy in place of a latency: the mean over its seeds. The error is that on the input of the
    case or, without one, on the smooth input.
    """

    case: str
    seq_len: str
    latency: str
    speedup: str
    memory: str
    error: str
    failure: str | None = None


def row(summary: Summary, speedup: Speedup | None, labels: Labels) -> SummaryRow:
    """The row of one case with its speed-up over the reference, named among the cases of `labels`."""
    case = summary.case
    ok = summary.status == "ok"
    learned = summary.values.get(ACCURACY) if ok else None
    return SummaryRow(
        case=labels.curve(case),
        seq_len=str(case.seq_len),
        latency=latency_words(summary) if learned is None else f"accuracy {learned:.3f}",
        speedup=marked(speedup),
        memory="-" if summary.memory is None else format_size(summary.memory),
        error=error_words(summary, "error.smooth" if case.input is None else "error.input"),
        failure=None if ok else failure_words(summary),
    )


def latency_words(summary: Summary) -> str:
    """`2.31 ms (1.94-3.03)`: the latency and the ends of its 95% interval; one sample has none."""
    return "-" if summary.timed is None else interval_words(summary.timed, len(summary.samples))


def interval_words(latency: Interval, samples: int) -> str:
    """`2.31 ms (1.94-3.03)`: a time and the ends of its 95% interval; `2.31 ms` where it is of one sample."""
    if samples == 1:
        return format_seconds(latency.value)
    return format_seconds_with_interval(latency.value, latency.low, latency.high)


def factor_words(factor: float) -> str:
    """`a factor of 1.12`: how precisely a time is known; `a factor of more than 10` beyond that."""
    return f"a factor of {format_factor(factor)}" if factor <= _UNKNOWN else f"a factor of more than {_UNKNOWN}"


def median_known_words(factor: float) -> str:
    """`half of them known to a factor of 1.12 or better`, or that half of them are known less well than words say."""
    known = f"half of them known to {factor_words(factor)} or better"
    return known if factor <= _UNKNOWN else f"half of them not known to a factor of {_UNKNOWN}"


def marked(speedup: Speedup | None) -> str:
    """`▲ 3.20x`, `▼ 0.74x`, `= 1.05x`; `1.05x` where no mark was set; `-` where nothing could be compared."""
    if speedup is None or speedup.mark is None:
        return "-" if speedup is None else format_ratio(speedup.ratio)
    return f"{MARKS[speedup.mark]} {format_ratio(speedup.ratio)}"


def error_words(summary: Summary, metric: str = "error.smooth") -> str:
    """The relative error, or `other` or `untrained` for a method whose difference from exact attention is none."""
    error = summary.values.get(metric)
    if error is None:
        return "-"
    return format_relative_error(error) if summary.approximates else summary.error_means.value


def process_memory(case: Case) -> str:
    """What the memory of the process is called: on CUDA the driver tells what it holds, and no growth."""
    return "memory held by the process" if case.device_kind == "cuda" else "growth of the process"


def memory_words(summary: Summary) -> str:
    """`8.00 MiB`: tensors and parameters; or of a target without torch `99.4 MiB resident`, the whole process."""
    if summary.memory is not None:
        return format_size(summary.memory)
    resident = summary.values.get("memory.resident")
    return "-" if resident is None else f"{format_size(resident)} resident"


def error_notes(summaries: Iterable[Summary]) -> list[str]:
    """Return a sentence for each word that stands in place of an error, and for what int8 leaves in float32.

    The former say why there is no error, and what shows the worth of the method.
    """
    summaries = list(summaries)
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
    return [*notes, *_int8_notes(summaries)]


def _int8_notes(summaries: Sequence[Summary]) -> list[str]:
    """Return a sentence for each engine that computes only a part of the matrix products in int8."""
    shares: dict[str, dict[str, list[float]]] = {}
    for summary in summaries:
        if summary.details.int8_share is not None:
            methods = shares.setdefault(summary.case.engine, {})
            methods.setdefault(summary.case.implementation, []).append(summary.details.int8_share)
    return [
        f"{engine} computes part of the multiply-adds of matrix products in int8 "
        f"({', '.join(f'{_range(found)} for {name}' for name, found in methods.items())}); the rest stays in float32"
        for engine, methods in shares.items()
        if min(min(found) for found in methods.values()) < 1
    ]


def _range(shares: Sequence[float]) -> str:
    """`71%`, or `60-82%` where it differs by length or ratio. Only all of it is 100%."""
    low, high = (100 if share == 1 else min(99, round(100 * share)) for share in (min(shares), max(shares)))
    return f"{low}%" if low == high else f"{low}-{high}%"


def mode_notes(summaries: Iterable[Summary], labels: Labels) -> list[str]:
    """Return a sentence for each case whose processes have two speeds: its mean and interval describe neither."""
    notes = []
    for summary in summaries:
        if summary.timed and (modes := summary.modes):
            notes.append(f"{labels.case(summary.case)}: {mode_words(modes)}")
    return notes


def mode_words(modes: TwoModes) -> str:
    """`two speeds, 4 processes near 2.10 ms and 2 processes near 3.00 ms: the mean lies between them`."""
    low, high = format_seconds(modes.low), format_seconds(modes.high)
    return (
        f"two speeds: {modes.below} processes near {low} and {modes.above} near {high}, and the mean lies between them"
    )


def failure_words(summary: Summary) -> str:
    """`OOM (needs about 1.0 TiB of 131 GiB)`, `error (SIGSEGV)`; with the latency in the processes that ran."""
    name = "OOM" if summary.status == "oom" else summary.status
    failed = f"{name} ({summary.message})" if summary.message else name
    if summary.latency is None:
        return failed
    ran = len(summary.medians)
    shown = interval_words(summary.latency, len(summary.samples))
    return f"{failed}; {shown} in the {f'{ran} processes' if ran > 1 else 'one'} that ran"
