"""`dctbench store`: the store itself, not what it says: how large, whole or not, smaller, merged, sent to a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dctbench import catalog, errors
from dctbench.cli.options.click_ext import CONTEXT, Command, Flag, format_option, store_option, version_option
from dctbench.cli.terminal.streams import typed
from dctbench.text.format import format_size, pluralize
from dctbench.text.parse import parse_duration

if TYPE_CHECKING:
    from dctbench.store import Store
    from dctbench.store.merging import MergeSummary

_PRUNE, _MERGE = "For prune", "For merge"
_DAY = 86400.0
Flags = Mapping[str, Any]


@click.command(
    "store",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench store check", "dctbench store merge laptop.sqlite server.sqlite --into all.sqlite"),
)
@click.argument("what", metavar="info|check|prune|forget|merge|push")
@click.argument("others", nargs=-1, metavar="[STORE|URL|NAME ...]")
@click.option("--keep", cls=Flag, section=_PRUNE, type=click.IntRange(0), metavar="N", help="Keep the latest N runs.")
@click.option("--older-than", cls=Flag, section=_PRUNE, metavar="AGE", help="Remove only what is older: 30d, 12h.")
@click.option("--unfinished", cls=Flag, section=_PRUNE, is_flag=True,
              help="Remove runs that could be resumed or are being measured, too.")  # fmt: skip
@click.option("-y", "--yes", cls=Flag, section=_PRUNE, is_flag=True, help="Do not ask.")
@click.option("--into", cls=Flag, section=_MERGE, metavar="STORE", help="Where everything goes; made when missing.")
@store_option
@format_option
@version_option
@click.pass_context
def command(ctx: click.Context, /, what: str, others: Sequence[str], **flags: Any) -> int:
    """Look after the store.

    \b
    info           where it is, how large, what it holds
    check          every record against its hash; ends with 5 when something is damaged
    prune          remove old runs: --keep N, --older-than 30d, or both
    forget NAME    remove a baseline's name; the run that it points to stays
    merge A B ...  copy what other stores hold into one (--into); what is whole of a damaged one, too
    push URL       send a local store to a PostgreSQL server; by default what waits in the outbox
    """
    if what not in _ACTIONS:
        raise catalog.unknown("store", what, _ACTIONS)
    action, its_flags, least, most = _ACTIONS[what]
    for name in ("keep", "older_than", "unfinished", "yes", "into"):  # a default of pyproject.toml is meant for others
        if name not in its_flags and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            flag = f"--{name.replace('_', '-')}"
            raise errors.UsageError(f"{flag} says nothing to `store {what}`", hint="see dctbench store --help")
    if not least <= len(others) <= most:
        raise errors.UsageError(f"`store {what}` takes {_COUNTS[what]}", hint="see dctbench store --help")
    return action(others, flags)


def _info(others: Sequence[str], flags: Flags) -> int:
    from dctbench.store import open_store
    from dctbench.store.checking import store_info

    with open_store(flags["store"]) as store:
        found = store_info(store)
    shown = asdict(found)
    if flags["output_format"] in ("table", "md"):
        shown |= {"bytes": format_size(found.bytes), "whole": "yes" if found.whole else "damaged: dctbench store check"}
    upright = [{"": key, "store": value} for key, value in shown.items()]
    _print(upright if flags["output_format"] == "table" else [shown], flags)
    return errors.EXIT_OK


def _check(others: Sequence[str], flags: Flags) -> int:
    from dctbench.store import DamagedError, open_store
    from dctbench.store.checking import find_damage

    with open_store(flags["store"]) as store:
        found = find_damage(store)
        name = store.name
    if flags["output_format"] != "table" or found:
        _print([{"damage": text} for text in found], flags)
    if found:
        raise DamagedError(f"store {name}: {pluralize(len(found), 'damage')} found")
    click.echo(f"{name}: every record is what was written", err=True)
    return errors.EXIT_OK


def _prune(others: Sequence[str], flags: Flags) -> int:
    from dctbench.store import open_store
    from dctbench.store.pruning import removable, remove_runs, split_by_baseline

    if flags["keep"] is None and flags["older_than"] is None:
        raise errors.UsageError("nothing says what to prune", hint="add --keep 10, --older-than 30d, or both")
    age = None if flags["older_than"] is None else _age(flags["older_than"])
    with open_store(flags["store"]) as store:
        states = store.runs()
        beyond = removable(states, keep=flags["keep"], older_than=age, unfinished=flags["unfinished"])
        old, named = split_by_baseline(beyond, store.baselines())
        if named:
            click.echo(
                f"{pluralize(len(named), 'run')} kept, since a baseline points there: see dctbench list runs, "
                "and dctbench store forget NAME",
                err=True,
            )
        records = [
            {
                "run": state.run.short_id,
                "started": state.run.started_at[:19].replace("T", " "),
                "suite": state.run.suite,
                "results": f"{state.stored} of {state.planned}",
                "label": state.run.label,
            }
            for state in old
        ]
        if records or flags["output_format"] != "table":
            _print(records, flags)
        if not old:
            click.echo("nothing to remove", err=True)
            return errors.EXIT_OK
        question = f"Remove {pluralize(len(old), 'run')} with {sum(s.stored for s in old)} results from {store.name}?"
        if not flags["yes"] and not click.confirm(question, err=True):
            click.echo("nothing was removed", err=True)
            return errors.EXIT_OK
        remove_runs(store, [state.run.id for state in old])
        click.echo(f"removed {pluralize(len(old), 'run')}, {len(states) - len(old)} left in {store.name}", err=True)
    return errors.EXIT_OK


def _forget(others: Sequence[str], flags: Flags) -> int:
    from dctbench.store import open_store
    from dctbench.store.pruning import forget_baseline

    name = typed(others[0])
    with open_store(flags["store"]) as store:
        run_id = forget_baseline(store, name)
        click.echo(f"baseline {name!r} is forgotten; run {store.state(run_id).run.short_id} stays", err=True)
    return errors.EXIT_OK


def _merge(others: Sequence[str], flags: Flags) -> int:
    if flags["into"] is None:
        raise errors.UsageError("`store merge` needs a place to merge into", hint="add --into all.sqlite")
    return _copy(others, flags["into"], flags)


def _push(others: Sequence[str], flags: Flags) -> int:
    from dctbench.store import is_url, masked
    from dctbench.store.outbox import OUTBOX

    if not is_url(others[0]):
        raise errors.UsageError(
            f"{masked(others[0])!r} is no URL to push to", hint="a local store is merged: dctbench store merge"
        )
    ctx = click.get_current_context()
    given = ctx.get_parameter_source("store") is click.core.ParameterSource.COMMANDLINE
    return _copy([flags["store"] if given else OUTBOX], others[0], flags)


def _copy(sources: Sequence[str], target: str, flags: Flags) -> int:
    from dctbench.store import DamagedError, open_store
    from dctbench.store.merging import merge

    with ExitStack() as opened:
        stores: list[Store] = [opened.enter_context(open_store(location)) for location in sources]
        into = opened.enter_context(open_store(target, create=True))
        done: MergeSummary = merge(stores, into)
    if flags["output_format"] != "table":
        _print([asdict(done)], flags)
    better = f", {done.replaced} took the place of worse ones" if done.replaced else ""
    click.echo(
        f"{done.results} results of {pluralize(done.runs, 'run')} are new in {into.name}{better}, "
        f"{done.seen - done.results - done.replaced} were there already",
        err=True,
    )
    if done.baselines:
        click.echo(f"{pluralize(done.baselines, 'baseline')} set", err=True)
    for text in done.damaged:
        click.echo(f"left out: {text}", err=True)
    if done.damaged:
        raise DamagedError(
            f"{pluralize(done.left_out, 'result')} could not be copied: {pluralize(len(done.damaged), 'damage')} found",
            hint=f"all else is in {into.name}",
        )
    return errors.EXIT_OK


def _print(records: Sequence[Mapping[str, Any]], flags: Flags) -> None:
    from dctbench.cli.tables.records import print_records

    print_records(records, flags["output_format"])


def _age(text: str) -> float:
    """Seconds of an age; days beside what every time accepts."""
    days = text.strip().removesuffix("d")
    if text.strip().endswith("d") and days.isascii() and days.isdigit():
        return int(days) * _DAY
    return parse_duration(text, "--older-than")


_ACTIONS: dict[str, tuple[Callable[[Sequence[str], Flags], int], tuple[str, ...], int, int]] = {
    "info": (_info, (), 0, 0),
    "check": (_check, (), 0, 0),
    "prune": (_prune, ("keep", "older_than", "unfinished", "yes"), 0, 0),
    "forget": (_forget, (), 1, 1),
    "merge": (_merge, ("into",), 1, 10_000),
    "push": (_push, (), 1, 1),
}
"""What each word does, the flags it listens to, and how many stores or names may follow it."""
_COUNTS = {"info": "no other store", "check": "no other store", "prune": "no other store",
           "forget": "one baseline's name", "merge": "the stores to copy from", "push": "one URL"}  # fmt: skip
