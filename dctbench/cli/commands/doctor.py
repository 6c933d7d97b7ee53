"""`dctbench doctor`: check whether this machine is fit to measure on, and print what to do where it is not."""

from __future__ import annotations

import click
from rich.console import Console
from rich.text import Text

from dctbench import doctor
from dctbench.cli.options import completion
from dctbench.cli.options.axes import named_suite
from dctbench.cli.options.click_ext import CONTEXT, Command, Flag, format_option, store_option, version_option
from dctbench.cli.tables.records import print_records
from dctbench.cli.terminal.streams import outlive_readers
from dctbench.cli.terminal.wrap import terminal_width, wrapped
from dctbench.doctor import Finding
from dctbench.runners.local import LocalRunner, LocalSettings

_STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}
_GAP = "  "


@click.command(
    "doctor",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench doctor", "dctbench doctor --calibrate --suite ci"),
)
@click.option("--calibrate", cls=Flag, is_flag=True,
              help="Measure the ceilings of this machine (matrix products per dtype, a copy) and the rates that "
                   "plan the transforms, and store both for this environment. Takes about half a minute for each "
                   "device.")  # fmt: skip
@click.option("--suite", cls=Flag, metavar="NAME|FILE", shell_complete=completion.suites_and_files,
              help="Check the environment of this suite's cases, whose variables may differ. That of `ci` is also the "
                   "one of `noise`, and of a `check` in turns whose suite sets no variables.")  # fmt: skip
@store_option
@format_option
@version_option
def command(calibrate: bool, suite: str | None, store: str, output_format: str) -> int:
    """Check this machine: clock, load, limits, torch, GPU, store. Each line is ok, a warning or a failure.

    Exit 0 unless a line is a failure: then 5 when results cannot be stored, 6 when torch, a GPU or the lock of a
    device cannot be used, 3 when time or ceilings cannot be measured.
    """
    outlive_readers()  # the exit code tells of a failure whether or not somebody reads it
    found: list[Finding] = []
    env = {} if suite is None else named_suite(suite, own_axes=False).settings.env
    with LocalRunner(LocalSettings(env=env), on_wait=_announce) as runner:
        if output_format == "table":
            facts = runner.environment.facts
            _print(f"dctbench doctor{_GAP}{facts['cpu']}, fingerprint {runner.environment.fingerprint}")
        for title, findings in doctor.groups(runner, store, suite=suite, calibrate=calibrate, announce=_announce):
            if output_format == "table":
                _print_group(title, findings)
            found += findings
    if output_format == "table":
        _print_summary(found)
    elif output_format == "json":
        print_records([finding.to_json() for finding in found], output_format)
    else:
        keys = ("check", "state", "found", "remedy")
        print_records([{key: getattr(finding, key) for key in keys} for finding in found], output_format)
    return doctor.exit_code(found)


def _announce(text: str) -> None:
    click.echo(text, err=True)


def _print_group(title: str, findings: list[Finding]) -> None:
    """Print a title and a line per finding with its remedy below it, wrapped to the terminal."""
    width = terminal_width()
    _print("")
    _print(title, style="bold")
    for finding in findings:
        head = f"{_GAP}{finding.state:<{_STATE_WIDTH}}{_GAP}{finding.check:<{_CHECK_WIDTH}}{_GAP}"
        first, *more = wrapped(finding.found, width, head)
        _print(first, style=_STYLES[finding.state], until=len(_GAP) + _STATE_WIDTH)
        for line in more:
            _print(line)
        for line in wrapped(finding.remedy, width, " " * len(head) + "-> ") if finding.remedy else ():
            _print(line, style="cyan")


_STATE_WIDTH = len("warning")
_CHECK_WIDTH = len("stolen time")


def _print_summary(found: list[Finding]) -> None:
    counts = {state: sum(finding.state == state for finding in found) for state in _STYLES}
    plural = {state: "" if state == "ok" or counts[state] == 1 else "s" for state in counts}
    _print("")
    _print(", ".join(f"{number} {state}{plural[state]}" for state, number in counts.items()))


def _print(text: str, style: str = "", until: int | None = None) -> None:
    """Print a line, its first `until` characters (by default all) in a style; rich decides whether there is colour."""
    styled = Text(text)
    styled.stylize(style, 0, until)
    Console(highlight=False).print(styled, soft_wrap=True)
