"""`dctbench run`: measure, store, show."""

from __future__ import annotations

import sys
from typing import Any, get_args

import click

from dctbench import errors
from dctbench.app.requests import ResumeRequest, RunRequest, Where, on_schedule, trains
from dctbench.app.resume import resume
from dctbench.app.run import plan, run
from dctbench.cli.options import completion
from dctbench.cli.options.axes import HOW, WHAT, axis_options, axis_values, chosen_suite
from dctbench.cli.options.baselines import print_saved, save_baseline_option
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
from dctbench.cli.options.disclosure import host_label_option
from dctbench.cli.tables.output import print_run
from dctbench.cli.tables.plan import print_plan
from dctbench.cli.terminal.progress import Display
from dctbench.cli.terminal.streams import outlive_readers, typed, typed_command
from dctbench.model import MeasuringProtocol
from dctbench.spec.suites import MAX_JOBS, MAX_ROUNDS, MAX_SAMPLES_ASKED
from dctbench.text.parse import parse_duration, parse_shard

_WHERE, _STORED, _SHOWN = "Where to measure", "What is stored", "What is shown"
_WITH_RESUME = {"resume", "retry_failed", "save_baseline", "store", "output_format", "progress", "quiet", "host_label",
                "runner", "address", "require_same_cpu", "runner_timeout"}  # fmt: skip


@click.command(
    "run",
    cls=Command,
    context_settings=CONTEXT,
    examples=(
        "dctbench run --seq 512..8192 --impl sdpa,dct-x --ratio 4,8",
        "dctbench run --suite quick --dtype bf16 --label laptop --dry-run",
    ),
)
@axis_options("quick")
@click.option("--rounds", cls=Flag, section=HOW, type=click.IntRange(1, MAX_ROUNDS), metavar="N",
              help="Processes per case (default: the suite's; quick: 3, and 6 for short cases).")  # fmt: skip
@click.option("--cache", cls=Flag, section=HOW, type=click.Choice(("warm", "cold")),
              help="What the last-level cache holds when a call begins (default: that of the device).")  # fmt: skip
@click.option("--isolation", cls=Flag, section=HOW, type=click.Choice(("auto", "zygote", "fresh")),
              help="How a case gets its process: forked from one that has imported torch, or fresh (default: the "
                   "suite's; most: auto).")  # fmt: skip
@click.option("--no-energy", cls=Flag, section=HOW, is_flag=True,
              help="Leave out the energy of a call, which takes a few seconds per case.")  # fmt: skip
@click.option("--case-timeout", cls=Flag, section=HOW, metavar="TIME",
              help="Sample a case no longer than this. End one whose call or whole training takes longer.")  # fmt: skip
@click.option("--samples", cls=Flag, section=HOW, type=click.IntRange(1, MAX_SAMPLES_ASKED), metavar="N",
              help="The fewest samples of a case over all rounds, and its calls on a schedule.")  # fmt: skip
@click.option("--priority", cls=Flag, section=HOW, is_flag=True,
              help="Run calls on a schedule under SCHED_FIFO with locked memory, where allowed.")  # fmt: skip
@click.option("--search", cls=Flag, section=HOW, type=click.Choice(("rate",)),
              help="Also search for the highest rate that a case sustains.")  # fmt: skip
@click.option("--protocol", cls=Flag, section=HOW, type=click.Choice(get_args(MeasuringProtocol)),
              help="Also measure as DCT-Former's authors do: no warm-up, gradients on, inputs and two calls counted "
                   "in the memory, all divided by the batch.")  # fmt: skip
@click.option("--budget", cls=Flag, section=HOW, metavar="TIME",
              help="Time for the whole run: 5m. Sampling time is divided by predicted cost.")  # fmt: skip
@click.option("--jobs", cls=Flag, section=HOW, type=click.IntRange(1, MAX_JOBS), metavar="N",
              help="Trainings of --task at a time, a thread each (default: as many as there are cores, and as memory "
                   "allows).")  # fmt: skip
@click.option("--no-prune", cls=Flag, section=HOW, is_flag=True,
              help="Try longer lengths even after one ran out of memory or time.")  # fmt: skip
@click.option("--runner", cls=Flag, section=_WHERE, type=click.Choice(("local", "ray")), default="local",
              show_default=True, help="Where cases run: this machine, or the nodes of a Ray cluster.")  # fmt: skip
@click.option("--address", cls=Flag, section=_WHERE, metavar="HOST:PORT",
              help="Address of the Ray cluster (default: auto, the one that this machine belongs to).")  # fmt: skip
@click.option("--require-same-cpu", cls=Flag, section=_WHERE, is_flag=True,
              help="Refuse a cluster whose nodes differ; else each kind gets a part of the report.")  # fmt: skip
@click.option("--runner-timeout", cls=Flag, section=_WHERE, metavar="TIME",
              help="How long to wait for free nodes (default: 60s).")  # fmt: skip
@click.option(
    "--dry-run", cls=Flag, section=HOW, is_flag=True, help="Print the plan with an estimate, and measure nothing."
)
@click.option("--label", cls=Flag, section=_STORED, metavar="TEXT", help="A name for the run, for list and report.")
@click.option("--shard", cls=Flag, section=WHAT, metavar="I/N",
              help="Measure the I-th of N parts of the sweep, with the same --label for all of them; "
                   "`dctbench store merge` makes them one run.")  # fmt: skip
@save_baseline_option(_STORED, when="Unless a case ends in an error or a timeout")
@click.option("--resume", cls=Flag, section=_STORED, metavar="[RUN]", is_flag=False, flag_value="",
              shell_complete=completion.runs,
              help="Resume an unfinished run, by default the latest; takes no axis flags.")  # fmt: skip
@click.option("--retry-failed", cls=Flag, section=_STORED, is_flag=True,
              help="With --resume: also measure errors and timeouts again.")  # fmt: skip
@progress_option(_SHOWN)
@click.option("-q", "--quiet", cls=Flag, section=_SHOWN, is_flag=True, help="The same as --progress none.")
@host_label_option(_SHOWN)
@store_option
@format_option
@version_option
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> int:
    """Measure attentions over a sweep of lengths and compression ratios, and store every result.

    Without flags it measures the suite `quick`, a first look that takes a few minutes.
    """
    outlive_readers()
    if flags["runner"] == "local":
        flags = without_defaults(flags, "require_same_cpu", "runner_timeout")
    where = Where(
        runner=flags["runner"],
        address=flags["address"],
        require_same_cpu=flags["require_same_cpu"],
        timeout=_duration(flags["runner_timeout"], "--runner-timeout"),
    )
    style = "none" if flags["quiet"] else flags["progress"]
    if flags["resume"] is not None:
        _refuse_axes(ctx)
        asked = ResumeRequest(
            run=flags["resume"] or None,
            retry_failed=flags["retry_failed"],
            where=where,
            store=flags["store"],
            save_baseline=flags["save_baseline"],
        )
        with Display(style) as display:
            outcome = resume(asked, display)
    else:
        if was_typed("retry_failed"):
            raise errors.UsageError("--retry-failed needs --resume", hint="add --resume, or --resume RUN")
        suite, axes = chosen_suite(flags), axis_values(flags)
        if not on_schedule(suite, axes):
            flags = without_defaults(flags, "priority", "search")
        if not trains(suite, axes):
            flags = without_defaults(flags, "jobs")
        request = RunRequest(
            suite=suite,
            axes=axes,
            rounds=flags["rounds"],
            samples=flags["samples"],
            priority=flags["priority"],
            search=flags["search"],
            isolation=flags["isolation"],
            cache=flags["cache"],
            energy=False if flags["no_energy"] else None,
            protocol=flags["protocol"],
            case_timeout=_duration(flags["case_timeout"], "--case-timeout"),
            budget=_duration(flags["budget"], "--budget"),
            jobs=flags["jobs"],
            prune=not flags["no_prune"],
            label=typed(flags["label"] or ""),
            shard=None if flags["shard"] is None else parse_shard(flags["shard"], "--shard"),
            where=where,
            store=flags["store"],
            save_baseline=flags["save_baseline"],
            command=typed_command(),
        )
        if flags["dry_run"]:
            with Display(style) as display:
                planned = plan(request, display)
            print_plan(planned, request.budget, flags["output_format"])
            return errors.EXIT_OK
        with Display(style) as display:
            outcome = run(request, display)
    print_saved(outcome.baseline)
    rows_shown = display.rows_shown and sys.stdout.isatty()
    print_run(
        outcome,
        flags["output_format"],
        rows_shown=rows_shown,
        host_label=flags["host_label"],
        store=flags["store"],
    )
    return outcome.exit_code


def _duration(text: str | None, flag: str) -> float | None:
    return None if text is None else parse_duration(text, flag, bare_seconds=True)


def _refuse_axes(ctx: click.Context) -> None:
    for name in ctx.params:
        if was_typed(name) and name not in _WITH_RESUME:
            raise errors.UsageError(
                f"--{name.replace('_', '-')} cannot be combined with --resume: a resumed run keeps its own plan",
                hint="leave it out, or start a new run without --resume",
            )
