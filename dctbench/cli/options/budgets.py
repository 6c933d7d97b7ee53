"""The budget flags, the same for every command that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from dctbench.analysis import Budgets
from dctbench.cli.options.click_ext import Flag, Function
from dctbench.spec import gate


def budget_options(function: Function) -> Function:
    """Add --max-latency-p99, --max-memory and --max-error."""
    options = [
        click.option("--max-latency-p99", cls=Flag, section="Budgets", metavar="TIME",
                     help="Upper bound of the 99th percentile, such as 10ms; needs 299 samples."),
        click.option("--max-memory", cls=Flag, section="Budgets", multiple=True, metavar="SIZE",
                     help="Tensors of a call and state of the method, such as 64MiB; or process=SIZE."),
        click.option("--max-error", cls=Flag, section="Budgets", multiple=True, metavar="SHARE",
                     help="Relative error on the smooth input, such as 5%; or noise=SHARE."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def budgets_of(flags: Mapping[str, Any]) -> Budgets:
    """Return the budgets that the flags set.

    Raises:
        UsageError: for a wrong value; the message names its flag.
    """
    return gate.parse_budgets(flags["max_latency_p99"], flags["max_memory"], flags["max_error"])
