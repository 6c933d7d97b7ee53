"""The flags of budgets, the same wherever something is held to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from dctbench.analysis import Budgets
from dctbench.cli.options.click_ext import Flag, Function
from dctbench.spec import gate


def budget_options(function: Function) -> Function:
    """--max-latency-p99, --max-memory and --max-error."""
    options = [
        click.option("--max-latency-p99", cls=Flag, section="Budgets", metavar="TIME",
                     help="For the bound of the 99th percentile, such as 10ms; takes 299 samples."),
        click.option("--max-memory", cls=Flag, section="Budgets", multiple=True, metavar="SIZE",
                     help="For a call's tensors and what the method keeps, such as 64MiB; or process=SIZE."),
        click.option("--max-error", cls=Flag, section="Budgets", multiple=True, metavar="SHARE",
                     help="For the relative error on the smooth input, such as 5%; or noise=SHARE."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def budgets_of(flags: Mapping[str, Any]) -> Budgets:
    """The budgets that those flags give.

    Raises:
        UsageError: for a wrong value, naming its flag.
    """
    return gate.budgets(flags["max_latency_p99"], flags["max_memory"], flags["max_error"])
