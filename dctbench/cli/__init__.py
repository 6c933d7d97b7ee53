"""The command line: each command parses its flags, calls one function of app/ and prints what comes back.

This module names the commands without importing them.
"""

from __future__ import annotations

import click

from dctbench.cli.options.click_ext import version_option
from dctbench.cli.options.groups import CommandLine, LazyCommand

_MEASURE, _DECIDE, _SHARE, _MAINTAIN, _INSPECT = "Measure", "Decide", "Share", "Maintain", "Inspect"
_PACKAGE = "dctbench.cli.commands"
_COMMANDS = {
    "run": LazyCommand(f"{_PACKAGE}.run", "Measure attention methods over a sweep and store every result.", _MEASURE),
    "bundle": LazyCommand(f"{_PACKAGE}.bundle", "Export a suite to measure it on a target without torch.", _MEASURE),
    "noise": LazyCommand(f"{_PACKAGE}.noise", "Measure the same code twice: how noisy is this machine?", _MEASURE),
    "check": LazyCommand(f"{_PACKAGE}.check", "Measure now and compare with a base; exit 1 when worse.", _DECIDE),
    "choose": LazyCommand(f"{_PACKAGE}.choose", "Recommend which attention to ship at a length and budget.", _DECIDE),
    "compare": LazyCommand(f"{_PACKAGE}.compare", "Show what changed between two stored runs.", _DECIDE),
    "report": LazyCommand(f"{_PACKAGE}.report", "Write one self-contained HTML page from stored results.", _DECIDE),
    "atlas": LazyCommand(f"{_PACKAGE}.atlas", "Show from which length each method pays, machine by machine.", _DECIDE),
    "export": LazyCommand(f"{_PACKAGE}.export", "Write a run for other tools: JSON, CSV, LaTeX, Bencher ...", _SHARE),
    "import": LazyCommand(f"{_PACKAGE}.import_", "Store the run of a result file.", _SHARE),
    "store": LazyCommand(f"{_PACKAGE}.store", "Manage a store: info, check, prune, forget, merge, push.", _MAINTAIN),
    "doctor": LazyCommand(f"{_PACKAGE}.doctor", "Check this machine, and measure its ceilings.", _INSPECT),
    "list": LazyCommand(f"{_PACKAGE}.list", "List methods, tasks, suites, devices, metrics, runs or cases.", _INSPECT),
}
_EXAMPLES = (
    "dctbench run --seq 512..8192 --impl sdpa,dct-x --ratio 4,8",
    "dctbench report",
)


@click.group(cls=CommandLine, commands=_COMMANDS, examples=_EXAMPLES)
@version_option
def cli() -> None:
    """Decide which attention to ship: at this length, on this device, within this budget."""
