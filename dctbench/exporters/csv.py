"""A run as CSV: one row per case and metric, in SI units."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dctbench.analysis import Summary
from dctbench.model import Run
from dctbench.runs import table


def csv_text(run: Run, summaries: Sequence[Summary]) -> str:
    """The whole table; a case without any metric has one row with its status."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.COLUMNS)
    for row in table.rows(run, summaries):
        writer.writerow([harmless(cell) for cell in row])
    return out.getvalue()


def harmless(cell: object) -> object:
    """A cell that no spreadsheet runs as a formula: a text that starts like one gets a leading apostrophe."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
