"""The commands: each module parses, calls one function, prints. This one names them without importing them."""

from __future__ import annotations

import click

from dctbench.cli.options.click_ext import CONTEXT, Group, version_option

_COMMANDS = {
    "run": ("Measure", "Measure attentions over a sweep and store every result."),
    "noise": ("Measure", "Measure the same code against itself: how noisy is this machine?"),
    "check": ("Decide", "Measure now, judge against a base: exit 1 when something got worse."),
    "choose": ("Decide", "Say which attention to ship at a length, within budgets."),
    "compare": ("Decide", "Say what changed between two stored runs."),
    "report": ("Decide", "Make one self-contained HTML page from stored results."),
    "export": ("Pass on", "Write a run for other tools: JSON, CSV, Parquet, LaTeX, Bencher ..."),
    "import": ("Pass on", "Store the run of a result file."),
    "store": ("Look after", "The store itself: info, check, prune, forget, merge, push."),
    "doctor": ("Look up", "Check this machine, and measure its ceilings."),
    "list": ("Look up", "List implementations, suites, devices, metrics, runs or cases."),
}
_EXAMPLES = (
    "dctbench run --seq 512..8192 --impl sdpa,dct-x --ratio 4,8",
    "dctbench report",
)


@click.command(cls=Group, lazy=_COMMANDS, examples=_EXAMPLES, context_settings=CONTEXT, no_args_is_help=True)
@version_option
def cli() -> None:
    """Decide which attention to ship: at this length, on this device, within this budget."""
