"""The axis flags of a sweep, and a suite with those that were given in place of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from dctbench.app.code_loading import check_configured_suite
from dctbench.cli.options.click_ext import Flag, Function
from dctbench.model import Suite
from dctbench.spec import axes as names
from dctbench.spec import suites
from dctbench.spec.grid import parse_axis

AXES = (*names.NUMERIC_AXES, *names.WORD_AXES)
"""The axis flags, by the names under which a command gets them."""
WHAT, SHAPE, HOW = "What to measure", "Shapes", "How to measure"
_NUMBERS = "such as 512, 8k, 512..8192, 512..8192:x1.5 or 512..8192:+512, joined by commas"


def axis_options(suite: str) -> Callable[[Function], Function]:
    """--suite, with that default, and one flag per axis."""
    options = [
        click.option("--suite", cls=Flag, section=WHAT, default=suite, show_default=True, metavar="NAME|FILE",
                     help="A shipped suite (`dctbench list suites`) or a TOML file; the flags below override it."),
        click.option("--impl", cls=Flag, section=WHAT, multiple=True, metavar="NAMES",
                     help="Implementations, with commas or globs ('dct*'), or package.module:Class for your own."),
        click.option("--seq", cls=Flag, section=SHAPE, metavar="VALUES", help=f"Sequence lengths, {_NUMBERS}."),
        click.option("--ratio", cls=Flag, section=SHAPE, metavar="VALUES",
                     help="Compression ratios n / n_kept, at least 1, written the same way."),
        click.option("--batch", cls=Flag, section=SHAPE, metavar="VALUES", help="Batch sizes."),
        click.option("--heads", cls=Flag, section=SHAPE, metavar="VALUES", help="Numbers of heads."),
        click.option("--head-dim", cls=Flag, section=SHAPE, metavar="VALUES", help="Widths of a head."),
        click.option("--dtype", cls=Flag, section=SHAPE, multiple=True, metavar="NAMES",
                     help="float32, bfloat16, float16 or float64 (fp32, bf16, fp16, fp64)."),
        click.option("--scope", cls=Flag, section=WHAT, multiple=True, metavar="NAMES",
                     help="attention (q, k, v -> out), layer (with projections) or encoder (the paper's 4 blocks)."),
        click.option("--mode", cls=Flag, section=WHAT, multiple=True, metavar="NAMES",
                     help="forward, backward or train (both)."),
        click.option("--engine", cls=Flag, section=HOW, multiple=True, metavar="NAMES",
                     help="eager, compile (torch.compile) or cudagraph (CUDA only)."),
        click.option("--device", cls=Flag, section=HOW, multiple=True, metavar="NAMES",
                     help="cpu, cuda:0, mps: see `dctbench list devices`."),
        click.option("--threads", cls=Flag, section=HOW, metavar="VALUES",
                     help="Threads torch may use; its own choice when not given."),
    ]  # fmt: skip

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def suite_from_flags(flags: Mapping[str, Any], **settings: Any) -> Suite:
    """The suite that the flags of `axis_options` describe.

    Raises:
        UsageError: for every wrong value, naming its flag.
    """
    axes: dict[str, list[Any]] = {}
    for key, axis in names.NUMERIC_AXES.items():
        if flags[key] is not None:
            axes[key] = list(parse_axis(flags[key], axis))
    for key in names.WORD_AXES:
        if flags[key]:
            axes[key] = names.words(key, flags[key])
    loaded = suites.load(flags["suite"])
    context = click.get_current_context(silent=True)
    if context is not None and context.get_parameter_source("suite") is ParameterSource.DEFAULT_MAP:
        check_configured_suite(loaded, flags["suite"], own_axes="impl" not in axes)
    return suites.override(loaded, axes, replace(loaded.settings, **settings))
