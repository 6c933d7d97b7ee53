"""`dctbench store prune`: remove old runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dctbench import errors
from dctbench.cli.options.click_ext import CONTEXT, Command, Flag, format_option, store_option, version_option
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.streams import outlive_readers
from dctbench.store import open_store
from dctbench.text.format import pluralize
from dctbench.text.parse import parse_age

if TYPE_CHECKING:
    from dctbench.store import RunState, Store

_REMOVED = "What is removed"


@click.command(
    "prune",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench store prune --keep 20", "dctbench store prune --older-than 30d --yes"),
)
@click.option("--keep", cls=Flag, section=_REMOVED, type=click.IntRange(0), metavar="N", help="Keep the latest N runs.")
@click.option("--older-than", cls=Flag, section=_REMOVED, metavar="AGE", help="Remove only older runs: 30d, 12h.")
@click.option("--unfinished", cls=Flag, section=_REMOVED, is_flag=True,
              help="Also remove runs that are being measured, could be resumed, or wait for shards.")  # fmt: skip
@click.option("-y", "--yes", cls=Flag, section=_REMOVED, is_flag=True, help="Do not ask.")
@store_option
@format_option
@version_option
def command(
    keep: int | None, older_than: str | None, unfinished: bool, yes: bool, store: str, output_format: str
) -> int:
    """Remove old runs: all but the latest (--keep), those of an age (--older-than), or those that are both.

    A run that a baseline points to stays: see `dctbench store forget`.
    """
    from dctbench.store.pruning import removable, remove_runs, split_by_baseline  # noqa: PLC0415 - SQLAlchemy

    outlive_readers()  # the runs are removed whether or not somebody reads which ones
    if keep is None and older_than is None:
        raise errors.UsageError("prune needs --keep, --older-than or both", hint="such as --keep 10")
    age = None if older_than is None else parse_age(older_than, "--older-than")
    with open_store(store) as opened:
        states = opened.runs()
        candidates = removable(states, keep=keep, older_than=age, unfinished=unfinished)
        old, named = split_by_baseline(candidates, opened.baselines())
        if named:
            click.echo(
                f"{pluralize(len(named), 'run')} kept, since a baseline points there: see dctbench list runs, "
                "and dctbench store forget NAME",
                err=True,
            )
        if old or output_format != "table":
            print_records([_record(state) for state in old], output_format)
        if not old:
            click.echo("nothing to remove", err=True)
            return errors.EXIT_OK
        if not yes and not _confirmed(old, opened):
            click.echo("nothing was removed", err=True)
            return errors.EXIT_OK
        remove_runs(opened, [state.run.id for state in old])
        click.echo(f"removed {pluralize(len(old), 'run')}, {len(states) - len(old)} left in {opened.name}", err=True)
    return errors.EXIT_OK


def _record(state: RunState) -> dict[str, str | None]:
    return {
        "run": state.run.short_id,
        "started": state.run.started_at[:19].replace("T", " "),
        "suite": state.run.suite,
        "results": f"{state.stored} of {state.planned}",
        "label": state.run.label,
    }


def _confirmed(old: Sequence[RunState], store: Store) -> bool:
    """Ask whether to remove the runs.

    Raises:
        UsageError: when nobody can answer, as in a job of cron.
    """
    results = sum(state.stored for state in old)
    question = f"Remove {pluralize(len(old), 'run')} with {results} results from {store.name}?"
    unanswered = errors.UsageError("nothing was removed: nobody answered the question", hint="add --yes")
    if sys.stdin is None:
        raise unanswered
    try:
        return click.confirm(question, err=True)
    except click.Abort as error:  # click says so of Ctrl-C, too
        if isinstance(error.__context__, EOFError):
            click.echo(err=True)  # ends the line of the question
            raise unanswered from None
        raise
