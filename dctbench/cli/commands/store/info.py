"""`dctbench store info`: where a store is, how large, and what it holds."""

from __future__ import annotations

from dataclasses import asdict

import click

from dctbench import errors
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, store_option, version_option
from dctbench.cli.tables.records import print_records
from dctbench.store import open_store
from dctbench.text.format import format_size


@click.command(
    "info",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench store info", "dctbench store info --store server.sqlite --format json"),
)
@store_option
@format_option
@version_option
def command(store: str, output_format: str) -> int:
    """Show where the store is, how large it is, and what it holds."""
    from dctbench.store.checking import store_info  # noqa: PLC0415 - SQLAlchemy

    with open_store(store) as opened:
        found = store_info(opened)
    record = asdict(found)
    if output_format in ("table", "md"):
        health = "yes" if found.whole else "damaged: dctbench store check"
        record |= {"bytes": format_size(found.bytes), "whole": health}
    upright = [{"": key, "store": value} for key, value in record.items()]
    print_records(upright if output_format == "table" else [record], output_format)
    return errors.EXIT_OK
