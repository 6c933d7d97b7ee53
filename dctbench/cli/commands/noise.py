"""`dctbench noise`: how noisy this machine is, and which tolerance a gate needs."""

from __future__ import annotations

from typing import Any

import click

from dctbench.app.noise import measure_noise
from dctbench.app.requests import NoiseRequest
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    Flag,
    format_option,
    progress_option,
    store_option,
    version_option,
)
from dctbench.cli.tables.noise import print_noise
from dctbench.cli.terminal.progress import Display
from dctbench.cli.terminal.streams import outlive_readers, typed_command
from dctbench.compare.noise import LEAST_PAIRS
from dctbench.spec import suites

_HOW = "How to measure"


@click.command(
    "noise",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench noise", "dctbench noise --rounds 30 --format json"),
)
@click.option(
    "--rounds",
    cls=Flag,
    section=_HOW,
    type=click.IntRange(LEAST_PAIRS, suites.MAX_ROUNDS),
    metavar="N",
    help="Pairs of processes per case.",
)
@progress_option(_HOW)
@store_option
@format_option
@version_option
def command(rounds: int | None, **flags: Any) -> int:
    """Measure the same code against itself (A/A), in turns: how far do the sides of a check differ on this machine?"""
    outlive_readers()
    request = NoiseRequest(rounds=rounds, store=flags["store"], command=typed_command())
    with Display(flags["progress"]) as display:
        outcome = measure_noise(request, display)
    print_noise(outcome.noise, flags["output_format"])
    return outcome.exit_code
