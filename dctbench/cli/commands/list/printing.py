"""A list on standard output: everything for programs, the columns that people read for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

from dctbench.cli.tables.records import flat, print_records

Record = dict[str, Any]


def print_list(records: Sequence[Record], output_format: str, nouns: str, hidden: Collection[str] = ()) -> None:
    """Print records with the same keys.

    Args:
        records: a value may be a list of strings, or a mapping whose entries become columns.
        output_format: one of FORMATS.
        nouns: what the records are, in the plural: printed to standard error when there is none.
        hidden: columns that only programs read, left out of tables.
    """
    if output_format in ("table", "md"):
        records = [{key: value for key, value in flat(record).items() if key not in hidden} for record in records]
    if output_format != "json":
        records = [_joined(record) for record in records]
    if records or output_format != "table":
        print_records(records, output_format)
    else:
        click.echo(f"no {nouns} yet", err=True)


def _joined(record: Mapping[str, Any]) -> Record:
    return {key: ", ".join(value) if isinstance(value, list) else value for key, value in record.items()}
