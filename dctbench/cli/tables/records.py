"""Print plain records, such as those of `list`: complete for programs, fitted to the terminal for people."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from dctbench.cli.terminal.files import print_document
from dctbench.cli.terminal.wrap import terminal_width, wrapped
from dctbench.exporters.csv import escape_formula
from dctbench.exporters.json_document import dumps
from dctbench.text.sanitize import sanitize_values
from dctbench.wording.markdown import escape

_GAP = "  "
_LEAST_LAST = 30
"""Characters that a last column of sentences needs to be readable."""

Cells = Sequence[Sequence[str]]


def print_records(records: Sequence[Mapping[str, Any]], output_format: str) -> None:
    """Print records as a table, JSON, CSV or Markdown. What a record lacks is an empty cell."""
    text = records_text(records, output_format)
    if output_format == "table":
        click.echo(text, nl=False)
    else:
        print_document(text)


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with nested mappings, such as a case, as columns of their own."""
    nested = ((value if isinstance(value, Mapping) else {key: value}) for key, value in record.items())
    return {key: value for part in nested for key, value in part.items()}


def records_text(records: Sequence[Mapping[str, Any]], output_format: str) -> str:
    """Return the text that `print_records` prints."""
    records = sanitize_values(list(records))
    if output_format == "json":
        return dumps(records)
    records = [flat(record) for record in records]
    titles = list(dict.fromkeys(title for record in records for title in record))
    if output_format == "csv":
        out = io.StringIO()
        values = ([escape_formula(record.get(title)) for title in titles] for record in records)
        csv.writer(out, lineterminator="\n").writerows([titles, *values])
        return out.getvalue()
    cells = [["" if record.get(title) is None else str(record[title]) for title in titles] for record in records]
    if output_format == "md":
        lines = [titles, ["---"] * len(titles), *([escape(cell) for cell in row] for row in cells)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)
    if not sys.stdout.isatty():
        table = [head + last for head, last in _columns([titles, *cells])]
    else:
        table = _fitted([titles, *cells], terminal_width())
    return "".join(f"{line.rstrip()}\n" for line in table)


def _columns(rows: Cells) -> list[tuple[str, str]]:
    """For each row, all cells but the last, padded to the width of their columns, and the last cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return [(_GAP.join([*cells[:-1], ""]), row[-1]) for cells, row in zip(aligned, rows, strict=True)]


def _fitted(rows: Cells, width: int) -> list[str]:
    """Wrap the last column of a table to fit the width.

    When that is not enough, values that all records share move to a line below the table; when that is not enough
    either, each record becomes a list.
    """
    columns = _columns(rows)
    last = max(len(cell) for _, cell in columns)
    if len(columns[0][0]) + min(last, _LEAST_LAST) < width:
        return [line for head, cell in columns for line in wrapped(cell, width, head)]
    titles, *cells = rows
    shared = {i for i in range(1, len(titles)) if len(cells) > 1 and len({row[i] for row in cells}) == 1}
    if not shared:
        return _lists(titles, cells, width)
    own = [[cell for i, cell in enumerate(row) if i not in shared] for row in rows]
    common = ", ".join(f"{titles[i]} {cells[0][i]}" for i in sorted(shared) if cells[0][i])
    return [*_fitted(own, width), *(["", *wrapped(f"in all of them: {common}", width)] if common else [])]


def _lists(titles: Sequence[str], cells: Cells, width: int) -> list[str]:
    """Each record as its first cell and, below it, one line per other cell that is not empty."""
    indent = max(map(len, titles[1:]), default=0)
    lines = []
    for first, *rest in cells:
        lines += wrapped(first, width)
        for title, cell in zip(titles[1:], rest, strict=True):
            lines += wrapped(cell, width, f"{_GAP}{title:<{indent}}{_GAP}") if cell else []
    return lines
