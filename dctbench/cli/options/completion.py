"""What shells complete beside commands and flags: names of the catalog, suites, formats, files, and the stored runs.

A completer returns nothing where it cannot answer, since a shell has no place for a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from dctbench import catalog
from dctbench.catalog.inputs import INPUTS
from dctbench.catalog.tasks import tasks
from dctbench.cli.options.click_ext import complete_path
from dctbench.errors import DctbenchError
from dctbench.spec import suites
from dctbench.spec.axes import WORD_AXES
from dctbench.store import is_url, open_store

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_PLAIN = re.compile(r"[\w.][\w.+-]*", re.ASCII)
"""Names that no shell splits, expands or takes for a flag. Labels of imported runs are a stranger's."""
_MOST_RUNS = 100


def names(known: Callable[[], Iterable[str]]) -> Completer:
    """Return a completer of a list of these names: of the last one after a comma."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        try:
            found = [name for name in known() if name.startswith(last)]
        except DctbenchError:  # two installed packages add one name
            return []
        return [CompletionItem(before + comma + name) for name in found]

    return complete


def axis(name: str) -> Completer:
    """Return a completer of the values of an axis of names."""
    return names(lambda: _AXES[name]() if name in _AXES else WORD_AXES[name] or ())


_AXES: dict[str, Callable[[], Iterable[str]]] = {
    "impl": catalog.implementations,
    "task": tasks,
    "device": lambda: ["cuda:0" if name == "cuda" else name for name in catalog.DEVICES],
    "model": lambda: catalog.MODELS,
    "input": lambda: INPUTS,
}


def suites_and_files(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the shipped suites or, where none begins so, paths: bash completes either names or paths."""
    shipped = [CompletionItem(name) for name in suites.shipped() if name.startswith(incomplete)]
    return shipped or complete_path(ctx, parameter, incomplete)


def runs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete what names a run: `latest`, baselines, labels and ids, the newest first; paths where none begins so.

    A server is not asked, since a shell would wait for it.
    """
    location = ctx.params.get("store")
    known = {"latest": ""} if location is None or is_url(location) else {"latest": "", **_stored(location)}
    found = [CompletionItem(name, help=about) for name, about in known.items() if name.startswith(incomplete)]
    return found or complete_path(ctx, parameter, incomplete)


def baselines(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the baselines of a store of this machine."""
    location = ctx.params.get("store")
    if location is None or is_url(location):
        return []
    try:
        with open_store(location) as store:
            saved = [baseline.name for baseline in store.baselines([])]
    except DctbenchError:
        return []
    return [CompletionItem(name) for name in saved if _PLAIN.fullmatch(name) and name.startswith(incomplete)]


def _stored(location: str) -> dict[str, str]:
    """Return the names of stored runs, each with the day of its start; empty without a store."""
    try:
        with open_store(location) as store:
            saved, states = store.baselines([]), store.runs([])
    except DctbenchError:
        return {}
    newest = [state.run for state in reversed(states)][:_MOST_RUNS]
    days = {run.id: run.started_at[:10] for run in newest}
    found = {baseline.name: days.get(baseline.run_id, "") for baseline in saved}
    for run in newest:
        found.setdefault(run.label or "", days[run.id])
    found.update({run.short_id: days[run.id] for run in newest})
    return {name: day for name, day in found.items() if _PLAIN.fullmatch(name)}
