"""What becomes of damaged records of a store: everything else is shown first, then they are named."""

from __future__ import annotations

from collections.abc import Sequence

import click

from dctbench.store import DamagedError
from dctbench.text.format import pluralize
from dctbench.text.sanitize import sanitize_text


def refuse_damage(store: str, damage: Sequence[str]) -> None:
    """Name the records that were left out, if there are any.

    Args:
        store: its location, without a password.
        damage: a description of each.

    Raises:
        DamagedError: when there are any.
    """
    for text in dict.fromkeys(damage):
        click.echo(f"left out: {sanitize_text(text)}", err=True)
    if damage:
        raise DamagedError(f"store {store}: {pluralize(len(dict.fromkeys(damage)), 'damaged record')} left out")
