"""`dctbench list metrics`: what is measured of a case."""

from __future__ import annotations

import click

from dctbench import catalog, errors
from dctbench.cli.commands.list.printing import print_list
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, unused_store_option, version_option


@click.command(
    "metrics",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench list metrics", "dctbench list metrics --format csv"),
)
@unused_store_option
@format_option
@version_option
def command(output_format: str) -> int:
    """List the metrics: what is measured of a case, and in which unit."""
    records = [{"name": m.name, "unit": m.unit, "summary": m.summary} for m in catalog.metrics().values()]
    print_list(records, output_format, "metrics")
    return errors.EXIT_OK
