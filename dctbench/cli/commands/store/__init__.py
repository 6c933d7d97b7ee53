"""`dctbench store`: look after a store, whatever it holds: its size, its health, old runs, copies of it."""

from __future__ import annotations

import click

from dctbench.cli.options.click_ext import version_option
from dctbench.cli.options.groups import LazyCommand, LazyGroup

_INSPECT, _REMOVE, _COPY = "Inspect", "Remove", "Copy"
_COMMANDS = {
    "info": LazyCommand(f"{__name__}.info", "Where the store is, how large, and what it holds.", _INSPECT),
    "check": LazyCommand(f"{__name__}.check", "Check every record against its hash.", _INSPECT),
    "prune": LazyCommand(f"{__name__}.prune", "Remove old runs.", _REMOVE),
    "forget": LazyCommand(f"{__name__}.forget", "Remove the name of a baseline; its run stays.", _REMOVE),
    "merge": LazyCommand(f"{__name__}.merge", "Copy everything in other stores into one.", _COPY),
    "push": LazyCommand(f"{__name__}.push", "Send a local store to a PostgreSQL server.", _COPY),
}
_EXAMPLES = ("dctbench store check", "dctbench store merge laptop.sqlite server.sqlite --into all.sqlite")


@click.group("store", cls=LazyGroup, commands=_COMMANDS, examples=_EXAMPLES)
@version_option
def command() -> None:
    """Look after a store: inspect it, remove what is old, copy it."""
