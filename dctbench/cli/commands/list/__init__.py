"""`dctbench list`: what there is to measure, and what has been measured."""

from __future__ import annotations

import click

from dctbench.cli.options.click_ext import version_option
from dctbench.cli.options.groups import LazyCommand, LazyGroup

_WHAT, _MEASURED = "What can be measured", "What was measured"
_COMMANDS = {
    "impls": LazyCommand(f"{__name__}.impls", "Implementations of attention.", _WHAT),
    "tasks": LazyCommand(f"{__name__}.tasks", "Tasks that small models are trained on, for accuracy.", _WHAT),
    "suites": LazyCommand(f"{__name__}.suites", "Shipped suites.", _WHAT),
    "devices": LazyCommand(f"{__name__}.devices", "Devices, and which of them this machine has.", _WHAT),
    "metrics": LazyCommand(f"{__name__}.metrics", "What is measured of a case.", _WHAT),
    "runs": LazyCommand(f"{__name__}.runs", "Stored runs.", _MEASURED),
    "cases": LazyCommand(f"{__name__}.cases", "The cases of a run, and how each of them ended.", _MEASURED),
}
_EXAMPLES = ("dctbench list impls", "dctbench list cases latest --format json")


@click.group("list", cls=LazyGroup, commands=_COMMANDS, examples=_EXAMPLES)
@version_option
def command() -> None:
    """List what can be measured, and what was measured."""
