"""The axis flags of a sweep, and the suite that they override."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from dctbench.app.code_loading import check_configured_suite
from dctbench.cli.options import completion
from dctbench.cli.options.click_ext import Flag, Function
from dctbench.spec import axes as names
from dctbench.spec import suites
from dctbench.spec.axes import AxisValues
from dctbench.spec.suites import Suite

AXES = (*names.NUMERIC_AXES, *names.WORD_AXES)
"""The axis flags, by the names of a command's parameters."""
WHAT, SHAPE, HOW = "What to measure", "Shapes", "How to measure"
_NUMBERS = "such as 512, 8k, 512..8192, 512..8192:x1.5 or 512..8192:+512, joined by commas"


def axis_options(suite: str) -> Callable[[Function], Function]:
    """Add --suite, with that default, and one flag per axis."""
    options = [
        click.option("--suite", cls=Flag, section=WHAT, default=suite, show_default=True, metavar="NAME|FILE",
                     shell_complete=completion.suites_and_files,
                     help="A shipped suite (`dctbench list suites`) or a TOML file. Other flags override it."),
        click.option("--impl", cls=Flag, section=WHAT, multiple=True, metavar="NAMES",
                     shell_complete=completion.axis("impl"),
                     help="Implementations, with commas or globs ('dct*'), or package.module:Class for your own."),
        click.option("--task", cls=Flag, section=WHAT, multiple=True, metavar="NAMES",
                     shell_complete=completion.axis("task"),
                     help="Train small models on tasks and store their accuracy, one seed per round: mnist1d, "
                          "mnist1d/scrambled, recall/4x, package.module:Class (`dctbench list tasks`). '*' leaves out "
                          "those that only a GPU trains in time."),
        click.option("--seq", cls=Flag, section=SHAPE, metavar="VALUES", help=f"Sequence lengths, {_NUMBERS}."),
        click.option("--ratio", cls=Flag, section=SHAPE, metavar="VALUES",
                     help="Compression ratios n / n_kept, at least 1, in the same notation."),
        click.option("--kept", cls=Flag, section=SHAPE, metavar="VALUES",
                     help="Numbers kept at every length, such as 64,256, in addition to --ratio; or 'default': the "
                          "number of its paper for a method that has one (`dctbench list impls`), else --ratio."),
        click.option("--batch", cls=Flag, section=SHAPE, metavar="VALUES", help="Batch sizes."),
        click.option("--heads", cls=Flag, section=SHAPE, metavar="VALUES", help="Numbers of heads."),
        click.option("--head-dim", cls=Flag, section=SHAPE, metavar="VALUES", help="Widths of a head."),
        click.option("--dtype", cls=Flag, section=SHAPE, multiple=True, metavar="NAMES",
                     shell_complete=completion.axis("dtype"),
                     help="float32, bfloat16, float16 or float64 (fp32, bf16, fp16, fp64)."),
        click.option("--scope", cls=Flag, section=WHAT, multiple=True, metavar="NAMES",
                     shell_complete=completion.axis("scope"),
                     help="attention (q, k, v -> out), layer (projections too), encoder (the paper's) or model."),
        click.option("--model", cls=Flag, section=WHAT, multiple=True, metavar="TARGET",
                     shell_complete=completion.axis("model"),
                     help="A model whose attention is replaced: package.module:function, hf:FOLDER, or minilm."),
        click.option("--layers", cls=Flag, section=WHAT, multiple=True, metavar="LIST",
                     help="With --model: which of its attentions, such as 0,2,4, or 2.. (default: all)."),
        click.option("--keep-first", cls=Flag, section=WHAT, metavar="VALUES",
                     help="With --model: leave the first N attentions as they are; several values are a sweep."),
        click.option("--recover", cls=Flag, section=WHAT, metavar="STEPS",
                     help="With --model: train the converted model for this many steps to reproduce the original."),
        click.option("--input", cls=Flag, section=WHAT, multiple=True, metavar="NAMES",
                     shell_complete=completion.axis("input"),
                     help="Also measure the error, and the spectrum, on this data: noise, smooth, digits, photo, ecg, "
                          "text or minilm:LAYER."),
        click.option("--mode", cls=Flag, section=WHAT, multiple=True, metavar="NAMES",
                     shell_complete=completion.axis("mode"),
                     help="forward, backward or train (both)."),
        click.option("--engine", cls=Flag, section=HOW, multiple=True, metavar="NAMES",
                     shell_complete=completion.axis("engine"),
                     help="eager, compile (torch.compile), cudagraph (CUDA), or a deployment engine: onnxruntime, ..."),
        click.option("--device", cls=Flag, section=HOW, multiple=True, metavar="NAMES",
                     shell_complete=completion.axis("device"),
                     help="cpu, cuda:0, mps: see `dctbench list devices`."),
        click.option("--threads", cls=Flag, section=HOW, metavar="VALUES",
                     help="Threads that torch may use (default: its own choice). A training of --task has one."),
        click.option("--ranks", cls=Flag, section=HOW, metavar="VALUES",
                     help="Divide the sequence among this many processes, each with a GPU or a share of the threads."),
        click.option("--period", cls=Flag, section=HOW, metavar="TIMES",
                     help="Also release calls on a schedule, one every 20ms, or 10ms,20ms for a sweep."),
        click.option("--deadline", cls=Flag, section=HOW, metavar="TIMES",
                     help="When a call must have ended after its release: 10ms (default: the period)."),
    ]  # fmt: skip

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def axis_values(flags: Mapping[str, Any]) -> AxisValues:
    """The values that the flags of `axis_options` give.

    Raises:
        UsageError: for a wrong value, naming its flag.
    """
    return AxisValues(**{axis: flags[axis] for axis in AXES if flags.get(axis) not in (None, ())})


def chosen_suite(flags: Mapping[str, Any]) -> Suite:
    """The suite that --suite names. Raises the same errors as `named_suite`."""
    return named_suite(flags["suite"], own_axes=not flags["impl"])


def named_suite(name: str, *, own_axes: bool) -> Suite:
    """The suite that --suite names.

    Args:
        name: of a shipped suite, or the path of a file.
        own_axes: whether its own implementations are measured, and not those of the command line.

    Raises:
        UsageError: when there is none, or when pyproject.toml names it and it would load code.
    """
    loaded = suites.load(name)
    context = click.get_current_context(silent=True)
    if context is not None and context.get_parameter_source("suite") is ParameterSource.DEFAULT_MAP:
        check_configured_suite(loaded, name, own_axes=own_axes)
    return loaded
