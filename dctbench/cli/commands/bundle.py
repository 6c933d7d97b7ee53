"""`dctbench bundle`: export the cases of a suite for a target without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dctbench import errors
from dctbench.app.bundle import bundle
from dctbench.app.requests import RunRequest
from dctbench.cli.options.axes import HOW, WHAT, axis_options, axis_values, chosen_suite
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    Flag,
    progress_option,
    unused_format_option,
    unused_store_option,
    version_option,
)
from dctbench.cli.terminal.progress import Display
from dctbench.cli.terminal.streams import outlive_readers, typed
from dctbench.model import FAILED
from dctbench.spec.suites import MAX_ROUNDS, MAX_SAMPLES_ASKED
from dctbench.text.format import pluralize


@click.command(
    "bundle",
    cls=Command,
    context_settings=CONTEXT,
    examples=(
        "dctbench bundle --suite realtime -o bundle",
        "dctbench bundle --impl sdpa,dct-x --ratio 4 --seq 1024 --engine onnxruntime,onnxruntime-int8 -o bundle",
    ),
)
@axis_options("realtime")
@click.option("-o", "--output", cls=Flag, section=WHAT, required=True, metavar="FOLDER", help="A new folder.")
@click.option("--rounds", cls=Flag, section=HOW, type=click.IntRange(1, MAX_ROUNDS), metavar="N",
              help="Processes per case, unless run.py is told otherwise (default: the suite's).")  # fmt: skip
@click.option("--samples", cls=Flag, section=HOW, type=click.IntRange(1, MAX_SAMPLES_ASKED), metavar="N",
              help="The least samples of a case over all rounds, and its calls on a schedule.")  # fmt: skip
@click.option("--label", cls=Flag, section=WHAT, metavar="TEXT", help="A name for the runs of the bundle.")
@progress_option(HOW)
@unused_store_option
@unused_format_option
@version_option
def command(**flags: Any) -> int:
    """Export models, inputs and a program that measures them on a target without torch.

    On the target, `python run.py` needs numpy and onnxruntime. It writes results.json, which `dctbench import` reads.
    """
    outlive_readers()
    request = RunRequest(
        suite=chosen_suite(flags),
        axes=axis_values(flags),
        rounds=flags["rounds"],
        samples=flags["samples"],
        label=typed(flags["label"] or ""),
    )
    with Display(flags["progress"]) as display:
        made = bundle(request, Path(flags["output"]), display)
    labels = made.labels
    for case, one in made.left_out:
        click.echo(f"warning: {labels.curve(case)} at n = {case.seq_len} is left out: {one.message}", err=True)
    click.echo(f"{made.folder} holds {pluralize(len(made.cases), 'case')}")
    click.echo("  on the target: pip install numpy onnxruntime; python run.py", err=True)
    click.echo("  then here: dctbench import results.json", err=True)
    return errors.EXIT_CASES_FAILED if any(one.status in FAILED for _, one in made.left_out) else errors.EXIT_OK
