"""`dctbench list runs`: the runs of a store."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import click

from dctbench import errors
from dctbench.cli.commands.list.printing import print_list
from dctbench.cli.options.click_ext import CONTEXT, Command, format_option, store_option, version_option
from dctbench.cli.tables.damage import refuse_damage
from dctbench.store import open_store

if TYPE_CHECKING:
    from dctbench.store import RunState


@click.command(
    "runs",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench list runs", "dctbench list runs --store server.sqlite --format json"),
)
@store_option
@format_option
@version_option
def command(store: str, output_format: str) -> int:
    """List the stored runs, in the order in which they arrived in the store."""
    with open_store(store) as opened:
        damage: list[str] = []
        baselines = opened.baselines(damage)
        states = opened.runs(damage)
        records = [
            {
                "run": state.run.short_id,
                "started": state.run.started_at[:19].replace("T", " "),
                "suite": state.run.suite,
                "results": _progress(state),
                "failed": state.failed,
                "baselines": [baseline.name for baseline in baselines if baseline.run_id == state.run.id],
                "label": state.run.label,
            }
            for state in states
        ]
        name = opened.name
    print_list(records, output_format, "runs")
    if any(later.run.started_at < earlier.run.started_at for earlier, later in pairwise(states)):
        click.echo(
            "the runs are in the order of their arrival here, which is not that of their starts: runs were merged or "
            "imported, or a clock was wrong",
            err=True,
        )
    refuse_damage(name, damage)
    return errors.EXIT_OK


def _progress(state: RunState) -> str:
    """`30 of 36`, and which shards these are; of a check, which measures until it can judge, the number of results."""
    if state.run.is_check:
        return str(state.stored)
    shards = state.run.settings.shard
    return f"{state.stored} of {state.planned}" + ("" if shards is None else f" (shard {shards})")
