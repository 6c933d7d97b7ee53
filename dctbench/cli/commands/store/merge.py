"""`dctbench store merge`: copy everything in other stores into one."""

from __future__ import annotations

import click

from dctbench import errors
from dctbench.cli.commands.store.copying import baselines_option, copy_stores
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    Flag,
    complete_path,
    format_option,
    unused_store_option,
    version_option,
)


@click.command(
    "merge",
    cls=Command,
    context_settings=CONTEXT,
    examples=(
        "dctbench store merge laptop.sqlite server.sqlite --into all.sqlite",
        "dctbench store merge damaged.sqlite --into new.sqlite --baselines",
    ),
)
@click.argument("stores", nargs=-1, required=True, metavar="STORE|URL ...", shell_complete=complete_path)
@click.option("--into", cls=Flag, metavar="STORE", help="The target; created when it does not exist.")
@baselines_option
@unused_store_option
@format_option
@version_option
def command(stores: tuple[str, ...], into: str | None, baselines: bool, output_format: str) -> int:
    """Copy everything in other stores into one. Merging a store twice stores nothing twice.

    Of a damaged store, every intact record is copied, and the command exits with 5.
    """
    if into is None:
        raise errors.UsageError("merge needs a store to merge into", hint="add --into all.sqlite")
    copy_stores(stores, into, output_format, baselines=baselines)
    return errors.EXIT_OK
