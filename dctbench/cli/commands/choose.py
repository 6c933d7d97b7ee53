"""`dctbench choose`: which attention to ship at a length, within budgets, from stored results."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import click

from dctbench import errors
from dctbench.analysis.budgets import USUAL_MISS_RATE
from dctbench.app.choose import NothingMeasuredError, choose
from dctbench.app.requests import ChooseRequest
from dctbench.cli.options import completion
from dctbench.cli.options.axes import axis_values
from dctbench.cli.options.budgets import budget_options, budgets_of
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    Flag,
    format_option,
    progress_option,
    store_option,
    version_option,
    was_typed,
    without_defaults,
)
from dctbench.cli.tables.choice import print_choice
from dctbench.cli.terminal.progress import Display
from dctbench.cli.terminal.streams import outlive_readers, typed_command
from dctbench.spec.accuracy import parse_floors
from dctbench.spec.grid import SEQ_LEN, parse_axis
from dctbench.store import masked
from dctbench.text.format import format_proportion
from dctbench.text.parse import parse_points

_WHAT = "What to decide"
_MISS_RATE = format_proportion(USUAL_MISS_RATE)
_FILTERS = ("device", "dtype", "scope", "mode", "engine", "batch", "heads", "head_dim", "threads", "input", "model",
            "period", "deadline", "ranks")  # fmt: skip

_OF_LAYERS = ("reference", "min_accuracy", "task")
"""What is for layers alone: a model has itself as its reference, and an evaluation of its own."""


@click.command(
    "choose",
    cls=Command,
    context_settings=CONTEXT,
    examples=(
        "dctbench choose --seq 4096 --max-memory 64MiB --min-accuracy mnist1d=sdpa-2pt",
        "dctbench choose --seq 6000 --max-error 5% --measure",
    ),
)
@click.argument("run", required=False, metavar="[RUN]", shell_complete=completion.runs)
@click.option("--seq", cls=Flag, section=_WHAT, required=True, metavar="N", help="The sequence length to decide for.")
@click.option("--device", cls=Flag, section=_WHAT, metavar="NAME", shell_complete=completion.axis("device"),
              help="Only results of this device.")  # fmt: skip
@click.option("--dtype", cls=Flag, section=_WHAT, metavar="NAME", shell_complete=completion.axis("dtype"),
              help="Only results of this dtype.")  # fmt: skip
@click.option("--scope", cls=Flag, section=_WHAT, metavar="NAME", shell_complete=completion.axis("scope"),
              help="Only results of this scope.")  # fmt: skip
@click.option("--mode", cls=Flag, section=_WHAT, metavar="NAME", shell_complete=completion.axis("mode"),
              help="Only results of this mode.")  # fmt: skip
@click.option("--engine", cls=Flag, section=_WHAT, metavar="NAME", shell_complete=completion.axis("engine"),
              help="Only results of this engine.")  # fmt: skip
@click.option("--batch", cls=Flag, section=_WHAT, metavar="N", help="Only results of this batch size.")
@click.option("--heads", cls=Flag, section=_WHAT, metavar="N", help="Only results of this number of heads.")
@click.option("--head-dim", cls=Flag, section=_WHAT, metavar="N", help="Only results of this width of a head.")
@click.option("--threads", cls=Flag, section=_WHAT, metavar="N", help="Only results of this number of threads.")
@click.option("--input", cls=Flag, section=_WHAT, metavar="NAME", shell_complete=completion.axis("input"),
              help="Only results of this input.")  # fmt: skip
@click.option(
    "--model",
    cls=Flag,
    section=_WHAT,
    metavar="TARGET",
    shell_complete=completion.axis("model"),
    help="Decide for this model, by its speed and its evaluation: minilm, or as with run.",
)
@click.option("--ranks", cls=Flag, section=_WHAT, metavar="N", help="Only results of this number of ranks.")
@click.option("--period", cls=Flag, section=_WHAT, metavar="TIME", help="Only results of this period of calls: 20ms.")
@click.option("--deadline", cls=Flag, section=_WHAT, metavar="TIME",
              help="Only results of this deadline, such as 10ms. At most --max-miss-rate of the calls (default: 1%) "
                   "may miss it.")  # fmt: skip
@click.option("--reference", cls=Flag, section=_WHAT, metavar="IMPL", shell_complete=completion.axis("impl"),
              help="The implementation that ratios refer to.")  # fmt: skip
@budget_options
@click.option(
    "--min-accuracy",
    cls=Flag,
    section="Budgets",
    multiple=True,
    metavar="TASK=SHARE",
    help="Accuracy of stored trainings: at most 2 points below sdpa, as mnist1d=sdpa-2pt; or mnist1d=90%.",
)
@click.option(
    "--task",
    cls=Flag,
    section="Budgets",
    multiple=True,
    metavar="NAMES",
    shell_complete=completion.axis("task"),
    help="The same as --min-accuracy TASK=sdpa-2pt for each task.",
)
@click.option(
    "--max-loss",
    cls=Flag,
    section="Budgets",
    metavar="POINTS",
    help="With --model: the most that each figure of its evaluation may lose, 2pt by default.",
)
@click.option(
    "--measure", cls=Flag, section=_WHAT, is_flag=True, help="Measure this length now, and answer from the new run."
)
@progress_option(_WHAT, "How progress is shown with --measure.")
@store_option
@format_option
@version_option
def command(run: str | None, seq: str, measure: bool, store: str, output_format: str, **flags: Any) -> int:
    """Recommend an attention for a length, within budgets, and show the results behind it.

    The answer comes from RUN or, by default, from the latest run that measured the length. Runs that took turns with a
    base are used only if there is no other. Exit 3 when no method can be recommended. With --model it tells whether
    the model is better off with another attention, or should keep its own.

    RUN is an id or the start of one, latest, latest~1, a label, a baseline's name, or an exported file.
    """
    outlive_readers()
    measure = measure and (run is None or was_typed("measure"))
    flags = without_defaults(flags, *(("max_loss",) if flags["model"] is None else _OF_LAYERS), *_sweeps(flags))
    if measure and flags["period"] is None and flags["deadline"] is None:
        flags = without_defaults(flags, "max_miss_rate")
    budgets = budgets_of(flags, usual_miss_rate=None if flags["deadline"] is None else _MISS_RATE)
    request = ChooseRequest(
        seq_len=_one_length(seq),
        axes=axis_values({axis: flags[axis] for axis in _FILTERS}),
        reference=flags["reference"],
        budgets=budgets,
        floors=parse_floors(flags["min_accuracy"], flags["task"]),
        max_loss=None if flags["max_loss"] is None else parse_points(flags["max_loss"], "--max-loss"),
        run=run,
        measure=measure,
        store=store,
        command=typed_command(),
    )
    try:
        with Display(flags["progress"]) as display:
            outcome = choose(request, display)
    except NothingMeasuredError as error:
        raise errors.CannotJudgeError(error.message, hint=_command_that_measures(measure)) from None
    print_choice(outcome, request, output_format)
    return outcome.exit_code


def _sweeps(flags: Mapping[str, Any]) -> list[str]:
    """Return the axes with several values: as a default they are for the sweeps of other commands."""
    axes = axis_values({axis: flags[axis] for axis in _FILTERS})
    return [axis for axis, values in axes.given.items() if len(values) > 1]


def _one_length(text: str) -> int:
    values = parse_axis(text, SEQ_LEN)
    if len(values) != 1:
        raise errors.UsageError(f"--seq {text!r}: choose decides for one length at a time", hint="such as --seq 4096")
    return int(values[0])


def _command_that_measures(measured: bool) -> str:
    """Return the command that was typed, with --measure and without RUN.

    If it has measured already, measuring again would not help: return the command that shows the failed cases.
    """
    context = click.get_current_context()
    if measured:
        return "see dctbench list cases"
    words = ["dctbench", "choose"]
    for option in context.command.params:
        assert option.name is not None
        if was_typed(option.name) and isinstance(option, click.Option):
            given = context.params[option.name]
            for value in given if option.multiple else [given]:
                words += [option.opts[0], masked(str(value))]
    return f"measure it: {shlex.join([*words, '--measure'])}"
