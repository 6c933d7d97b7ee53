"""Results as one table with a row per case and metric: the same columns in CSV, Parquet and a DataFrame.

Everything is in SI units. A case without any figure has one row with its status and an empty metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from dctbench import catalog
from dctbench.analysis import Summary
from dctbench.model import Run

ColumnType = Literal["text", "word", "instant", "integer", "number"]
"""What a column contains: any text, one of a few words, a time in UTC (ISO 8601), an integer, a number."""
CASE_COLUMNS: Mapping[str, ColumnType] = {
    "run_id": "text", "label": "text", "started_at": "instant", "host": "text", "fingerprint": "text",
    "case_id": "text", "implementation": "word", "scope": "word", "seq_len": "integer", "ratio": "number",
    "kept": "integer", "n_kept": "integer", "batch": "integer", "heads": "integer", "head_dim": "integer",
    "dtype": "word", "device": "word", "mode": "word", "engine": "word", "threads": "integer", "task": "word",
    "period": "number", "deadline": "number", "model": "word", "layers": "word", "recover": "integer",
    "input": "word", "ranks": "integer", "status": "word", "message": "text", "rounds": "integer",
}  # fmt: skip
"""The columns that are equal in all rows of a case, with the type of their values."""
METRIC_COLUMNS: Mapping[str, ColumnType] = {
    "metric": "word", "unit": "word", "value": "number", "low": "number", "high": "number", "p99": "number",
    "p99_high": "number", "count": "integer",
}  # fmt: skip
COLUMNS: Mapping[str, ColumnType] = {**CASE_COLUMNS, **METRIC_COLUMNS}


def case_values(run: Run, summary: Summary) -> list[Any]:
    """Return the values of CASE_COLUMNS for a case; None for what it lacks."""
    first = summary.rounds[0]
    case = summary.case
    return [run.id, run.label, run.started_at, first.host, first.fingerprint, case.id, case.implementation, case.scope,
            case.seq_len, case.ratio, case.kept, case.n_kept, case.batch, case.heads, case.head_dim, case.dtype,
            case.device, case.mode, case.engine, case.threads, case.task, case.period, case.deadline, case.model,
            case.layers, case.recover, case.input, case.ranks, summary.status, summary.message,
            len(summary.rounds)]  # fmt: skip


def metric_rows(summary: Summary) -> Iterator[list[Any]]:
    """Yield the values of METRIC_COLUMNS, one metric at a time, latency first."""
    if summary.latency:
        latency, tail, count = summary.latency, summary.p99, len(summary.samples)
        ends = [None, None] if count == 1 else [latency.low, latency.high]  # one sample has no interval
        yield ["latency", "s", latency.value, *ends, *([tail.value, tail.high] if tail else [None, None]), count]
    for metric, value in summary.values.items():
        low, high, count = _counted(summary, metric)
        yield [metric, summary.units[metric], value, low, high, None, None, count]
    if not summary.latency and not summary.values:
        yield [None] * len(METRIC_COLUMNS)


def _counted(summary: Summary, metric: str) -> tuple[float | None, float | None, int]:
    """Return the bounds of a metric and how many seeds, inputs or calls on a schedule are behind its value."""
    if summary.case.task is not None:
        return None, None, len(summary.seeds(metric))
    kept = summary.timeliness
    if kept is None or metric not in ("response", "miss_rate", "misses.longest"):
        known = catalog.metric(metric)
        taken = (one.samples for result in summary.rounds if (one := result.measurement(metric)) is not None)
        return None, None, len(next(taken)) if known and known.averaged else 1
    rate = kept.miss_rate()
    ends = (rate.low, rate.high) if metric == "miss_rate" else (None, None)
    return (*ends, kept.calls)


def rows(run: Run, summaries: Sequence[Summary]) -> Iterator[list[Any]]:
    """Yield the values of COLUMNS, one row at a time."""
    for summary in summaries:
        head = case_values(run, summary)
        for tail in metric_rows(summary):
            yield head + tail
