"""Flags about what an output tells of the machine and the user: `--host-label` and `--anonymous`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from dctbench.cli.options.click_ext import Flag
from dctbench.cli.terminal.streams import typed
from dctbench.errors import UsageError
from dctbench.text.sanitize import sanitize_text

_Function = TypeVar("_Function", bound=Callable[..., object])
_LONGEST = 200


def host_label_option(section: str) -> Callable[[_Function], _Function]:
    """`--host-label`, under that heading of the help."""
    return click.option(
        "--host-label", cls=Flag, section=section, metavar="TEXT", envvar="DCTBENCH_HOST_LABEL", show_envvar=True,
        callback=_label,
        help="What to show in place of this machine's name (default: its GPUs, CPU and part of the fingerprint).",
    )  # fmt: skip


def anonymous_option(section: str) -> Callable[[_Function], _Function]:
    """`--anonymous`, under that heading of the help."""
    return click.option(
        "--anonymous", cls=Flag, section=section, is_flag=True, help="Leave out host, user, paths and command."
    )


def _label(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    label = " ".join(sanitize_text(typed(value or "")).split())
    if len(label) > _LONGEST:
        raise UsageError(f"--host-label has {len(label)} characters", hint=f"use at most {_LONGEST}")
    return label or None
