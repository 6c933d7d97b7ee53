"""`dctbench run`: measure, store, show."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from dctbench import errors
from dctbench.cli.options import axes
from dctbench.cli.options.baselines import save_baseline_option
from dctbench.cli.options.click_ext import CONTEXT, Command, Flag, format_option, store_option, version_option
from dctbench.spec.suites import MAX_ROUNDS
from dctbench.text.parse import parse_duration

PROGRESS = ("auto", "live", "plain", "none")
_STORED, _SHOWN = "What is stored", "What is shown"


@click.command(
    "run",
    cls=Command,
    context_settings=CONTEXT,
    examples=(
        "dctbench run --seq 512..8192 --impl sdpa,dct-x --ratio 4,8",
        "dctbench run --suite quick --dtype bf16 --label laptop --dry-run",
    ),
)
@axes.axis_options("quick")
@click.option(
    "--rounds",
    cls=Flag,
    section=axes.HOW,
    type=click.IntRange(1, MAX_ROUNDS),
    metavar="N",
    help="Processes per case; the suite's when not given (quick: 3).",
)
@click.option(
    "--cache",
    cls=Flag,
    section=axes.HOW,
    type=click.Choice(("warm", "cold")),
    help="What the last-level cache holds when a call begins; what is usual on the device when not given.",
)
@click.option(
    "--isolation",
    cls=Flag,
    section=axes.HOW,
    type=click.Choice(("auto", "zygote", "fresh")),
    default="auto",
    show_default=True,
    help="How a case gets its process: forked from one that has imported torch, or fresh.",
)
@click.option(
    "--case-timeout", cls=Flag, section=axes.HOW, metavar="TIME", help="End a case after this long: 120s, 2m."
)
@click.option("--budget", cls=Flag, section=axes.HOW, metavar="TIME",
              help="Take about this long altogether: 5m. Sampling time is split by predicted cost.")  # fmt: skip
@click.option("--no-prune", cls=Flag, section=axes.HOW, is_flag=True,
              help="Try longer lengths even after one ran out of memory or time.")  # fmt: skip
@click.option("--dry-run", cls=Flag, section=axes.HOW, is_flag=True, help="Print the plan and an estimate, no more.")
@click.option("--label", cls=Flag, section=_STORED, metavar="TEXT", help="A name for the run, for list and report.")
@save_baseline_option(_STORED)
@click.option("--resume", cls=Flag, section=_STORED, metavar="[RUN]", is_flag=False, flag_value="",
              help="Go on with an unfinished run, by default the latest; takes no axis flags.")  # fmt: skip
@click.option("--retry-failed", cls=Flag, section=_STORED, is_flag=True,
              help="With --resume: try errors and timeouts again, too.")  # fmt: skip
@click.option("--progress", cls=Flag, section=_SHOWN, type=click.Choice(PROGRESS), default="auto", show_default=True,
              help="How progress is shown, on standard error.")  # fmt: skip
@click.option("-q", "--quiet", cls=Flag, section=_SHOWN, is_flag=True, help="The same as --progress none.")
@store_option
@format_option
@version_option
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> int:
    """Measure attentions over a sweep of lengths and compression ratios, and store every result.

    Without flags the suite `quick` runs: a first look that takes a minute or two.
    """
    from dctbench.app import run  # SQLAlchemy comes with it, and help must answer at once

    if flags["resume"] is not None:
        _refuse_axes(ctx)
        return run.resume(flags)
    if flags["retry_failed"] and ctx.get_parameter_source("retry_failed") is ParameterSource.COMMANDLINE:
        raise errors.UsageError("--retry-failed is for a run that is resumed", hint="add --resume, or --resume RUN")
    settings: dict[str, Any] = {
        "prune": not flags["no_prune"],
        "isolation": flags["isolation"],
        "cache": flags["cache"],
    }
    if flags["rounds"] is not None:
        settings["rounds"] = flags["rounds"]
    if flags["budget"] is not None:
        settings["budget"] = parse_duration(flags["budget"], "--budget")
    if flags["case_timeout"] is not None:
        settings["case_timeout"] = parse_duration(flags["case_timeout"], "--case-timeout")
    return run.start(axes.suite_from_flags(flags, **settings), {**flags, "retry_failed": False})


def _refuse_axes(ctx: click.Context) -> None:
    allowed = {"resume", "retry_failed", "save_baseline", "store", "output_format", "progress", "quiet"}
    for name in ctx.params:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in allowed:
            raise errors.UsageError(
                f"--{name.replace('_', '-')} cannot be combined with --resume: a resumed run keeps its own plan",
                hint="leave it out, or start a new run without --resume",
            )
