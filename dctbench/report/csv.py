"""A run as CSV: one row per case and metric, in SI units."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dctbench.analysis import Summary
from dctbench.model import Run
from dctbench.report.document import entry

_CASE = ("implementation", "scope", "seq_len", "ratio", "n_kept", "batch", "heads", "head_dim", "dtype", "device",
         "mode", "engine", "threads", "task")  # fmt: skip
HEADER = ("run_id", "case_id", *_CASE, "status", "message", "metric", "unit", "value", "low", "high", "count")


def csv_text(run: Run, summaries: Sequence[Summary]) -> str:
    """The whole table; a case without any metric has one row with its status."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for summary in summaries:
        one = entry(summary)
        head = [run.id, one["case_id"], *(one["case"][key] for key in _CASE), one["status"], one["message"]]
        for metric, figure in one["metrics"].items() or [(None, {})]:
            count = len(figure["samples"]) if "samples" in figure else 1 if figure else None
            tail = [metric, figure.get("unit"), figure.get("value"), figure.get("low"), figure.get("high"), count]
            writer.writerow([harmless(cell) for cell in [*head, *tail]])
    return out.getvalue()


def harmless(cell: object) -> object:
    """A cell that no spreadsheet runs as a formula: a text that starts like one gets a leading apostrophe."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
