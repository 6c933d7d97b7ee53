"""A run as CSV: one row per case and metric, in SI units."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dctbench.analysis import Summary
from dctbench.model import Run
from dctbench.runs import table


def csv_text(run: Run, summaries: Sequence[Summary]) -> str:
    """Return the whole table; a case without any metric has one row with its status."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.COLUMNS)
    for row in table.rows(run, summaries):
        writer.writerow([escape_formula(cell) for cell in row])
    return out.getvalue()


def escape_formula(cell: object) -> object:
    """Return the cell with a leading apostrophe where a spreadsheet would otherwise run it as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
