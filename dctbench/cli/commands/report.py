"""`dctbench report`: write one HTML page from stored results."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from dctbench import errors
from dctbench.app.report import EmptyRunError, ReportRequest, make_report
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
from dctbench.cli.tables.damage import refuse_damage
from dctbench.cli.terminal.files import check_writable, write_whole
from dctbench.cli.terminal.streams import typed
from dctbench.page.assets import MARK
from dctbench.page.html import html
from dctbench.store import masked
from dctbench.text.sanitize import sanitize_text

_PAGE = "The page"


@click.command(
    "report",
    cls=Command,
    context_settings=CONTEXT,
    examples=("dctbench report", "dctbench report laptop server --compress -o both.html"),
)
@click.argument("runs", nargs=-1, metavar="[RUN ...]", shell_complete=completion.runs)
@click.option(
    "-o",
    "--output",
    cls=Flag,
    section=_PAGE,
    metavar="FILE",
    default="dctbench-report.html",
    show_default=True,
    help="Write the page to this file.",
)
@click.option("--title", cls=Flag, section=_PAGE, metavar="TEXT", help="Heading; by default the run's label or id.")
@click.option("--reference", cls=Flag, section=_PAGE, metavar="IMPL", shell_complete=completion.axis("impl"),
              help="Method that speed-ups compare with.")  # fmt: skip
@click.option("--baseline", cls=Flag, section=_PAGE, metavar="REF", shell_complete=completion.runs,
              help="A run to compare the first one with (default: the base of its check).")  # fmt: skip
@click.option("--history", "case", cls=Flag, section=_PAGE, metavar="CASE",
              help="Show one case over all stored runs, by its id or such as 'dct-x r=8 n=4096'; from ten runs "
                   "on it needs the extra `history`.")  # fmt: skip
@click.option("--compress", cls=Flag, section=_PAGE, is_flag=True,
              help="Half the size; needs a browser of 2023 or later.")  # fmt: skip
@click.option("--open", "open_page", cls=Flag, section=_PAGE, is_flag=True, help="Open the page in a browser.")
@force_option(_PAGE)
@host_label_option(_PAGE)
@anonymous_option(_PAGE)
@store_option
@unused_format_option
@version_option
def command(
    runs: tuple[str, ...],
    output: str,
    title: str | None,
    reference: str | None,
    baseline: str | None,
    case: str | None,
    compress: bool,
    open_page: bool,
    force: bool,
    host_label: str | None,
    anonymous: bool,
    store: str,
) -> int:
    """Write one self-contained HTML page from the results of a run (by default the latest) or of an exported file.

    Several runs, such as those of two machines, appear side by side; no figure mixes them.

    RUN is an id or the start of one, latest, latest~1, a label, a baseline's name, or an exported file.
    """
    check_writable(Path(output), MARK, force=force)
    gc.disable()  # a million small objects without cycles: collecting took a quarter of the time
    request = ReportRequest(
        store=store,
        runs=runs,
        reference=reference,
        baseline=baseline,
        history=case,
        anonymous=anonymous,
        host_label=host_label,
    )
    damage: list[str] = []
    try:
        made = make_report(request, damage)
    except EmptyRunError:
        refuse_damage(masked(store), damage)
        raise
    page = html(
        made.runs,
        heading=sanitize_text(typed(title)) if title else title,
        reference=made.reference,
        compress=compress,
        compared=made.compared,
        past=made.past,
    )
    path = write_whole(Path(output), page, MARK, force=force)
    click.echo(str(path))
    if open_page:
        click.launch(path.absolute().as_uri())
    refuse_damage(masked(store), damage)
    return errors.EXIT_OK
