"""Copy stores into another one and print what became of it, for `merge` and `push`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from dctbench.cli.options.click_ext import Flag
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.streams import outlive_readers
from dctbench.store import DamagedError, open_store
from dctbench.text.format import pluralize

if TYPE_CHECKING:
    from dctbench.store.merging import MergeSummary, ShardedRun

baselines_option = click.option(
    "--baselines", cls=Flag, is_flag=True, help="Copy baselines, too; one that was saved later replaces its namesake."
)


def copy_stores(sources: Sequence[str], target: str, output_format: str, *, baselines: bool) -> None:
    """Copy everything that is intact in the sources into the target, which is created when it does not exist.

    Args:
        sources, target: locations of stores.
        output_format: how the counts are printed.
        baselines: whether to copy baselines, too.

    Raises:
        DamagedError: after copying, when a source held damaged records.
        StoreError: when a store cannot be read or written.
    """
    from dctbench.store.merging import merge  # noqa: PLC0415 - SQLAlchemy

    outlive_readers()  # the exit code tells of damage whether or not somebody reads it
    with ExitStack() as opened:
        stores = [opened.enter_context(open_store(location)) for location in sources]
        into = opened.enter_context(open_store(target, create=True))
        done = merge(stores, into, baselines=baselines)
    if output_format != "table":
        print_records([asdict(done)], output_format)
    _print_counts(done, into.name)
    if done.damaged:
        raise DamagedError(
            f"{pluralize(done.left_out, 'result')} could not be copied: "
            f"{pluralize(len(done.damaged), 'damaged record')} found",
            hint=f"everything else is in {into.name}",
        )


def _print_counts(done: MergeSummary, target: str) -> None:
    parts = [f"{done.results} results of {pluralize(done.runs, 'run')} are new in {target}"]
    parts += [f"{done.replaced} replaced worse ones"] if done.replaced else []
    parts += [f"{done.seen - done.results - done.replaced - done.differing} were there already"]
    click.echo(", ".join(parts), err=True)
    if done.differing:
        left_out = pluralize(done.differing, "result")
        click.echo(f"{left_out} left out: {target} has another one of the same case and round", err=True)
    if done.calibrations_ignored:
        left_out = pluralize(done.calibrations_ignored, "calibration")
        click.echo(f"{left_out} left out: {target} has another one of the same device", err=True)
    if done.baselines:
        click.echo(f"{pluralize(done.baselines, 'baseline')} set", err=True)
    if done.baselines_ignored:
        click.echo(f"{pluralize(done.baselines_ignored, 'baseline')} not copied: add --baselines", err=True)
    for run in done.sharded:
        click.echo(_shards_words(run), err=True)
    for text in done.damaged:
        click.echo(f"left out: {text}", err=True)


def _shards_words(run: ShardedRun) -> str:
    name = f"run {run.id[:8]} ({run.label})"
    if run.shards is None:
        text = f"{name} is whole: all its shards are here"
    else:
        numbers, _, of = run.shards.partition("/")
        text = f"{name}: of its {of} shards, {numbers.replace(',', ', ')} {'are' if ',' in numbers else 'is'} here"
    if run.machines > 1:
        text += (
            f"; they ran in {run.machines} environments, whose latencies are never compared: the report has a part "
            "for each"
        )
    return text
