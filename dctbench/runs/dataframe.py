"""`dctbench.load_results`: results as a pandas DataFrame, for questions that the report does not answer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dctbench.analysis import Summary, summarise
from dctbench.model import Run
from dctbench.runs import table
from dctbench.runs.lookup import from_file
from dctbench.store import open_store
from dctbench.store.gc_pause import gc_paused


def load_results(store_or_file: str | os.PathLike[str]) -> pd.DataFrame:
    """Return every result of a store or an exported file: one row per case and metric, the oldest run first.

    A case that failed or has no figures has one row whose `metric` is missing. All values are in SI units.

    | columns | type | meaning |
    |---|---|---|
    | run_id, label, started_at | text, text, UTC time | the run |
    | host, fingerprint | text | where its first round was measured; compare latencies within one fingerprint only |
    | case_id | text | identifies the case across runs |
    | implementation, scope, dtype, device, mode, engine, task | category | the case |
    | seq_len, n_kept, batch, heads, head_dim, threads | Int64 | the case; n_kept in coefficients |
    | period, deadline | float | of calls on a schedule; missing for others |
    | model, layers, recover | category, category, Int64 | of a model; missing for others |
    | input | category | on which `error.input` was measured; missing without one |
    | ranks | Int64 | processes among which the sequence is divided; missing where it is not |
    | ratio, kept | float, Int64 | n / n_kept, or the number asked for at any length; missing where not set |
    | status, message | category, text | ok, oom, timeout, unsupported, error or skipped, and the reason |
    | rounds | Int64 | rounds that have a result, also those that were skipped after a failure |
    | metric, unit | category | the metric and its unit (`s`, `B`, `FLOP`, `J`, `1`) |
    | value | float | latency: geometric mean of the rounds' medians; trainings: mean over seeds; calls on a |
    | | | schedule: of all rounds; others: of the first round |
    | low, high | float | latency: ends of the 95% interval between rounds (of one round: within it) |
    | p99, p99_high | float | latency: 99th percentile of single calls and its upper end at 95%, from 299 samples on |
    | count | Int64 | samples behind the value: calls, seeds, inputs, or 1 |

    Args:
        store_or_file: path or URL of a store, or path of a file that `dctbench import` accepts.

    Raises:
        StoreError: when there is no such store, or it cannot be read.
        UsageError: when the file is not valid.
    """
    location = os.fspath(store_or_file)
    if _is_document(location):
        with gc_paused():
            found = from_file(location)
            return to_dataframe([(found.run, found.summaries)])
    with open_store(location) as store, gc_paused():
        return to_dataframe((state.run, summarise(store.results(state.run.id))) for state in store.runs())


def to_dataframe(runs: Iterable[tuple[Run, list[Summary]]]) -> pd.DataFrame:
    """Return the table of `dctbench.runs.table` for runs with their summaries, with the types of `load_results`."""
    cases: list[list[Any]] = []
    metrics: list[list[Any]] = []
    repeats: list[int] = []
    for run, summaries in runs:
        for summary in summaries:
            cases.append(table.case_values(run, summary))
            before = len(metrics)
            metrics.extend(table.metric_rows(summary))
            repeats.append(len(metrics) - before)
    rows = np.repeat(np.arange(len(cases)), repeats)
    columns: dict[str, Any] = {}
    for name, kind, values in _transposed(cases, table.CASE_COLUMNS):
        columns[name] = _array(values, kind).take(rows)  # converted once per case, not once per row
    for name, kind, values in _transposed(metrics, table.METRIC_COLUMNS):
        columns[name] = _array(values, kind)
    return pd.DataFrame(columns, copy=False)


def _transposed(
    rows: list[list[Any]], columns: Mapping[str, table.ColumnType]
) -> Iterator[tuple[str, table.ColumnType, Sequence[Any]]]:
    values: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(columns)
    for (name, kind), column in zip(columns.items(), values, strict=True):
        yield name, kind, column


def _array(values: Sequence[Any], kind: table.ColumnType) -> Any:
    """Return a pandas array of the type of that kind; None becomes missing."""
    if kind == "instant":
        # The unit that pandas chooses by itself depends on its version; the Parquet file has microseconds, too.
        return pd.to_datetime(list(values), utc=True, format="ISO8601").as_unit("us").array
    if kind == "word":
        return pd.Categorical(values)
    return pd.array(list(values), dtype={"text": "string", "integer": "Int64", "number": "float64"}[kind])


def _is_document(location: str) -> bool:
    """Return whether it is the path of a file that begins as JSON does."""
    try:
        with Path(location).open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
    except (OSError, ValueError):
        return False
