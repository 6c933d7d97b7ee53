"""`dctbench store push`: send a local store to a server."""

from __future__ import annotations

from pathlib import Path

import click

from dctbench import errors
from dctbench.cli.commands.store.copying import baselines_option, copy_stores
from dctbench.cli.options.click_ext import CONTEXT, EVERYWHERE, Command, Flag, format_option, version_option, was_typed
from dctbench.store import is_url, masked


@click.command(
    "push",
    cls=Command,
    context_settings=CONTEXT,
    examples=(
        "dctbench store push postgresql://bench@db.example.org/results",
        "dctbench store push postgresql://bench@db.example.org/results --store laptop.sqlite",
    ),
)
@click.argument("url", metavar="URL")
@baselines_option
@click.option("--store", cls=Flag, section=EVERYWHERE, metavar="PATH|URL",
              help="The store to send (default: the outbox).")  # fmt: skip
@format_option
@version_option
def command(url: str, baselines: bool, store: str | None, output_format: str) -> int:
    """Send a local store to a PostgreSQL server.

    Without --store, send the outbox: the results of runs whose server could not be reached, and the baselines that they
    saved. Without an outbox there is nothing to send. The outbox stays: remove it once it is sent.
    """
    from dctbench.store.outbox import OUTBOX  # noqa: PLC0415 - SQLAlchemy

    if not is_url(url):
        raise errors.UsageError(
            f"{masked(url)!r} is not a URL to push to", hint="to copy into a local store: dctbench store merge"
        )
    typed = was_typed("store")  # a default for all commands names another
    source = store if typed and store is not None else OUTBOX
    sources = [source] if typed or Path(source).exists() else []
    if not sources:
        click.echo(f"no run has left an outbox ({source})", err=True)
    copy_stores(sources, url, output_format, baselines=baselines or not typed)
    if sources == [OUTBOX]:  # not removed here: a run that began while the server was down may still write to it
        click.echo(
            f"  once no run writes to the outbox, remove it, since another push brings pruned runs back: rm {OUTBOX}",
            err=True,
        )
    return errors.EXIT_OK
