"""`dctbench export`: write a run in a format that other tools read."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dctbench import catalog, errors
from dctbench.cli.options import completion
from dctbench.cli.options.click_ext import (
    CONTEXT,
    Command,
    Flag,
    force_option,
    store_option,
    unused_format_option,
    version_option,
)
from dctbench.cli.options.disclosure import anonymous_option, host_label_option
from dctbench.cli.terminal.files import check_writable, print_document, write_whole
from dctbench.exporters.registry import ALIASES, FORMATS
from dctbench.runs.lookup import disclosure, forwarded, resolve


@click.command(
    "export",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench export json -o baseline.json", "dctbench export latex latest~1 > table.tex"),
)
@click.argument("form", metavar="FORMAT", shell_complete=completion.names(lambda: FORMATS))
@click.argument("run", default="latest", metavar="[RUN]", shell_complete=completion.runs)
@click.option("-o", "--output", cls=Flag, metavar="FILE", help="Write to this file (default: standard output).")
@force_option()
@host_label_option("Options")
@anonymous_option("Options")
@store_option
@unused_format_option
@version_option
def command(
    form: str, run: str, output: str | None, force: bool, host_label: str | None, anonymous: bool, store: str
) -> int:
    """Write a run (by default the latest) as FORMAT.

    \b
    json                     everything, raw samples included; `dctbench import` reads it
    csv, parquet             one row per case and metric
    markdown (md), latex     the table of the paper: a row per method, a column per length
    bencher                  Bencher Metric Format
    github-action-benchmark  smaller is better; speed-ups go to FILE.bigger.json beside -o FILE.json
    junit                    one test case per case; errors and timeouts are errors
    pytest-benchmark         the format of pytest --benchmark-json

    RUN is an id or the start of one, latest, latest~1, a label, a baseline's name, or an exported file.
    """
    form = ALIASES.get(form, form)
    if form not in FORMATS:
        raise catalog.unknown("format", form, FORMATS)
    chosen = FORMATS[form]
    if chosen.binary and output is None and sys.stdout.isatty():
        raise errors.UsageError(f"{form} is binary and this is a terminal", hint=f"write a file: -o results.{form}")
    if output is not None:
        check_writable(Path(output), chosen.mark, force=force)
    stored = resolve(store, run)
    found = forwarded(stored, disclosure(stored, anonymous=anonymous, host_label=host_label))
    content = chosen.write(found)
    if output is None:
        print_document(content)
        return errors.EXIT_OK
    files = {Path(output): content}
    second = chosen.second(found) if chosen.second else None
    if second is not None:
        files[Path(output).with_suffix(f".bigger{Path(output).suffix}")] = second
    for path in files:
        check_writable(path, chosen.mark, force=force)
    for path, text in files.items():
        click.echo(str(write_whole(path, text, chosen.mark, force=force)), err=True)
    return errors.EXIT_OK
