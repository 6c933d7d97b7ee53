"""`dctbench store forget`: remove the name of a baseline."""

from __future__ import annotations

import click

from dctbench import errors
from dctbench.cli.options import completion
from dctbench.cli.options.click_ext import CONTEXT, Command, store_option, unused_format_option, version_option
from dctbench.cli.terminal.streams import typed
from dctbench.store import open_store


@click.command(
    "forget",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench store forget main", "dctbench store forget release-1.2 --store server.sqlite"),
)
@click.argument("name", metavar="NAME", shell_complete=completion.baselines)
@store_option
@unused_format_option
@version_option
def command(name: str, store: str) -> int:
    """Remove the name of a baseline. The run that it points to stays."""
    from dctbench.store.pruning import forget_baseline  # noqa: PLC0415 - SQLAlchemy

    name = typed(name)
    with open_store(store) as opened:
        state = opened.progress(forget_baseline(opened, name))
    stays = "" if state is None else f"; run {state.run.short_id} stays"
    click.echo(f"baseline {name!r} is forgotten{stays}", err=True)
    return errors.EXIT_OK
