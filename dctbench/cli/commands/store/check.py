"""`dctbench store check`: is every stored record what was written?"""

from __future__ import annotations

import click

from dctbench import errors
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, store_option, version_option
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.streams import outlive_readers
from dctbench.store import DamagedError, open_store
from dctbench.text.format import pluralize


@click.command(
    "check",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench store check", "dctbench store check --store server.sqlite --format json"),
)
@store_option
@format_option
@version_option
def command(store: str, output_format: str) -> int:
    """Check every record against the hash that was stored with it. Exit 5 when something is damaged."""
    from dctbench.store.checking import find_damage  # noqa: PLC0415 - SQLAlchemy

    outlive_readers()  # the exit code tells of damage whether or not somebody reads it
    with open_store(store) as opened:
        found = find_damage(opened)
        name = opened.name
    if output_format != "table" or found:
        print_records([{"damage": text} for text in found], output_format)
    if found:
        raise DamagedError(f"store {name}: {pluralize(len(found), 'damaged record')} found")
    click.echo(f"{name}: every record is what was written", err=True)
    return errors.EXIT_OK
