"""`dctbench list impls`: the implementations of attention."""

from __future__ import annotations

import click

from dctbench import catalog, errors
from dctbench.cli.commands.list.printing import print_list
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, unused_store_option, version_option


@click.command(
    "impls",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench list impls", "dctbench list impls --format json"),
)
@unused_store_option
@format_option
@version_option
def command(output_format: str) -> int:
    """List the implementations of attention: exact ones, approximations and controls."""
    records = [
        {
            "name": entry.name,
            "kind": entry.kind.value,
            "keeps": entry.kept_means if entry.uses_ratio else None,
            "kept": entry.default_kept,
            "error": entry.error_means.value,
            "scopes": " ".join(entry.scopes),
            "source": entry.source,
            "summary": entry.summary,
        }
        for entry in catalog.implementations().values()
    ]
    print_list(records, output_format, "implementations", hidden=("scopes", "error"))
    return errors.EXIT_OK
