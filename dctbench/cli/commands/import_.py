"""`dctbench import`: store the run of a result file."""

from __future__ import annotations

import shlex

import click

from dctbench import errors
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    complete_path,
    store_option,
    unused_format_option,
    version_option,
)
from dctbench.importers import read_file
from dctbench.store import masked, open_store, store_flags
from dctbench.text.format import pluralize


@click.command(
    "import",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench import baseline.json", "dctbench import .benchmarks/0001_unsaved.json --store other.sqlite"),
)
@click.argument("file", metavar="FILE", shell_complete=complete_path)
@store_option
@unused_format_option
@version_option
def command(file: str, store: str) -> int:
    """Store the run of FILE under its own id: of `dctbench export json`, a bundle, or pytest --benchmark-json.

    The whole file is checked before anything is stored. Importing it twice stores it once. Benchmarks of pytest
    must give their `implementation` and `seq_len` in params or extra_info; what else they leave out is named.
    """
    from dctbench.store.importing import import_run  # noqa: PLC0415 - SQLAlchemy

    run, environments, results, assumed = read_file(file)

    with open_store(store, create=True) as opened:
        new, replaced = import_run(opened, run, list(environments.values()), results)
        name = opened.name
    count = pluralize(len(results), "result")
    stored = count if new == len(results) else f"{count}, {new or 'none'} of them new"
    stored += f", {replaced} replaced worse ones" if replaced else ""
    click.echo(f"run {run.short_id} is in {name}: {stored}")
    if assumed:
        values = ", ".join(f"{field} {value}" for field, value in assumed.items())
        click.echo(f"  not stated by every benchmark, and then taken as: {values}", err=True)
    if run.settings.anonymous:
        click.echo("  it is anonymous: host, user, paths and command were left out", err=True)
    following = shlex.join(["dctbench", "report", run.short_id, *store_flags(masked(store))])
    click.echo(f"  next: {following}", err=True)
    return errors.EXIT_OK
