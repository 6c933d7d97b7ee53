"""`dctbench list suites`: the shipped suites."""

from __future__ import annotations

import click

from dctbench import errors
from dctbench.cli.commands.list.printing import print_list
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, unused_store_option, version_option
from dctbench.spec import suites


@click.command(
    "suites",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench list suites", "dctbench list suites --format md"),
)
@unused_store_option
@format_option
@version_option
def command(output_format: str) -> int:
    """List the shipped suites, each a sweep that `run --suite NAME` measures."""
    records = [{"name": name, "summary": suites.load(name).description} for name in suites.shipped()]
    print_list(records, output_format, "suites")
    return errors.EXIT_OK
