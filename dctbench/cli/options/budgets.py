"""The budget flags, the same for every command that has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from dctbench.analysis import Budgets
from dctbench.cli.options.click_ext import Flag, Function, was_typed
from dctbench.errors import UsageError
from dctbench.spec import gate


def budget_options(function: Function) -> Function:
    """Add --max-latency-p99, --max-memory, --max-error, --max-miss-rate and --confidence."""
    options = [
        click.option("--max-latency-p99", cls=Flag, section="Budgets", metavar="TIME",
                     help="Upper end of the 99th percentile, such as 10ms; needs 299 samples (459 at 99%)."),
        click.option("--max-memory", cls=Flag, section="Budgets", multiple=True, metavar="SIZE",
                     help="Tensors of a call and state of the method, such as 64MiB; or process=SIZE."),
        click.option("--max-error", cls=Flag, section="Budgets", multiple=True, metavar="SHARE",
                     help="Relative error on the smooth input, such as 5%; or noise=SHARE, or input=SHARE (--input)."),
        click.option("--max-miss-rate", "--miss-rate", "max_miss_rate", cls=Flag, section="Budgets", metavar="SHARE",
                     help="Upper bound of the share of calls after their deadline, such as 1%; needs --period."),
        click.option("--confidence", cls=Flag, section="Budgets", type=click.Choice(gate.CONFIDENCES),
                     help="Confidence of the bounds on p99 and miss rate, in percent (default: 95)."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def budgets_of(flags: Mapping[str, Any], usual_miss_rate: str | None = None) -> Budgets:
    """Return the budgets that the flags set.

    Args:
        flags: of `budget_options`.
        usual_miss_rate: the miss rate if the flag is not given; None for no such budget.

    Raises:
        UsageError: for a wrong value; the message names its flag.
    """
    limits = gate.parse_budgets(
        flags["max_latency_p99"], flags["max_memory"], flags["max_error"], flags["max_miss_rate"] or usual_miss_rate
    )
    if (confidence := flags["confidence"]) is None:
        return limits
    if was_typed("confidence") and limits.latency_p99 is None and limits.miss_rate is None:
        raise UsageError(
            "--confidence is for the bounds of --max-latency-p99 and --max-miss-rate", hint="add one of them"
        )
    return replace(limits, confidence=gate.parse_confidence("--confidence", [confidence]))
