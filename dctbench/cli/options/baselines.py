"""`--save-baseline`: give the run that was just measured a name that later checks can refer to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from dctbench.cli.options import completion
from dctbench.cli.options.click_ext import Flag, Function
from dctbench.cli.terminal.streams import typed
from dctbench.store import checked_baseline_name

if TYPE_CHECKING:
    from dctbench.app.baselines import SavedBaseline


def save_baseline_option(section: str, *, when: str, needs: str = "") -> Callable[[Function], Function]:
    """Add `--save-baseline`.

    Args:
        section: the heading of the help that lists it.
        when: the condition, for the help.
        needs: another flag without which it is refused, for the help.
    """
    return click.option(
        "--save-baseline", cls=Flag, section=section, metavar="NAME", callback=_checked,
        shell_complete=completion.baselines,
        help=f"{when}, save the run as the baseline of this name{needs and f' (only with {needs})'}.",
    )  # fmt: skip


def _checked(ctx: click.Context, option: click.Parameter, name: str | None) -> str | None:
    """Refuse a bad name before anything is measured, not hours later."""
    return None if name is None else checked_baseline_name(typed(name))


def print_saved(saved: SavedBaseline | None) -> None:
    """Print on standard error what became of a baseline that was asked for."""
    if saved is None:
        return
    if saved.refused is not None:
        click.echo(f"baseline {saved.name!r} was not saved: {saved.refused}", err=True)
        return
    click.echo(f"baseline {saved.name!r} points to run {saved.run.short_id}", err=True)
    if saved.hidden_by is not None:
        click.echo(
            f"warning: {saved.name!r} is also the id or label of run {saved.hidden_by.short_id}, and means that run\n"
            "  save the baseline under another name",
            err=True,
        )
